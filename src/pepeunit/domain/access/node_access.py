"""What is told of who may use a node's topic (issue 5 part 4)."""

from __future__ import annotations

import enum
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent
from pepeunit.domain.access.explain import Verdict
from pepeunit.domain.ids import NodeId, UnitId, UserId
from pepeunit.domain.users.user import UserRole

ANYBODY: Final = UUID(int=0)
"""Stands for whoever has nothing to do with the node."""


class AccessWho(enum.Enum):
    """What an agent is to the node; the last five are whole classes."""

    OWNER = "owner"
    ITS_UNIT = "its_unit"
    USER = "user"
    UNIT = "unit"
    ADMINISTRATORS = "administrators"
    OTHER_USERS = "other_users"
    OTHER_UNITS = "other_units"
    ANONYMOUS = "anonymous"
    PLATFORM = "platform"


CLASSES: Final = {
    AccessWho.ADMINISTRATORS: Agent.user(UserId(ANYBODY), UserRole.ADMIN),
    AccessWho.OTHER_USERS: Agent.user(UserId(ANYBODY)),
    AccessWho.OTHER_UNITS: Agent.unit(UnitId(ANYBODY)),
    AccessWho.ANONYMOUS: ANONYMOUS,
    AccessWho.PLATFORM: BACKEND,
}


@frozen
class AgentAccess:
    """``name`` is None for classes and for units that the caller does not see."""

    who: AccessWho
    uuid: UUID | None
    name: str | None
    verdicts: tuple[Verdict, ...]


@frozen
class NodeAccess:
    """``count`` is how many agents hold a permission or a link, though not all may be told."""

    node: NodeId
    topic: str
    access: tuple[AgentAccess, ...]
    count: int = 0
