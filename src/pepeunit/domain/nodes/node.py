"""An input or output of a unit (spec devices.md 7)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Protocol

from attrs import evolve, frozen

from pepeunit.domain.access.policy import Resource
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, UnitId, UserId
from pepeunit.domain.messaging.topic import PIPE_SUFFIX

MAX_CONNECTIONS_DEFAULT: Final = 10


class NodeType(enum.Enum):
    OUTPUT = "Output"
    INPUT = "Input"


class PipeStatus(enum.Enum):
    ACTIVE = "Active"
    INACTIVE = "Inactive"
    ERROR = "Error"


class NodeSettings(Protocol):
    """What :func:`setting_violations` looks at."""

    @property
    def type(self) -> NodeType: ...
    @property
    def topic_name(self) -> str: ...
    @property
    def is_rewritable_input(self) -> bool: ...
    @property
    def max_connections(self) -> int: ...
    @property
    def is_data_pipe_active(self) -> bool: ...


@frozen
class Node:
    """``state`` is the newest stored value, ``state_datetime`` its receive time (rulings 32)."""

    uuid: NodeId
    type: NodeType
    topic_name: str
    unit_uuid: UnitId
    creator_uuid: UserId
    visibility_level: Visibility
    create_datetime: datetime
    last_update_datetime: datetime
    is_rewritable_input: bool = False
    max_connections: int = MAX_CONNECTIONS_DEFAULT
    state: str | None = None
    state_datetime: datetime | None = None
    is_data_pipe_active: bool = False
    data_pipe_yml: str | None = None
    data_pipe_status: str | None = None
    data_pipe_error: str | None = None

    def with_pipe_status(self) -> Node:
        """The status that follows from the settings; the pipeline alone finds errors."""
        runs = self.is_data_pipe_active and bool(self.data_pipe_yml)
        status = PipeStatus.ACTIVE if runs else PipeStatus.INACTIVE
        return evolve(self, data_pipe_status=status.value, data_pipe_error=None)

    @property
    def can_have_pipe(self) -> bool:
        return self.topic_name.endswith(PIPE_SUFFIX)

    def resource(self, *, permitted: bool = False) -> Resource:
        return Resource(
            name="node",
            visibility=self.visibility_level,
            creator=self.creator_uuid,
            permitted=permitted,
            unit=self.unit_uuid,
            is_input=self.type is NodeType.INPUT,
            is_rewritable=self.is_rewritable_input,
        )


def setting_violations(node: NodeSettings) -> Iterable[tuple[str, str]]:
    """What a node's settings may not say (error topic node)."""
    if node.is_rewritable_input and node.type is not NodeType.INPUT:
        yield "is_rewritable_input", "is for inputs only"
    if node.is_data_pipe_active and not node.topic_name.endswith(PIPE_SUFFIX):
        yield "is_data_pipe_active", f"needs a topic that ends in {PIPE_SUFFIX}"
    if node.max_connections < 1:
        yield "max_connections", "must be at least 1"
