"""Users in memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from attrs import evolve, frozen

from pepeunit.adapters.memory.permissions import forget_permissions
from pepeunit.adapters.memory.selecting import Keys, page, searcher, wanted
from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.domain.errors import Topic
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.users import UserQuery

_KEYS: Final[Keys[User]] = {
    OrderKey.CREATE_DATETIME: lambda user: user.create_datetime,
    OrderKey.NAME: lambda user: user.login,
}


@frozen
class MemoryUsers:
    """Implements :class:`~pepeunit.ports.users.Users`."""

    view: View

    async def get(self, uuid: UserId, *, for_update: bool = False) -> User | None:
        return self.view.locked(for_update=for_update).users.get(uuid)

    async def recall(self, uuid: UserId) -> User | None:
        return await self.get(uuid)

    async def by_login(self, login: str) -> User | None:
        folded = login.lower()
        users = self.view.world.users.values()
        return next((user for user in users if user.login.lower() == folded), None)

    async def find(self, query: UserQuery) -> Page[User]:
        matches = searcher(query.search)
        rows = (
            user
            for user in self.view.world.users.values()
            if wanted(user.uuid, query.uuids)
            and wanted(user.role, query.roles)
            and wanted(user.status, query.statuses)
            and matches(user.login)
        )
        return page(rows, query.order, query.slice, _KEYS)

    async def count(self) -> int:
        return len(self.view.world.users)

    async def put(self, user: User) -> None:
        world = self.view.for_writing()
        require_storable_row(user)
        folded = user.login.lower()
        if any(o.login.lower() == folded and o.uuid != user.uuid for o in world.users.values()):
            raise self.view.clash("the login is taken", Topic.USER)
        world.users[user.uuid] = user

    async def hand_over(self, giver: UserId, taker: UserId) -> None:
        world = self.view.for_writing()
        self.view.require(taker in world.users, "the user is gone")
        moved: set[UUID] = set()
        for rows in (world.registries, world.repos, world.units, world.nodes, world.edges):
            _give(rows, giver, taker, moved)
        for key, permission in list(world.permissions.items()):
            if permission.agent_uuid == giver and permission.resource_uuid in moved:
                del world.permissions[key]
                taken = evolve(permission, agent_uuid=taker)
                world.permissions.setdefault((taker, permission.resource_uuid), taken)

    async def delete(self, uuid: UserId) -> None:
        world = self.view.for_writing()
        for what, rows in (("repos", world.repos), ("units", world.units), ("nodes", world.nodes)):
            if any(row.creator_uuid == uuid for row in _values(rows)):
                raise self.view.clash(f"the user still has {what}")
        for registry in list(world.registries.values()):
            if registry.creator_uuid == uuid:
                world.registries[registry.uuid] = evolve(registry, creator_uuid=None)
        for key in [key for key in world.credentials if key[1] == uuid]:
            del world.credentials[key]
        for edge in [edge for edge in world.edges.values() if edge.creator_uuid == uuid]:
            del world.edges[edge.uuid]
        for invite in [one for one in world.invites.values() if one.creator_uuid == uuid]:
            del world.invites[invite.uuid]
        for token in [one for one in world.api_tokens.values() if one.creator_uuid == uuid]:
            del world.api_tokens[token.uuid]
        forget_permissions(world, {uuid})
        world.users.pop(uuid, None)


def _values(rows: Any) -> Collection[Any]:
    found: Collection[Any] = rows.values()
    return found


def _give(rows: Any, giver: UserId, taker: UserId, moved: set[UUID]) -> None:
    for row in list(_values(rows)):
        if row.creator_uuid == giver:
            rows[row.uuid] = evolve(row, creator_uuid=taker)
            moved.add(row.uuid)
