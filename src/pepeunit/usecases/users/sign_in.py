"""Exchange a login and password for a token (spec access.md 2.1, rulings 14 and 17)."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.access.tokens import UserClaims
from pepeunit.domain.errors import Forbidden, Throttled, Topic
from pepeunit.domain.names import NAME_LENGTH_MAX
from pepeunit.domain.users.user import User, UserStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.identifiers import NewUuid
from pepeunit.ports.passwords import PasswordHasher
from pepeunit.ports.throttle import Throttle
from pepeunit.ports.tokens import TokenSigner
from pepeunit.usecases.audit.act import note_sign_in


@frozen
class SignIn:
    """Throttled per account and per address; unknown login and wrong password look alike."""

    database: Database
    passwords: PasswordHasher
    tokens: TokenSigner
    throttle: Throttle
    clock: Clock
    new_uuid: NewUuid
    token_seconds: int
    tries_max: int

    async def __call__(self, agent: Agent, login: str, password: str, address: str) -> str:
        """The token text. Raises ``Forbidden`` or ``Throttled``."""
        require_kind(agent, AgentKind.BOT)
        keys = (f"login:{login[: NAME_LENGTH_MAX + 1].casefold()}", f"address:{address}")
        self._refuse_when_throttled(keys)
        for key in keys:
            self.throttle.record(key)
        async with self.database.read() as rows:
            user = await rows.users.by_login(login)
        note_sign_in(user.uuid if user else None, login)
        fits = await self.passwords.verify(password, user.password_hash if user else None)
        if user is None or not fits or user.status is UserStatus.BLOCKED:
            raise Forbidden("login or password is wrong")
        self.throttle.forget(keys[0])
        self.throttle.withdraw(keys[1])
        await self._upgrade_hash(user, password)
        claims = UserClaims(
            uuid=user.uuid,
            expires_at=int(self.clock().timestamp()) + self.token_seconds,
            generation=user.token_generation,
            token_id=str(self.new_uuid()),
        )
        return self.tokens.sign(claims.as_mapping())

    def _refuse_when_throttled(self, keys: tuple[str, ...]) -> None:
        waits = [wait for key in keys if (wait := self.throttle.wait_seconds(key)) is not None]
        if waits:
            raise Throttled(
                "too many sign-in tries",
                Topic.ACCESS,
                limit=self.tries_max,
                actual=self.tries_max,
                retry_after_seconds=max(waits),
            )

    async def _upgrade_hash(self, user: User, password: str) -> None:
        if not self.passwords.needs_rehash(user.password_hash):
            return
        hashed = await self.passwords.hash(password)
        async with self.database.begin() as tx:
            current = await tx.users.get(user.uuid, for_update=True)
            if current is not None and current.password_hash == user.password_hash:
                await tx.users.put(evolve(current, password_hash=hashed))
