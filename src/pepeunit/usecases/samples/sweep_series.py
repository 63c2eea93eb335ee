"""Free the space of rows that nobody can read any more: orphans are never for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from pepeunit.domain.errors import Unavailable
from pepeunit.ports.database import Database
from pepeunit.ports.series_admin import SeriesAdmin
from pepeunit.usecases.samples.lane import Lane
from pepeunit.usecases.samples.living import living

log = logging.getLogger(__name__)

DEAD_SECONDS: Final = 30.0
ORPHAN_SECONDS: Final = 3600.0
RESERVED_SECONDS: Final = 3600.0
"""Rows of a generation that is not shown yet may belong to an import: spared for this long."""
DELETED_AT_ONCE: Final = 1_000


class SweepSeries:
    """``dead`` are series that ended, each with the position of the journal where it did."""

    def __init__(
        self,
        database: Database,
        admin: SeriesAdmin,
        lane: Lane,
        dead: list[tuple[int, UUID, int]],
    ) -> None:
        self._database = database
        self._admin = admin
        self._lane = lane
        self._dead = dead
        self._reserved: dict[tuple[UUID, int], float] = {}

    async def run(self) -> None:
        """For ever, until cancelled."""
        loop = asyncio.get_running_loop()
        orphans_at = loop.time() + ORPHAN_SECONDS
        while True:
            await asyncio.sleep(DEAD_SECONDS)
            try:
                await self.delete_dead()
                if loop.time() >= orphans_at:
                    await self.delete_orphans()
                    orphans_at = loop.time() + ORPHAN_SECONDS
            except Unavailable as outage:
                log.info("dead rows stay for now: %s", outage)
            except Exception:
                log.exception("dead rows stay for now")

    async def delete_dead(self) -> int:
        """Delete series whose last rows are stored; how many. Raises ``Unavailable``."""
        ready = [one for one in self._dead if not self._lane.holds(one[0])]
        await self._delete([(node, generation) for _, node, generation in ready])
        for one in ready:
            self._dead.remove(one)
        return len(ready)

    async def delete_orphans(self) -> int:
        """Delete rows of nodes and generations that do not live. Raises ``Unavailable``."""
        known = await self._admin.known()
        generations = await living(self._database, {node for node, _ in known})
        now = asyncio.get_running_loop().time()
        found = []
        seen: dict[tuple[UUID, int], float] = {}
        for node, generation in known:
            shown = generations.get(node)
            if shown is not None and generation > shown:
                since = self._reserved.get((node, generation), now)
                seen[node, generation] = since
                if now - since >= RESERVED_SECONDS:
                    found.append((node, generation))
            elif shown != generation:
                found.append((node, generation))
        self._reserved = seen
        await self._delete(found)
        return len(found)

    async def _delete(self, series: Sequence[tuple[UUID, int]]) -> None:
        for at in range(0, len(series), DELETED_AT_ONCE):
            await self._admin.delete(series[at : at + DELETED_AT_ONCE])
