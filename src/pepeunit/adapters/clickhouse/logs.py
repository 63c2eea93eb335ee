"""Unit logs in ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from attrs import frozen

from pepeunit.adapters.clickhouse.connections import ClickHouse, insert
from pepeunit.adapters.clickhouse.tables import UNIT_LOGS
from pepeunit.codecs.text import require_storable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.ports.logs import LogQuery
from pepeunit.ports.paging import Page

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def _moment(ms: int) -> datetime:
    return EPOCH + ms * MILLISECOND


@frozen
class ClickHouseLogs:
    """Implements :class:`~pepeunit.ports.logs.Logs`; expired entries go with the next merge."""

    store: ClickHouse

    async def append(self, entries: Sequence[UnitLog]) -> None:
        if not entries:
            return
        require_storable(("text", entry.text) for entry in entries)

        def work(client: Any) -> None:
            values = [
                [entry.uuid for entry in entries],
                [entry.level.value for entry in entries],
                [entry.unit_uuid for entry in entries],
                [entry.text for entry in entries],
                [_ms(entry.create_datetime) for entry in entries],
                [_ms(entry.expiration_datetime) for entry in entries],
            ]
            # entries replace their equals: no batch needs to be known again
            insert(client, UNIT_LOGS.name, UNIT_LOGS.columns, values, uuid4().hex)

        await self.store.write(work)

    async def find(self, query: LogQuery) -> Page[UnitLog]:
        conditions = "unit_uuid = {unit:UUID} AND expiration_datetime > {now:DateTime64(6, 'UTC')}"
        values: dict[str, Any] = {"unit": str(query.unit), "now": query.now}
        if query.levels is not None:
            conditions += " AND has({levels:Array(String)}, toString(level))"
            values["levels"] = sorted(level.value for level in query.levels)
        source = f"FROM unit_logs FINAL WHERE {conditions}"
        direction = "DESC" if query.newest_first else "ASC"
        statement = (
            f"SELECT toString(level), text, toUnixTimestamp64Milli(create_datetime), "
            f"toUnixTimestamp64Milli(expiration_datetime) {source} "
            f"ORDER BY create_datetime {direction}, uuid {direction}"
        )
        start, most = query.slice.offset or 0, query.slice.limit or 0
        if start or most:
            values |= {"offset": start, "most": most or 2**63}
            statement += " LIMIT {most:UInt64} OFFSET {offset:UInt64}"

        def work(client: Any) -> Page[UnitLog]:
            found = client.query(statement, parameters=values).result_rows
            count = len(found)
            if start or most:
                count = client.query(f"SELECT count() {source}", parameters=values).first_row[0]
            entries = [
                UnitLog(query.unit, LogLevel(level), text, _moment(created), _moment(expires))
                for level, text, created, expires in found
            ]
            return Page(count, entries)

        return await self.store.read(work)

    async def delete_unit(self, unit: UnitId) -> None:
        statement = "DELETE FROM unit_logs WHERE unit_uuid = {unit:UUID}"
        await self.store.write(
            lambda client: client.command(statement, parameters={"unit": str(unit)})
        )
