"""Block and unblock accounts (spec rest.md 8.1, access.md 2.2)."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.policy import require_admin
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.errors import Conflict, Topic
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User, UserStatus
from pepeunit.ports.database import Database
from pepeunit.ports.sessions import Sessions
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.users.administrators import (
    lock_administrators,
    refuse_last_administrator,
)
from pepeunit.usecases.users.sign_out import user_to_change, with_tokens_ended


@frozen
class BlockUser:
    """Ends the account's sessions and disconnects its units at once (W22); its API tokens rest
    while it is blocked.

    Raises ``Conflict`` (topic user) for oneself and for the last administrator.
    """

    database: Database
    sessions: Sessions

    async def __call__(self, agent: Agent, uuid: UserId) -> User:
        require_admin(agent)
        if uuid == agent.user_id:
            raise Conflict("you cannot block yourself", Topic.USER)
        async with self.database.begin() as tx:
            await lock_administrators(tx)
            user = await user_to_change(tx, uuid)
            await refuse_last_administrator(tx, user)
            user = evolve(with_tokens_ended(user), status=UserStatus.BLOCKED)
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
            user = await user_to_change(tx, uuid)
            status = UserStatus.VERIFIED if user.telegram_chat_id else UserStatus.UNVERIFIED
            user = evolve(user, status=status)
            await tx.users.put(user)
        return user
