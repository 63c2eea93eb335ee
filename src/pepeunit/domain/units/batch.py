"""Units as a file describes them, before any of them exists."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RepoId
from pepeunit.domain.nodes.node import MAX_CONNECTIONS_DEFAULT, NodeType
from pepeunit.domain.registries.version import Sha

UNITS_MAX: Final = 1000
"""Units in one import, one export or one selection."""
EDGES_MAX: Final = 10_000
Violation = tuple[str, str]


@frozen
class NodeDraft:
    """The settings of a node that the unit's program brings."""

    type: NodeType
    topic_name: str
    visibility_level: Visibility
    is_rewritable_input: bool = False
    max_connections: int = MAX_CONNECTIONS_DEFAULT
    is_data_pipe_active: bool = False
    data_pipe_yml: str | None = None


@frozen
class UnitDraft:
    """``place`` says where in the file it stands."""

    place: str
    name: str
    visibility_level: Visibility
    repo_uuid: RepoId
    is_auto_update_from_repo_unit: bool = True
    target_firmware_platform: str | None = None
    repo_branch: str | None = None
    repo_commit: Sha | None = None
    nodes: tuple[NodeDraft, ...] = ()


@frozen(order=True)
class NodeName:
    """A node by the name of its unit and its own."""

    unit: str
    topic_name: str


@frozen
class EdgeDraft:
    place: str
    output: NodeName
    input: NodeName


@frozen
class Batch:
    """Everything or nothing of it is made."""

    units: tuple[UnitDraft, ...]
    edges: tuple[EdgeDraft, ...] = ()
