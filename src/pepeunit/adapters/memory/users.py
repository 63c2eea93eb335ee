"""Users in memory."""

from __future__ import annotations

from typing import Final

from attrs import frozen

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
