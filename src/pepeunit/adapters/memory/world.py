"""What is stored, and how one reader or one transaction sees it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import attrs
from attrs import define, field, frozen

from pepeunit.codecs.text import require_storable
from pepeunit.domain.access.api_tokens import ApiToken
from pepeunit.domain.access.permission import Permission
from pepeunit.domain.audit.entry import AuditEntry
from pepeunit.domain.errors import Conflict, Topic
from pepeunit.domain.ids import (
    ApiTokenId,
    AuditId,
    EdgeId,
    InviteId,
    NodeId,
    RegistryId,
    RepoId,
    RolloutId,
    UnitId,
    UserId,
)
from pepeunit.domain.messaging.command import CommandKind, PendingCommand
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.pipes.series import FIRST_GENERATION, Trim
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.repos.rollout import Member, Rollout
from pepeunit.domain.repos.rollout_rule import RolloutRule
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.registration import Invite
from pepeunit.domain.users.user import User
from pepeunit.ports.registries import SealedCredentials
from pepeunit.ports.units import SealedKind


@frozen
class Piped:
    """What the store alone keeps of a node's pipe; ``version`` 0 without one."""

    version: int = 0
    generation: int = FIRST_GENERATION
    seq: int = 0
    trims: tuple[Trim, ...] = ()


@define
class World:
    """Every row. Values are frozen, so that a copy of the dictionaries is a snapshot."""

    users: dict[UserId, User] = field(factory=dict)
    registries: dict[RegistryId, Registry] = field(factory=dict)
    credentials: dict[tuple[RegistryId, UserId], SealedCredentials] = field(factory=dict)
    repos: dict[RepoId, Repo] = field(factory=dict)
    units: dict[UnitId, Unit] = field(factory=dict)
    sealed: dict[tuple[UnitId, SealedKind], str] = field(factory=dict)
    nodes: dict[NodeId, Node] = field(factory=dict)
    piped: dict[NodeId, Piped] = field(factory=dict)
    edges: dict[EdgeId, Edge] = field(factory=dict)
    permissions: dict[tuple[UUID, UUID], Permission] = field(factory=dict)
    outbox: dict[tuple[UnitId, CommandKind], PendingCommand] = field(factory=dict)
    rollout_rules: dict[RepoId, RolloutRule] = field(factory=dict)
    rollouts: dict[RolloutId, Rollout] = field(factory=dict)
    members: dict[tuple[RolloutId, UnitId], Member] = field(factory=dict)
    invites: dict[InviteId, Invite] = field(factory=dict)
    audit: dict[AuditId, AuditEntry] = field(factory=dict)
    api_tokens: dict[ApiTokenId, ApiToken] = field(factory=dict)

    numbers: dict[str, int] = field(factory=dict)
    """The last number each sequence gave."""

    def next(self, sequence: str, first: int = 1) -> int:
        self.numbers[sequence] = self.numbers.get(sequence, first - 1) + 1
        return self.numbers[sequence]

    def copy(self) -> World:
        return World(*(dict(getattr(self, name.name)) for name in attrs.fields(World)))


@define
class View:
    """``current`` gives the world to look at; a reader's changes with every commit."""

    current: Callable[[], World]
    is_writable: bool
    is_broken: bool = False
    """A statement clashed: nothing but a roll back may follow, as in PostgreSQL."""
    is_closed: bool = False

    @property
    def world(self) -> World:
        if self.is_closed:
            raise RuntimeError("the transaction or read is over")
        if self.is_broken:
            raise RuntimeError("the transaction met a conflict and can only roll back")
        return self.current()

    def locked(self, *, for_update: bool) -> World:
        return self.for_writing() if for_update else self.world

    def for_writing(self) -> World:
        if not self.is_writable:
            raise RuntimeError("writing and locking need a transaction: use begin()")
        return self.world

    def clash(self, message: str, topic: Topic = Topic.ENTITY) -> Conflict:
        self.is_broken = True
        return Conflict(message, topic)

    def require(self, known: bool, message: str) -> None:
        """Raise ``Conflict`` (topic entity) when the row that a new one points at is gone."""
        if not known:
            raise self.clash(message)


def require_storable_row(row: attrs.AttrsInstance) -> None:
    """Raise ``Invalid`` when a text of the row is one that PostgreSQL refuses."""
    require_storable((name.name, getattr(row, name.name)) for name in attrs.fields(type(row)))
