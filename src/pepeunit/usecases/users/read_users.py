"""Look users up (spec rest.md 8.1)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind, require_scope
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.errors import NotFound
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Page
from pepeunit.ports.users import UserQuery


@frozen
class GetUser:
    database: Database

    async def __call__(self, agent: Agent, uuid: UserId) -> User:
        require_kind(agent, AgentKind.USER)
        require_scope(agent, TokenScope.READ)
        async with self.database.read() as rows:
            user = await rows.users.get(uuid)
        if user is None:
            raise NotFound("user not found")
        return user


@frozen
class ListUsers:
    database: Database

    async def __call__(self, agent: Agent, query: UserQuery) -> Page[User]:
        require_kind(agent, AgentKind.USER)
        require_scope(agent, TokenScope.READ)
        async with self.database.read() as rows:
            return await rows.users.find(query)
