"""Accounts through the use cases, for whoever holds the machine (rulings 9)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from pepeunit.domain.access.agent import BACKEND, Agent, AgentKind
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.cli.platform import Account
from pepeunit.ports.identifiers import NewSecret
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.users.first_admin import ResetPassword, one_time_password
from pepeunit.usecases.users.read_users import ListUsers
from pepeunit.usecases.users.sign_up import SignUp

OPERATOR = Agent(AgentKind.USER, role=UserRole.ADMIN)
"""Reads as an administrator does, and is no row."""


@frozen
class StoredAccounts:
    """Implements :class:`~pepeunit.entrypoints.cli.platform.Accounts` on the stores."""

    sign_up: SignUp
    reset: ResetPassword
    list_users: ListUsers
    new_secret: NewSecret

    async def create(self, login: str, role: UserRole) -> str:
        password = one_time_password(self.new_secret)
        await self.sign_up(BACKEND, login, password, role)
        return password

    async def reset_password(self, login: str) -> str:
        _, password = await self.reset(login)
        return password

    async def everyone(self) -> Sequence[Account]:
        page = await self.list_users(OPERATOR, UserQuery())
        return [
            Account(user.login, user.role, user.status, user.create_datetime) for user in page.items
        ]
