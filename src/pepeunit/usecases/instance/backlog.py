"""What waits: commands in the outbox and units by the state of their update."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database

CACHE_SECONDS: Final = 5.0


@frozen
class Backlog:
    """``updates`` counts units by status; None are those without an update under way."""

    outbox_length: int
    updates: Mapping[UpdateStatus | None, int]


class CountBacklog:
    """Counted at most once in five seconds, however often it is asked. Raises ``Unavailable``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: tuple[datetime, Backlog] | None = None

    async def __call__(self) -> Backlog:
        now = self._clock()
        if self._known is not None and abs(now - self._known[0]) < timedelta(seconds=CACHE_SECONDS):
            return self._known[1]
        async with self._database.read() as rows:
            backlog = Backlog(await rows.outbox.length(), await rows.units.update_statuses())
        self._known = (now, backlog)
        return backlog
