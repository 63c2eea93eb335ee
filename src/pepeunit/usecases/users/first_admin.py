"""The first administrator, with a one-time password (rulings 9)."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import BACKEND
from pepeunit.domain.errors import Conflict, NotFound
from pepeunit.domain.users.user import User, UserRole
from pepeunit.ports.database import Database
from pepeunit.ports.identifiers import NewSecret
from pepeunit.ports.passwords import PasswordHasher
from pepeunit.usecases.users.api_tokens import end_api_tokens
from pepeunit.usecases.users.sign_up import SignUp

ADMIN_LOGIN = "admin"
ONE_TIME_PASSWORD_LENGTH = 20


def one_time_password(new_secret: NewSecret) -> str:
    """A password for one hand-over, of letters and digits."""
    return "".join(c for c in new_secret() if c.isalnum())[:ONE_TIME_PASSWORD_LENGTH]


@frozen
class EnsureAdmin:
    """On an instance without users, make ``admin`` and return the password to print once."""

    database: Database
    sign_up: SignUp
    new_secret: NewSecret

    async def __call__(self) -> str | None:
        async with self.database.read() as rows:
            if await rows.users.count():
                return None
        password = one_time_password(self.new_secret)
        try:
            await self.sign_up(BACKEND, ADMIN_LOGIN, password, UserRole.ADMIN)
        except Conflict:
            return None  # another process started at the same moment and made it
        return password


@frozen
class ResetPassword:
    """For who holds the machine: a new one-time password; every token of the account ends."""

    database: Database
    passwords: PasswordHasher
    new_secret: NewSecret

    async def __call__(self, login: str) -> tuple[User, str]:
        password = one_time_password(self.new_secret)
        hashed = await self.passwords.hash(password)
        async with self.database.begin() as tx:
            found = await tx.users.by_login(login)
            user = await tx.users.get(found.uuid, for_update=True) if found else None
            if user is None:
                raise NotFound(f"there is no user {login!r}")
            user = evolve(
                user,
                password_hash=hashed,
                token_generation=user.token_generation + 1,
                kept_token_id=None,
            )
            await end_api_tokens(tx, user.uuid)
            await tx.users.put(user)
        return user, password
