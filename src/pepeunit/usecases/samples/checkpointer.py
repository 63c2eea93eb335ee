"""Write down where the pipes are, spool what stores still owe, release the journal.

A snapshot is taken between two journal records, so that a restart runs every later record again
and nothing twice. It is committed once each lane has stored or spooled what was cut before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.record import ControlRow
from pepeunit.ports.checkpoint import Commit, SpoolEntry
from pepeunit.usecases.samples.entry import Entry
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.lane import Lane
from pepeunit.usecases.samples.signal import Signal

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
SETTLE_LOOK_SECONDS = 0.25


@frozen
class Snapshot:
    """Everything that changed before ``position`` since the snapshot before it."""

    position: int
    settings: Sequence[ControlRow]
    memories: dict[UUID, bytes]
    gone: frozenset[UUID]


class Checkpointer:
    """One snapshot at a time: the next may be offered when :attr:`is_due`.

    Before ``is_counted`` a commit does not say whose it is, and the next start asks the stores.
    """

    def __init__(
        self,
        parts: IngestParts,
        lanes: Sequence[Lane],
        progressed: Signal,
        is_counted: Callable[[], bool],
    ) -> None:
        self._checkpoint = parts.checkpoint
        self._journal_id = parts.journal_id
        self._is_counted = is_counted
        self._journal = parts.journal
        self._limits = parts.limits
        self._lanes = lanes
        self._progressed = progressed
        self._pending: Snapshot | None = None
        self._offered = asyncio.Event()
        self._next_due = 0.0
        self.is_hurried = False
        """Do not wait for the stores: memory is full, or the platform stops."""
        self.seconds = 0.0
        """What the last commit took."""

    @property
    def is_idle(self) -> bool:
        return self._pending is None

    @property
    def due_at(self) -> float | None:
        """When the next snapshot is wanted, on the loop's clock; None while one is pending."""
        if self._pending is not None:
            return None
        return 0.0 if self.is_hurried else self._next_due

    def offer(self, snapshot: Snapshot) -> None:
        self._pending = snapshot
        self._offered.set()

    async def run(self) -> None:
        """Commit what is offered, until cancelled."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            if self._pending is not None:
                await self._finish(self._pending)

    async def _finish(self, snapshot: Snapshot) -> None:
        await self._settle(snapshot.position)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            try:
                await self._commit(snapshot)
                break
            except Unavailable as outage:
                log.warning("the checkpoint waits: %s", outage)
                await asyncio.sleep(RETRY_SECONDS)
        self.seconds = loop.time() - begun
        rest = min(
            self.seconds / self._limits.checkpoint_share, self._limits.checkpoint_seconds_max
        )
        self._next_due = loop.time() + max(rest, self._limits.checkpoint_seconds_min)
        try:
            await self._journal.release(snapshot.position)
        except Unavailable as outage:
            log.warning("the journal is not released: %s", outage)
        self._pending = None
        self._progressed()

    async def _settle(self, position: int) -> None:
        """Wait for the stores, as long as they answer and the spool has no room or patience."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.checkpoint_patience_seconds
        while True:
            owing = [lane for lane in self._lanes if lane.unsettled(position)]
            is_over = loop.time() >= deadline or self.is_hurried
            if not owing:
                return
            if (is_over or all(lane.is_down for lane in owing)) and self._has_room():
                return
            await self._progressed.wait(SETTLE_LOOK_SECONDS)

    def _has_room(self) -> bool:
        spooled = sum(lane.spooled_bytes for lane in self._lanes)
        return spooled < self._limits.spool_bytes_max

    async def _commit(self, snapshot: Snapshot) -> None:
        spooled: list[tuple[SpoolEntry, bytes]] = []
        marks: list[tuple[Lane, Entry, int]] = []
        for lane in self._lanes:
            for entry in lane.unsettled(snapshot.position):
                one, body = lane.packed(entry)
                spooled.append((one, body))
                marks.append((lane, entry, len(body)))
                await asyncio.sleep(0)
        await self._checkpoint.commit(
            Commit(
                snapshot.position,
                snapshot.settings,
                snapshot.memories,
                snapshot.gone,
                spooled,
                self._journal_id if self._is_counted() else None,
            )
        )
        for lane, entry, size in marks:
            lane.spooled(entry, size)
