"""What a lane writes to: rows as each store wants them."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import frozen

from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.logs import Logs
from pepeunit.ports.record_codec import Tables
from pepeunit.ports.series_writer import SeriesBatch, SeriesWriter


@frozen
class WriteSeries:
    """History: one table for each policy that keeps one."""

    writer: SeriesWriter

    async def __call__(self, token: str, tables: Tables) -> None:
        n_records, time_windows, aggregates = tables
        await self.writer.write(SeriesBatch(token, n_records, time_windows, aggregates))


@frozen
class WriteValues:
    """``state`` of nodes; a newer one wins (rulings 32)."""

    database: Database
    clock: Clock

    async def __call__(self, token: str, tables: Tables) -> None:
        rows = [(NodeId(node), text, _time(ms)) for node, text, ms in tables[0]]
        async with self.database.begin() as tx:
            await tx.nodes.store_states(rows, self.clock())


@frozen
class WriteLogs:
    """What devices logged; an entry sent again is stored once (rulings 33)."""

    logs: Logs

    async def __call__(self, token: str, tables: Tables) -> None:
        await self.logs.append(
            [
                UnitLog(UnitId(unit), LogLevel(level), text, _time(created), _time(expires))
                for unit, level, text, created, expires in tables[0]
            ]
        )


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
