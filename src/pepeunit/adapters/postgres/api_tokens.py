"""API tokens in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from attrs import frozen
from sqlalchemy import bindparam, delete, select, update

from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables_accounts import api_tokens
from pepeunit.codecs.text import require_storable
from pepeunit.domain.access.api_tokens import ApiToken
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.ids import ApiTokenId, UserId

_GET: Final = select(api_tokens).where(api_tokens.c.uuid == bindparam("uuid"))
_BY_DIGEST: Final = select(api_tokens).where(api_tokens.c.digest == bindparam("digest"))
_OF_USER: Final = (
    select(api_tokens)
    .where(api_tokens.c.creator_uuid == bindparam("user"))
    .order_by(api_tokens.c.create_datetime.desc(), api_tokens.c.uuid.desc())
)
_PUT: Final = upsert(api_tokens, "uuid")
_MARK_USE: Final = (
    update(api_tokens)
    .where(
        api_tokens.c.uuid == bindparam("token"),
        api_tokens.c.last_use_datetime.is_not_distinct_from(bindparam("seen")),
    )
    .values(last_use_datetime=bindparam("now"))
)


def to_api_token(row: Any) -> ApiToken:
    return ApiToken(
        uuid=row.uuid,
        digest=row.digest,
        hint=row.hint,
        name=row.name,
        creator_uuid=row.creator_uuid,
        scope=TokenScope(row.scope),
        units=None if row.units is None else frozenset(row.units),
        create_datetime=row.create_datetime,
        expiration_datetime=row.expiration_datetime,
        last_use_datetime=row.last_use_datetime,
    )


def to_row(token: ApiToken) -> dict[str, Any]:
    row = {
        "uuid": token.uuid,
        "digest": token.digest,
        "hint": token.hint,
        "name": token.name,
        "creator_uuid": token.creator_uuid,
        "scope": token.scope.value,
        "units": None if token.units is None else sorted(token.units),
        "create_datetime": token.create_datetime,
        "expiration_datetime": token.expiration_datetime,
        "last_use_datetime": token.last_use_datetime,
    }
    require_storable(row.items())
    return row


@frozen
class PostgresApiTokens:
    """Implements :class:`~pepeunit.ports.api_tokens.ApiTokens`."""

    statements: Statements

    async def get(self, uuid: ApiTokenId) -> ApiToken | None:
        row = (await self.statements.read(_GET, {"uuid": uuid})).one_or_none()
        return to_api_token(row) if row is not None else None

    async def by_digest(self, digest: str) -> ApiToken | None:
        row = (await self.statements.read(_BY_DIGEST, {"digest": digest})).one_or_none()
        return to_api_token(row) if row is not None else None

    async def of_user(self, user: UserId) -> Sequence[ApiToken]:
        return tuple(map(to_api_token, await self.statements.read(_OF_USER, {"user": user})))

    async def put(self, token: ApiToken) -> None:
        await self.statements.write(_PUT, to_row(token))

    async def mark_use(self, token: ApiToken, now: datetime) -> None:
        arguments = {"token": token.uuid, "seen": token.last_use_datetime, "now": now}
        await self.statements.write(_MARK_USE, arguments)

    async def delete(self, uuid: ApiTokenId) -> None:
        await self.statements.write(delete(api_tokens).where(api_tokens.c.uuid == uuid))

    async def purge(self, now: datetime) -> int:
        gone = await self.statements.write(
            delete(api_tokens).where(api_tokens.c.expiration_datetime <= now)
        )
        return gone.rowcount
