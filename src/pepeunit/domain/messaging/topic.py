"""The topic grammar (spec devices.md 7, access.md 6.2).

::

    <domain>/input_base_topic/<unit>/<word>/pepeunit     platform -> unit
    <domain>/output_base_topic/<unit>/<word>/pepeunit    unit -> platform
    <domain>/<node>/pepeunit                             a node that can have a pipe
    <domain>/<node>                                      a node that cannot
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.domain.ids import NodeId, UnitId

SUFFIX: Final = "pepeunit"
PIPE_SUFFIX: Final = "/pepeunit"
UUID_TEXT_LENGTH: Final = 36


class BaseDirection(enum.Enum):
    """The two base sections of a schema; the value is also the topic's second level."""

    INPUT = "input_base_topic"
    OUTPUT = "output_base_topic"


@frozen
class NodeTopic:
    """A node's physical topic; ``has_suffix`` says whether it ends in ``/pepeunit``."""

    node: NodeId
    has_suffix: bool


@frozen
class BaseTopic:
    """A unit's own command or report topic; ``word`` is ``state``, ``log``, ``update`` ..."""

    direction: BaseDirection
    unit: UnitId
    word: str


ParsedTopic = NodeTopic | BaseTopic


def _uuid(text: str) -> UUID | None:
    if len(text) != UUID_TEXT_LENGTH:
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None


def parse_topic(text: str, domains: Collection[str]) -> ParsedTopic | None:
    """The topic's meaning, or None for every text outside the grammar.

    ``domains`` are the accepted first levels: ``PU_DOMAIN`` and its aliases. Wildcards, foreign
    domains, upper-case uuids and wrong level counts are outside the grammar.
    """
    levels = text.split("/")
    if levels[0] not in domains:
        return None
    match levels[1:]:
        case [node]:
            value = _uuid(node)
            return NodeTopic(NodeId(value), has_suffix=False) if value else None
        case [node, "pepeunit"]:
            value = _uuid(node)
            return NodeTopic(NodeId(value), has_suffix=True) if value else None
        case [("input_base_topic" | "output_base_topic") as section, unit, word, "pepeunit"]:
            value = _uuid(unit)
            if value is None or not word or "+" in word or "#" in word:
                return None
            return BaseTopic(BaseDirection(section), UnitId(value), word)
        case _:
            return None


def node_topic(domain: str, node: NodeId, topic_name: str) -> str:
    """The physical topic of a node: names of any depth collapse to two or three levels."""
    return f"{domain}/{node}{PIPE_SUFFIX if topic_name.endswith(PIPE_SUFFIX) else ''}"


def base_topic(domain: str, direction: BaseDirection, unit: UnitId, name: str) -> str:
    """The physical topic of a base name such as ``update/pepeunit`` in a schema section."""
    return f"{domain}/{direction.value}/{unit}/{name}"
