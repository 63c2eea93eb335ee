"""A unit's nodes against the schema of a new version (spec devices.md 7, version sync).

Nodes are matched by type and name alone: a kept node keeps its id, settings, edges and state, a
renamed one is deleted and made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from pepeunit.domain.nodes.node import Node, NodeType


@frozen
class NodeChanges:
    create: tuple[tuple[NodeType, str], ...]
    delete: tuple[Node, ...]
    keep: tuple[Node, ...]

    @property
    def is_empty(self) -> bool:
        return not self.create and not self.delete


def reconcile(existing: Sequence[Node], wanted: Iterable[tuple[NodeType, str]]) -> NodeChanges:
    """What to create, delete and keep so that the unit has exactly the wanted nodes."""
    names = dict.fromkeys(wanted)
    known = {(node.type, node.topic_name) for node in existing}
    return NodeChanges(
        create=tuple(name for name in names if name not in known),
        delete=tuple(node for node in existing if (node.type, node.topic_name) not in names),
        keep=tuple(node for node in existing if (node.type, node.topic_name) in names),
    )
