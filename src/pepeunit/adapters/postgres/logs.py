"""Unit logs in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from attrs import frozen
from sqlalchemy import ARRAY, DateTime, Select, Text, Uuid, bindparam, delete, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.connections import reading, writing
from pepeunit.adapters.postgres.selecting import members, ordered, page
from pepeunit.adapters.postgres.tables import unit_logs
from pepeunit.codecs.text import require_storable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.ports.logs import LogQuery
from pepeunit.ports.paging import Order, OrderKey, Page

_APPEND: Final = text(
    """
    INSERT INTO unit_logs (uuid, unit_uuid, level, text, create_datetime, expiration_datetime)
    SELECT * FROM unnest(:uuids, :units, :levels, :texts, :created, :expiring)
    ON CONFLICT DO NOTHING
    """
).bindparams(
    bindparam("uuids", type_=ARRAY(Uuid)),
    bindparam("units", type_=ARRAY(Uuid)),
    bindparam("levels", type_=ARRAY(Text)),
    bindparam("texts", type_=ARRAY(Text)),
    bindparam("created", type_=ARRAY(DateTime(timezone=True))),
    bindparam("expiring", type_=ARRAY(DateTime(timezone=True))),
)
_ORDERS: Final = {OrderKey.CREATE_DATETIME: unit_logs.c.create_datetime}


def to_log(row: Any) -> UnitLog:
    return UnitLog(
        unit_uuid=row.unit_uuid,
        level=LogLevel(row.level),
        text=row.text,
        create_datetime=row.create_datetime,
        expiration_datetime=row.expiration_datetime,
    )


def _found(query: LogQuery) -> Select[Any]:
    columns = unit_logs.c
    statement = select(unit_logs).where(
        columns.unit_uuid == query.unit,
        columns.expiration_datetime > query.now,
        *members(levels=(columns.level, query.levels)),
    )
    order = (Order(OrderKey.CREATE_DATETIME, descending=query.newest_first),)
    return ordered(statement, order, _ORDERS, columns.uuid)


@frozen
class PostgresLogs:
    """Implements :class:`~pepeunit.ports.logs.Logs`."""

    engine: AsyncEngine

    async def append(self, entries: Sequence[UnitLog]) -> None:
        if not entries:
            return
        require_storable(("text", entry.text) for entry in entries)
        columns = {
            "uuids": [entry.uuid for entry in entries],
            "units": [entry.unit_uuid for entry in entries],
            "levels": [entry.level.value for entry in entries],
            "texts": [entry.text for entry in entries],
            "created": [entry.create_datetime for entry in entries],
            "expiring": [entry.expiration_datetime for entry in entries],
        }
        async with writing(self.engine) as statements:
            await statements.write(_APPEND, columns)

    async def find(self, query: LogQuery) -> Page[UnitLog]:
        async with reading(self.engine) as statements:
            return await page(statements, _found, query, to_log)

    async def purge(self, now: datetime) -> int:
        async with writing(self.engine) as statements:
            gone = await statements.write(
                delete(unit_logs).where(unit_logs.c.expiration_datetime <= now)
            )
        return gone.rowcount

    async def delete_unit(self, unit: UnitId) -> None:
        async with writing(self.engine) as statements:
            await statements.write(delete(unit_logs).where(unit_logs.c.unit_uuid == unit))
