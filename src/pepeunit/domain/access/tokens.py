"""What tokens claim (spec access.md 1.2, rulings 16 and 17)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.domain.errors import Unauthenticated
from pepeunit.domain.ids import UnitId, UserId


@frozen
class UserClaims:
    uuid: UserId
    expires_at: int
    generation: int = 0
    token_id: str | None = None

    def as_mapping(self) -> dict[str, str | int]:
        claims: dict[str, str | int] = {"uuid": str(self.uuid), "type": "User"}
        claims["exp"] = self.expires_at
        if self.generation:
            claims["gen"] = self.generation
        if self.token_id:
            claims["jti"] = self.token_id
        return claims


@frozen
class UnitClaims:
    """Never expires; ``generation`` 0 is left out, so first tokens equal the reference's."""

    uuid: UnitId
    generation: int = 0

    def as_mapping(self) -> dict[str, str | int]:
        claims: dict[str, str | int] = {"uuid": str(self.uuid), "type": "Unit"}
        if self.generation:
            claims["gen"] = self.generation
        return claims


@frozen
class BackendClaims:
    domain: str

    def as_mapping(self) -> dict[str, str | int]:
        return {"domain": self.domain, "type": "Backend"}


Claims = UserClaims | UnitClaims | BackendClaims


def _uuid(claims: Mapping[str, object]) -> UUID:
    value = claims.get("uuid")
    if not isinstance(value, str):
        raise Unauthenticated("token is invalid")
    try:
        return UUID(value)
    except ValueError:
        raise Unauthenticated("token is invalid") from None


def _integer(claims: Mapping[str, object], name: str, default: int | None) -> int:
    value = claims.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unauthenticated("token is invalid")
    return value


def read_claims(claims: Mapping[str, object], now: datetime) -> Claims:
    """Typed claims of a token whose signature holds. Raises ``Unauthenticated`` otherwise."""
    match claims.get("type"):
        case "User":
            user = UserClaims(
                uuid=UserId(_uuid(claims)),
                expires_at=_integer(claims, "exp", None),
                generation=_integer(claims, "gen", 0),
                token_id=jti if isinstance(jti := claims.get("jti"), str) else None,
            )
            if user.expires_at <= now.timestamp():
                raise Unauthenticated("token expired")
            return user
        case "Unit":
            return UnitClaims(UnitId(_uuid(claims)), _integer(claims, "gen", 0))
        case "Backend":
            domain = claims.get("domain")
            if not isinstance(domain, str):
                raise Unauthenticated("token is invalid")
            return BackendClaims(domain)
        case _:
            raise Unauthenticated("invalid agent type")
