"""Invites in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from attrs import asdict, frozen
from sqlalchemy import bindparam, delete, select

from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables_accounts import invites
from pepeunit.domain.ids import InviteId
from pepeunit.domain.users.registration import Invite

_GET: Final = select(invites).where(invites.c.uuid == bindparam("uuid"))
_BY_DIGEST: Final = select(invites).where(invites.c.digest == bindparam("digest"))
_EVERYONE: Final = select(invites).order_by(invites.c.create_datetime.desc(), invites.c.uuid.desc())
_PUT: Final = upsert(invites, "uuid")


def to_invite(row: Any) -> Invite:
    return Invite(
        uuid=row.uuid,
        digest=row.digest,
        creator_uuid=row.creator_uuid,
        create_datetime=row.create_datetime,
        expiration_datetime=row.expiration_datetime,
    )


@frozen
class PostgresInvites:
    """Implements :class:`~pepeunit.ports.invites.Invites`."""

    statements: Statements

    async def get(self, uuid: InviteId) -> Invite | None:
        row = (await self.statements.read(_GET, {"uuid": uuid})).one_or_none()
        return to_invite(row) if row is not None else None

    async def by_digest(self, digest: str, *, for_update: bool = False) -> Invite | None:
        arguments = {"digest": digest}
        found = await (
            self.statements.write(_BY_DIGEST.with_for_update(), arguments)
            if for_update
            else self.statements.read(_BY_DIGEST, arguments)
        )
        row = found.one_or_none()
        return to_invite(row) if row is not None else None

    async def everyone(self) -> Sequence[Invite]:
        return tuple(map(to_invite, await self.statements.read(_EVERYONE)))

    async def put(self, invite: Invite) -> None:
        await self.statements.write(_PUT, asdict(invite))

    async def delete(self, uuid: InviteId) -> None:
        await self.statements.write(delete(invites).where(invites.c.uuid == uuid))

    async def purge(self, now: datetime) -> int:
        gone = await self.statements.write(
            delete(invites).where(invites.c.expiration_datetime <= now)
        )
        return gone.rowcount
