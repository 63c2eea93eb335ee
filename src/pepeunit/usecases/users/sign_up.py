"""Open an account (spec access.md 2.1, rulings 9 and 14)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.password_rules import login_violations, password_violations
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
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

    async def __call__(
        self, agent: Agent, login: str, password: str, role: UserRole = UserRole.USER
    ) -> User:
        """The new account. For anonymous callers; the platform itself may choose the role.

        Raises ``Invalid`` (topic user) with every broken rule, ``Conflict`` when the login is
        taken.
        """
        require_kind(agent, AgentKind.BOT, AgentKind.BACKEND)
        if agent.kind is not AgentKind.BACKEND:
            role = UserRole.USER
        violations = [*login_violations(login), *password_violations(password)]
        if violations:
            raise Invalid(violations, Topic.USER)
        hashed = await self.passwords.hash(password)
        async with self.database.begin() as tx:
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
