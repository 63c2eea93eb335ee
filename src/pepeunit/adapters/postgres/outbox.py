"""The outbox of commands in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from attrs import frozen
from sqlalchemy import bindparam, delete, or_, select, tuple_, update

from pepeunit.adapters.postgres.selecting import one_of
from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables import outbox
from pepeunit.codecs.text import require_storable
from pepeunit.domain.ids import CommandId, UnitId
from pepeunit.domain.messaging.command import CommandKind, PendingCommand

_PUT: Final = upsert(outbox, "unit_uuid", "kind")


def _claiming(*clauses: Any) -> Any:
    """Rows that another claimer has locked are passed over instead of waited for."""
    due = (
        select(outbox.c.unit_uuid, outbox.c.kind)
        .where(*clauses)
        .order_by(outbox.c.create_datetime, outbox.c.uuid)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return (
        update(outbox)
        .where(tuple_(outbox.c.unit_uuid, outbox.c.kind).in_(select(due.c.unit_uuid, due.c.kind)))
        .values(attempts=outbox.c.attempts + 1, retry_datetime=bindparam("retry"))
        .returning(*outbox.c)
    )


_CLAIM_DUE: Final = _claiming(
    or_(outbox.c.retry_datetime.is_(None), outbox.c.retry_datetime <= bindparam("now"))
)
_CLAIM_OF_UNIT: Final = _claiming(outbox.c.unit_uuid == bindparam("unit"))

_WITHDRAW: Final = delete(outbox).where(
    outbox.c.unit_uuid == bindparam("unit"), outbox.c.kind == bindparam("kind")
)


def to_command(row: Any) -> PendingCommand:
    return PendingCommand(
        uuid=row.uuid,
        unit_uuid=row.unit_uuid,
        kind=CommandKind(row.kind),
        payload=row.payload,
        create_datetime=row.create_datetime,
        attempts=row.attempts,
        retry_datetime=row.retry_datetime,
    )


def to_row(command: PendingCommand) -> dict[str, Any]:
    row = {
        "uuid": command.uuid,
        "unit_uuid": command.unit_uuid,
        "kind": command.kind.value,
        "payload": command.payload,
        "create_datetime": command.create_datetime,
        "attempts": command.attempts,
        "retry_datetime": command.retry_datetime,
    }
    require_storable(row.items())
    return row


@frozen
class PostgresOutbox:
    """Implements :class:`~pepeunit.ports.outbox.Outbox`."""

    statements: Statements

    async def put(self, command: PendingCommand) -> None:
        await self.statements.write(_PUT, to_row(command))

    async def put_many(self, commands: Sequence[PendingCommand]) -> None:
        if commands:
            await self.statements.write(_PUT, [to_row(command) for command in commands])

    async def claim(
        self, now: datetime, retry: datetime, limit: int, unit: UnitId | None = None
    ) -> Sequence[PendingCommand]:
        parameters: dict[str, Any] = {"retry": retry, "limit": limit}
        if unit is None:
            found = await self.statements.write(_CLAIM_DUE, {**parameters, "now": now})
        else:
            found = await self.statements.write(_CLAIM_OF_UNIT, {**parameters, "unit": unit})
        return sorted(
            map(to_command, found), key=lambda command: (command.create_datetime, command.uuid)
        )

    async def withdraw(self, unit: UnitId, kind: CommandKind) -> None:
        await self.statements.write(_WITHDRAW, {"unit": unit, "kind": kind.value})

    async def delete(self, uuids: Sequence[CommandId]) -> None:
        await self.statements.write(delete(outbox).where(one_of(outbox.c.uuid, uuids)))

    async def length(self) -> int:
        return await self.statements.count(outbox)
