"""A token becomes an agent (spec access.md 1.3, rulings 16 and 17)."""

from __future__ import annotations

import hmac

from attrs import frozen

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent
from pepeunit.domain.access.tokens import BackendClaims, UnitClaims, UserClaims, read_claims
from pepeunit.domain.errors import Unauthenticated
from pepeunit.domain.users.user import UserStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.tokens import TokenSigner


@frozen
class Authenticate:
    """No token, or an empty one, is the anonymous agent; a bad one is always refused."""

    database: Database
    tokens: TokenSigner
    clock: Clock
    domain: str

    async def __call__(self, token: str | None) -> Agent:
        """Raises ``Unauthenticated`` for a token that is malformed, expired or revoked, and for
        one whose subject is gone or blocked."""
        if not token:
            return ANONYMOUS
        claims = read_claims(self.tokens.verify(token), self.clock())
        async with self.database.read() as rows:
            match claims:
                case UserClaims():
                    return await _user(rows, claims)
                case UnitClaims():
                    return await _unit(rows, claims)
                case BackendClaims():
                    if not hmac.compare_digest(claims.domain.encode(), self.domain.encode()):
                        raise Unauthenticated("token is for another instance")
                    return BACKEND


async def _user(rows: Collections, claims: UserClaims) -> Agent:
    user = await rows.users.get(claims.uuid)
    if user is None or user.status is UserStatus.BLOCKED:
        raise Unauthenticated("agent is blocked or not found")
    is_kept = claims.token_id is not None and claims.token_id == user.kept_token_id
    if claims.generation != user.token_generation and not is_kept:
        raise Unauthenticated("token is revoked")
    return Agent.user(user.uuid, user.role, claims.token_id)


async def _unit(rows: Collections, claims: UnitClaims) -> Agent:
    unit = await rows.units.get(claims.uuid)
    if unit is None:
        raise Unauthenticated("agent is blocked or not found")
    creator = await rows.users.get(unit.creator_uuid)
    if creator is None or creator.status is UserStatus.BLOCKED:
        raise Unauthenticated("agent is blocked or not found")
    if claims.generation != unit.token_generation:
        raise Unauthenticated("token is revoked")
    return Agent.unit(unit.uuid)
