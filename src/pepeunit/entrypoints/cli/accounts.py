"""Accounts through the use cases, for whoever holds the machine (rulings 9)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from attrs import frozen

from pepeunit.domain.access.agent import BACKEND, Agent, AgentKind
from pepeunit.domain.errors import NotFound, Topic
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.cli.platform import Account, AccountChange
from pepeunit.ports.identifiers import NewSecret
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.first_admin import ResetPassword, one_time_password
from pepeunit.usecases.users.read_users import ListUsers
from pepeunit.usecases.users.sign_up import SignUp

OPERATOR: Final = Agent(AgentKind.USER, role=UserRole.ADMIN, name="operator")
"""Acts as an administrator does, and is no row."""
HERE: Final = "this machine"


@frozen
class StoredAccounts:
    """Implements :class:`~pepeunit.entrypoints.cli.platform.Accounts` on the stores."""

    sign_up: SignUp
    reset: ResetPassword
    list_users: ListUsers
    change_role: ChangeRole
    block_user: BlockUser
    unblock_user: UnblockUser
    delete_user: DeleteUser
    acts: RecordActs
    new_secret: NewSecret

    async def create(self, login: str, role: UserRole) -> str:
        password = one_time_password(self.new_secret)
        async with self._act("create"):
            await self.sign_up(BACKEND, login, password, role)
        return password

    async def reset_password(self, login: str) -> str:
        async with self._act("reset_password"):
            _, password = await self.reset(login)
        return password

    async def change(
        self, login: str, change: AccountChange, transfer_to: str | None = None
    ) -> None:
        uuid = await self._uuid(login)
        taker = None if transfer_to is None else await self._uuid(transfer_to)
        async with self._act(change.value):
            match change:
                case AccountChange.PROMOTE:
                    await self.change_role(OPERATOR, uuid, UserRole.ADMIN)
                case AccountChange.DEMOTE:
                    await self.change_role(OPERATOR, uuid, UserRole.USER)
                case AccountChange.BLOCK:
                    await self.block_user(OPERATOR, uuid)
                case AccountChange.UNBLOCK:
                    await self.unblock_user(OPERATOR, uuid)
                case AccountChange.DELETE:
                    await self.delete_user(OPERATOR, uuid, taker)

    async def everyone(self) -> Sequence[Account]:
        page = await self.list_users(OPERATOR, UserQuery())
        return [
            Account(user.login, user.role, user.status, user.create_datetime) for user in page.items
        ]

    def _act(self, verb: str) -> AbstractAsyncContextManager[object]:
        return self.acts(OPERATOR, f"cli.{verb}", HERE, changes=True)

    async def _uuid(self, login: str) -> UserId:
        page = await self.list_users(OPERATOR, UserQuery(search=login))
        for user in page.items:
            if user.login.lower() == login.lower():
                return user.uuid
        raise NotFound(f"there is no user {login!r}", Topic.USER)
