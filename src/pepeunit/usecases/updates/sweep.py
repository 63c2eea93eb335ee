"""Time out updates that nobody answers (O32)."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve, frozen

from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database

BATCH_UNITS = 500


@frozen
class SweepUpdates:
    """``send_interval_seconds`` is ``PU_STATE_SEND_INTERVAL``; a unit has twice that to answer."""

    database: Database
    clock: Clock
    send_interval_seconds: float

    async def __call__(self) -> int:
        """How many updates timed out."""
        now = self.clock()
        since = now - timedelta(seconds=2 * self.send_interval_seconds)
        async with self.database.read() as rows:
            overdue = await rows.units.overdue(since, BATCH_UNITS)
        if not overdue:
            return 0
        async with self.database.begin() as tx:
            swept = [
                evolve(unit, update=unit.update.timed_out(now, self.send_interval_seconds))
                for unit in await tx.units.get_many(overdue, for_update=True)
                if unit.update.is_overdue(now, self.send_interval_seconds)
            ]
            await tx.units.put_many(swept)
        return len(swept)
