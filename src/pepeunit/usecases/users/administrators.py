"""Promote and demote, and never be without an administrator (spec access.md 2.1, W36)."""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.policy import require_admin
from pepeunit.domain.errors import Conflict, Topic
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.paging import Slice
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.users.sign_out import user_to_change

ADMINISTRATORS_LOCK: Final = "administrators"
ABLE: Final = frozenset({UserStatus.VERIFIED, UserStatus.UNVERIFIED})


async def lock_administrators(tx: Transaction) -> None:
    """Two administrators who remove each other at once wait for each other here."""
    await tx.lock(ADMINISTRATORS_LOCK)


async def refuse_last_administrator(tx: Transaction, user: User) -> None:
    """Raise ``Conflict`` (topic user) when nobody could administrate without this user."""
    if user.role is not UserRole.ADMIN or user.status is UserStatus.BLOCKED:
        return
    query = UserQuery(roles=frozenset({UserRole.ADMIN}), statuses=ABLE, slice=Slice(0, 1))
    if (await tx.users.find(query)).count <= 1:
        raise Conflict("this is the last administrator", Topic.USER)


@frozen
class ChangeRole:
    database: Database

    async def __call__(self, agent: Agent, uuid: UserId, role: UserRole) -> User:
        """Raises ``Conflict`` (topic user) for the last administrator."""
        require_admin(agent)
        async with self.database.begin() as tx:
            await lock_administrators(tx)
            user = await user_to_change(tx, uuid)
            if role is not UserRole.ADMIN:
                await refuse_last_administrator(tx, user)
            user = evolve(user, role=role)
            await tx.users.put(user)
        return user
