"""Open an account (spec access.md 2.1, rulings 9 and 14)."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.errors import Forbidden, Invalid, Topic
from pepeunit.domain.ids import InviteId, UserId
from pepeunit.domain.names import DEFAULT_NAME_SYMBOLS
from pepeunit.domain.users.password_rules import (
    DEFAULT_PASSWORD_SYMBOLS,
    login_violations,
    password_violations,
)
from pepeunit.domain.users.registration import Registration, invite_digest
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.identifiers import NewUuid
from pepeunit.ports.passwords import PasswordHasher

FIRST_USER_LOCK = "first user"


@frozen
class SignUp:
    """``first_user_is_admin`` restores the reference's "first registered user is Admin"."""

    database: Database
    passwords: PasswordHasher
    clock: Clock
    new_uuid: NewUuid
    first_user_is_admin: bool = False
    registration: Registration = Registration.OPEN
    name_symbols: Collection[str] = DEFAULT_NAME_SYMBOLS
    password_symbols: Collection[str] = DEFAULT_PASSWORD_SYMBOLS

    async def __call__(
        self,
        agent: Agent,
        login: str,
        password: str,
        role: UserRole = UserRole.USER,
        invite: str | None = None,
    ) -> User:
        """The new account. For anonymous callers; the platform itself may choose the role and is
        bound by no mode of registration.

        Raises ``Invalid`` (topic user) with every broken rule, ``Conflict`` when the login is
        taken, ``Forbidden`` when registration is closed or the invite is not valid.
        """
        require_kind(agent, AgentKind.BOT, AgentKind.BACKEND)
        if agent.kind is not AgentKind.BACKEND:
            role = UserRole.USER
        violations = [
            *login_violations(login, self.name_symbols),
            *password_violations(password, self.password_symbols),
        ]
        if violations:
            raise Invalid(violations, Topic.USER)
        async with self.database.read() as rows:
            await self._admit(rows, agent, invite)  # before the costly hash
        hashed = await self.passwords.hash(password)
        async with self.database.begin() as tx:
            used = await self._admit(tx, agent, invite, for_update=True)
            if used is not None:
                await tx.invites.delete(used)
            if self.first_user_is_admin:
                await tx.lock(FIRST_USER_LOCK)
                if await tx.users.count() == 0:
                    role = UserRole.ADMIN
            user = User(
                uuid=UserId(self.new_uuid()),
                login=login,
                role=role,
                status=UserStatus.UNVERIFIED,
                password_hash=hashed,
                create_datetime=self.clock(),
                grafana_org_name=str(self.new_uuid()),
            )
            await tx.users.put(user)
        return user

    async def _admit(
        self, rows: Collections, agent: Agent, invite: str | None, *, for_update: bool = False
    ) -> InviteId | None:
        """The invite that lets the caller in, None where none is needed."""
        if agent.kind is AgentKind.BACKEND:
            return None
        if self.registration is Registration.CLOSED:
            raise Forbidden("registration is closed here")
        if invite is None:
            if self.registration is Registration.INVITE:
                raise Forbidden("an invite is needed to register here")
            return None
        found = await rows.invites.by_digest(invite_digest(invite), for_update=for_update)
        if found is None or not found.is_valid(self.clock()):
            raise Forbidden("the invite is not valid")
        return found.uuid
