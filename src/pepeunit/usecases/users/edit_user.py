"""Change one's own login or password (spec access.md 2.1, rulings 17)."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind, require_person
from pepeunit.domain.errors import Forbidden, Invalid, NotFound, Topic
from pepeunit.domain.ids import UserId
from pepeunit.domain.names import DEFAULT_NAME_SYMBOLS
from pepeunit.domain.users.password_rules import (
    DEFAULT_PASSWORD_SYMBOLS,
    login_violations,
    password_violations,
)
from pepeunit.domain.users.user import User
from pepeunit.ports.database import Database
from pepeunit.ports.passwords import PasswordHasher
from pepeunit.usecases.users.api_tokens import end_api_tokens
from pepeunit.usecases.users.sessions import require_session


@frozen
class EditUser:
    """``uuid`` is the path's: the caller's own or any placeholder, never another user's."""

    database: Database
    passwords: PasswordHasher
    name_symbols: Collection[str] = DEFAULT_NAME_SYMBOLS
    password_symbols: Collection[str] = DEFAULT_PASSWORD_SYMBOLS

    async def __call__(
        self,
        agent: Agent,
        uuid: UserId | None,
        login: str | None = None,
        password: str | None = None,
    ) -> User:
        """Empty and absent values leave things as they are. A new password ends every other
        token of the account, API tokens included. Raises ``Invalid`` (topic user), ``Conflict``,
        ``Forbidden``, ``Unauthenticated`` when the session ended meanwhile."""
        require_kind(agent, AgentKind.USER)
        require_person(agent)
        violations = [
            *(login_violations(login, self.name_symbols) if login else ()),
            *(password_violations(password, self.password_symbols) if password else ()),
        ]
        if violations:
            raise Invalid(violations, Topic.USER)
        hashed = await self.passwords.hash(password) if password else None
        async with self.database.begin() as tx:
            if uuid is not None and uuid != agent.user_id and await tx.users.get(uuid):
                raise Forbidden("you may not change another user")
            user = await tx.users.get(UserId(agent.uuid), for_update=True) if agent.uuid else None
            if user is None:
                raise NotFound("user not found")
            require_session(agent, user)
            if login:
                user = evolve(user, login=login)
            if hashed:
                user = evolve(
                    user,
                    password_hash=hashed,
                    token_generation=user.token_generation + 1,
                    kept_token_id=agent.token_id,
                )
                await end_api_tokens(tx, user.uuid)
            await tx.users.put(user)
        return user
