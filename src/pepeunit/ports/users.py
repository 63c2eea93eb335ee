"""The collection of users."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from attrs import frozen

from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.paging import WHOLE, Order, Page, Slice


@frozen
class UserQuery:
    """``search`` words must each occur in the login, ignoring case; none of them is a wildcard."""

    uuids: frozenset[UUID] | None = None
    search: str | None = None
    roles: frozenset[UserRole] | None = None
    statuses: frozenset[UserStatus] | None = None
    order: tuple[Order, ...] = ()
    slice: Slice = WHOLE


class Users(Protocol):
    async def get(self, uuid: UserId, *, for_update: bool = False) -> User | None: ...

    async def recall(self, uuid: UserId) -> User | None:
        """The same outside a transaction, where it may be a second old if another process changed
        the row. What this process changes is seen at once."""
        ...

    async def by_login(self, login: str) -> User | None: ...

    async def find(self, query: UserQuery) -> Page[User]: ...

    async def count(self) -> int: ...

    async def put(self, user: User) -> None:
        """Insert or replace. Raises ``Conflict`` (topic user) when the login is taken, compared
        without case (W47)."""
        ...

    async def hand_over(self, giver: UserId, taker: UserId) -> None:
        """Registries, repos, units, nodes and edges the giver made become the taker's, with the
        permissions about them. What the giver was permitted of others' is not handed over."""
        ...

    async def delete(self, uuid: UserId) -> None:
        """Delete the row with its registry credentials, edges, permissions, invites and API
        tokens; its
        registries stay and belong to nobody. Raises ``Conflict`` (topic entity) while repos,
        units or nodes are the user's."""
        ...
