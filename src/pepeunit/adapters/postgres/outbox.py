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
        .values(retry_datetime=bindparam("retry"))
        .returning(*outbox.c)
    )


_IS_DUE: Final = or_(outbox.c.retry_datetime.is_(None), outbox.c.retry_datetime <= bindparam("now"))
_OF_UNIT: Final = outbox.c.unit_uuid == bindparam("unit")
_CLAIMS: Final = {
    (False, False): _claiming(_IS_DUE),
    (False, True): _claiming(),
    (True, False): _claiming(_OF_UNIT, _IS_DUE),
    (True, True): _claiming(_OF_UNIT),
}
"""By whether it is of one unit, and whether early."""

_WITHDRAW: Final = delete(outbox).where(_OF_UNIT, outbox.c.kind == bindparam("kind"))
_WITHDRAW_ATTEMPTED: Final = _WITHDRAW.where(outbox.c.attempts > 0)


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
        self,
        now: datetime,
        retry: datetime,
        limit: int,
        unit: UnitId | None = None,
        *,
        early: bool = False,
    ) -> Sequence[PendingCommand]:
        parameters: dict[str, Any] = {"retry": retry, "limit": limit}
        if unit is not None:
            parameters["unit"] = unit
        if not early:
            parameters["now"] = now
        found = await self.statements.write(_CLAIMS[unit is not None, early], parameters)
        return sorted(
            map(to_command, found), key=lambda command: (command.create_datetime, command.uuid)
        )

    async def count_attempt(self, uuids: Sequence[CommandId]) -> None:
        await self.statements.write(
            update(outbox)
            .where(one_of(outbox.c.uuid, uuids))
            .values(attempts=outbox.c.attempts + 1)
        )

    async def withdraw(self, unit: UnitId, kind: CommandKind, *, attempted: bool = False) -> None:
        statement = _WITHDRAW_ATTEMPTED if attempted else _WITHDRAW
        await self.statements.write(statement, {"unit": unit, "kind": kind.value})

    async def delete(self, uuids: Sequence[CommandId]) -> None:
        await self.statements.write(delete(outbox).where(one_of(outbox.c.uuid, uuids)))

    async def length(self) -> int:
        return await self.statements.count(outbox)
