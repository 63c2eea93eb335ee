"""Who asks (spec access.md 1.1)."""

from __future__ import annotations

import enum
from uuid import UUID

from attrs import evolve, field, frozen

from pepeunit.domain.access.restriction import Restriction
from pepeunit.domain.ids import UnitId, UserId
from pepeunit.domain.users.user import UserRole


class AgentKind(enum.Enum):
    BOT = "Bot"
    USER = "User"
    UNIT = "Unit"
    BACKEND = "Backend"


@frozen
class Agent:
    """An authenticated caller. ``uuid`` is the row's id of a user or unit, else None.

    ``token_id`` is the ``jti`` of the user token in use, so that a password change can keep
    the caller's own session (rulings 17), and ``generation`` the one it was issued in: what must
    not outlive the session asks again behind a lock whether both still count. ``name`` is what
    people call the agent, for records alone: two agents that differ in it are the same one.
    ``restriction`` is that of the API token in use: with one, an administrator is a user like any
    other.
    """

    kind: AgentKind
    uuid: UUID | None = None
    role: UserRole = UserRole.USER
    token_id: str | None = None
    generation: int = field(default=0, eq=False)
    name: str = field(default="", eq=False)
    restriction: Restriction | None = None
    creator_uuid: UserId | None = field(default=None, eq=False)

    @property
    def user_id(self) -> UserId | None:
        return UserId(self.uuid) if self.kind is AgentKind.USER and self.uuid else None

    @property
    def account(self) -> UserId | None:
        """Who answers for what the agent takes up: the person, of a unit its creator."""
        return self.user_id or self.creator_uuid

    @property
    def unit_id(self) -> UnitId | None:
        return UnitId(self.uuid) if self.kind is AgentKind.UNIT and self.uuid else None

    @property
    def is_admin(self) -> bool:
        is_user = self.kind is AgentKind.USER and self.restriction is None
        return is_user and self.role is UserRole.ADMIN

    def restricted(self, restriction: Restriction) -> Agent:
        return evolve(self, restriction=restriction)

    def named(self, name: str) -> Agent:
        return evolve(self, name=name)

    @classmethod
    def user(
        cls,
        uuid: UserId,
        role: UserRole = UserRole.USER,
        token_id: str | None = None,
        generation: int = 0,
    ) -> Agent:
        return cls(AgentKind.USER, uuid, role, token_id, generation)

    @classmethod
    def unit(cls, uuid: UnitId, creator_uuid: UserId | None = None) -> Agent:
        return cls(AgentKind.UNIT, uuid, creator_uuid=creator_uuid)


ANONYMOUS = Agent(AgentKind.BOT, name="anonymous")
BACKEND = Agent(AgentKind.BACKEND, name="platform")
