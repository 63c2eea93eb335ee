"""Block and unblock accounts (spec rest.md 8.1, access.md 2.2)."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.policy import require_admin
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.errors import Conflict, NotFound, Topic
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User, UserStatus
from pepeunit.ports.database import Database
from pepeunit.ports.sessions import Sessions
from pepeunit.ports.units import UnitQuery


@frozen
class BlockUser:
    """Ends the account's tokens and disconnects its units at once (W22)."""

    database: Database
    sessions: Sessions

    async def __call__(self, agent: Agent, uuid: UserId) -> User:
        require_admin(agent)
        if uuid == agent.user_id:
            raise Conflict("you cannot block yourself", Topic.USER)
        async with self.database.begin() as tx:
            user = await tx.users.get(uuid, for_update=True)
            if user is None:
                raise NotFound("user not found")
            user = evolve(
                user,
                status=UserStatus.BLOCKED,
                token_generation=user.token_generation + 1,
                kept_token_id=None,
            )
            await tx.users.put(user)
            units = await tx.units.find(UnitQuery(scope=Scope(everything=True), creator_uuid=uuid))
        for unit in units.items:
            await self.sessions.kick(unit.uuid)
        return user


@frozen
class UnblockUser:
    database: Database

    async def __call__(self, agent: Agent, uuid: UserId) -> User:
        require_admin(agent)
        async with self.database.begin() as tx:
            user = await tx.users.get(uuid, for_update=True)
            if user is None:
                raise NotFound("user not found")
            status = UserStatus.VERIFIED if user.telegram_chat_id else UserStatus.UNVERIFIED
            user = evolve(user, status=status)
            await tx.users.put(user)
        return user
