"""A token becomes an agent (spec access.md 1.3, rulings 16 and 17)."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

from attrs import frozen

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent
from pepeunit.domain.access.api_tokens import (
    ApiToken,
    api_token_digest,
    is_api_token,
    require_intact,
)
from pepeunit.domain.access.tokens import BackendClaims, UnitClaims, UserClaims, read_claims
from pepeunit.domain.errors import Unauthenticated
from pepeunit.domain.ids import UserId
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import User, UserStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.sessions import Sessions
from pepeunit.ports.tokens import TokenSigner


@frozen
class Authenticate:
    """No token, or an empty one, is the anonymous agent; a bad one is always refused.

    The first use of a rotated unit token ends the old one and the sessions it opened.
    """

    database: Database
    tokens: TokenSigner
    clock: Clock
    sessions: Sessions
    domain: str

    async def __call__(self, token: str | None, *, afresh: bool = False) -> Agent:
        """Raises ``Unauthenticated`` for a token that is malformed, expired or revoked, and for
        one whose subject is gone or blocked. ``afresh`` believes nothing that is remembered of
        the user: another process may have changed it."""
        if not token:
            return ANONYMOUS
        if is_api_token(token):
            return await self._api_token(token)
        now = self.clock()
        claims = read_claims(self.tokens.verify(token), now)
        async with self.database.read() as rows:
            match claims:
                case UserClaims():
                    return await _user(rows, claims, afresh=afresh)
                case UnitClaims():
                    unit = await _unit(rows, claims, now, afresh=afresh)
                case BackendClaims():
                    if not hmac.compare_digest(claims.domain.encode(), self.domain.encode()):
                        raise Unauthenticated("token is for another instance")
                    return BACKEND
        if unit.old_token_until is not None and claims.generation == unit.token_generation:
            await self._end_old_token(unit)
        return Agent.unit(unit.uuid, unit.creator_uuid).named(unit.name)

    async def expiry(self, token: str | None) -> datetime | None:
        """When a token that is good now ends by itself; None for never. Raises
        ``Unauthenticated`` as well."""
        if not token:
            return None
        if is_api_token(token):
            async with self.database.read() as rows:
                found = await rows.api_tokens.by_digest(api_token_digest(token))
            return None if found is None else found.expiration_datetime
        claims = read_claims(self.tokens.verify(token), self.clock())
        if isinstance(claims, UserClaims):
            return datetime.fromtimestamp(claims.expires_at, UTC)
        return None

    async def _api_token(self, text: str) -> Agent:
        """Asked of the store each time, so that revoking one is felt by the next request."""
        require_intact(text)
        now = self.clock()
        async with self.database.read() as rows:
            token = await rows.api_tokens.by_digest(api_token_digest(text))
            if token is None:
                raise Unauthenticated("token is revoked")
            user = _able(await rows.users.get(token.creator_uuid))
        if not token.is_valid(now):
            raise Unauthenticated("token expired")
        if token.is_use_due(now):
            await self._note_use(token, now)
        agent = Agent.user(user.uuid, user.role).restricted(token.restriction)
        return agent.named(f"{user.login} by API token {token.name!r}")

    async def _note_use(self, token: ApiToken, now: datetime) -> None:
        async with self.database.begin() as tx:
            await tx.api_tokens.mark_use(token, now)

    async def _end_old_token(self, seen: Unit) -> None:
        async with self.database.begin() as tx:
            unit = await tx.units.get(seen.uuid, for_update=True)
            is_first = unit is not None and unit.old_token_until is not None
            if unit is None or not is_first or unit.token_generation != seen.token_generation:
                return
            await tx.units.put(unit.without_old_token())
        await self.sessions.kick(seen.uuid)


def _able(user: User | None) -> User:
    if user is None or user.status is UserStatus.BLOCKED:
        raise Unauthenticated("agent is blocked or not found")
    return user


async def _known(rows: Collections, uuid: UserId, *, afresh: bool) -> User | None:
    return await (rows.users.get(uuid) if afresh else rows.users.recall(uuid))


async def _user(rows: Collections, claims: UserClaims, *, afresh: bool) -> Agent:
    user = _able(await _known(rows, claims.uuid, afresh=afresh))
    if not user.accepts_token(claims.generation, claims.token_id):
        raise Unauthenticated("token is revoked")
    agent = Agent.user(user.uuid, user.role, claims.token_id, claims.generation)
    return agent.named(user.login)


async def _unit(rows: Collections, claims: UnitClaims, now: datetime, *, afresh: bool) -> Unit:
    unit = await rows.units.get(claims.uuid)
    if unit is None:
        raise Unauthenticated("agent is blocked or not found")
    creator = await _known(rows, unit.creator_uuid, afresh=afresh)
    if creator is None or creator.status is UserStatus.BLOCKED:
        raise Unauthenticated("agent is blocked or not found")
    if not unit.accepts_token(claims.generation, now):
        raise Unauthenticated("token is revoked")
    return unit
