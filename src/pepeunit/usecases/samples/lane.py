"""One store's queue: first in, first out, in memory or spooled, written until it is stored.

Each store has a lane of its own, so one that is down or slow holds up no other (spec
datapipe.md 11, B4, B5, B23). A failed write is tried again without end; rows that a store will
never take are found by splitting and put aside.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Any, Final

from pepeunit.domain.errors import Invalid, Unavailable
from pepeunit.ports.checkpoint import Quarantined, SpoolEntry
from pepeunit.ports.record_codec import Tables
from pepeunit.usecases.samples.entry import Entry, halves
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.signal import Signal

log = logging.getLogger(__name__)

Write = Callable[[str, Tables], Awaitable[None]]
"""Stores rows under the name of their batch. Raises ``Unavailable`` or ``Invalid``."""

WRITE_BYTES_MAX: Final = 16 * 2**20
"""Of text in one write."""
RATE_SHARE: Final = 0.5
"""Weight of the newest measurement."""


class Lane:
    """``progressed`` is called whenever rows were stored or the store stopped answering."""

    def __init__(
        self, name: str, write: Write, parts: IngestParts, token: str, progressed: Signal
    ) -> None:
        self.name = name
        self._write = write
        self._checkpoint = parts.checkpoint
        self._codec = parts.codec
        self._clock = parts.clock
        self._limits = parts.limits
        self._token = token
        self._progressed = progressed
        self._entries: deque[Entry] = deque()
        self._tokens = 0
        self._more = asyncio.Event()
        self._stale: list[int] = []
        """Spooled entries that are stored: to be dropped."""
        self.is_down = False
        self.rows_per_second: float | None = None
        self.row_count = 0
        self.live_row_count = 0
        self.memory_bytes = 0
        self.spooled_bytes = 0
        self.spooled_rows = 0
        self.stored_rows = 0
        self.retries = 0
        self.quarantined = 0
        self.write_seconds = 0.0
        self.writes = 0

    # the processing side

    def put(self, number: int, position: int, tables: Tables, text_bytes: int) -> None:
        """Take rows that were cut at ``position``; never waits. ``text_bytes`` is about what
        their texts take."""
        now = asyncio.get_running_loop().time()
        count = sum(map(len, tables))
        self._append(Entry(number, position, tables, count, now, not self.is_down, text_bytes))

    def restore(self, entries: Sequence[SpoolEntry]) -> None:
        """Begin with what an earlier run had spooled."""
        now = asyncio.get_running_loop().time()
        for one in entries:
            entry = Entry(one.number, 0, None, one.row_count, now, False, one.size_bytes)
            entry.spooled_bytes = one.size_bytes
            self.spooled_bytes += one.size_bytes
            self.spooled_rows += one.row_count
            self._append(entry)

    def _append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self.row_count += entry.row_count
        self.live_row_count += entry.row_count if entry.is_live else 0
        self.memory_bytes += entry.memory_bytes
        self._more.set()

    @property
    def oldest_since(self) -> float | None:
        """When the oldest row that is not stored was handed over, on the loop's clock."""
        return self._entries[0].since if self._entries else None

    @property
    def delay_seconds(self) -> float:
        """How long what was gathered while the store answers takes to store; 0 when unknown."""
        return self.live_row_count / self.rows_per_second if self.rows_per_second else 0.0

    def holds(self, position: int) -> bool:
        """Whether rows cut at or before the position are not in the store yet."""
        return bool(self._entries) and self._entries[0].position <= position

    # the checkpoint's side

    def unsettled(self, position: int) -> list[Entry]:
        """Entries cut at or before the position that are neither stored nor spooled."""
        return [
            entry
            for entry in self._entries
            if entry.position <= position and entry.tables is not None and not entry.spooled_bytes
        ]

    def packed(self, entry: Entry) -> tuple[SpoolEntry, bytes]:
        """What is spooled of an unsettled entry."""
        body = self._codec.pack_tables(entry.tables or ())
        return SpoolEntry(entry.number, self.name, entry.row_count, len(body)), body

    def spooled(self, entry: Entry, size_bytes: int) -> None:
        """The entry is on disk: free its memory."""
        if entry.is_stored:
            self._stale.append(entry.number)
            self._more.set()
            return
        entry.spooled_bytes = size_bytes
        self.spooled_bytes += size_bytes
        self.spooled_rows += entry.row_count
        self.memory_bytes -= entry.memory_bytes
        entry.tables = None

    # the store's side

    async def run(self) -> None:
        """Write for ever, until cancelled."""
        while True:
            await self._more.wait()
            await self._drop_stale()
            if not self._entries:
                self._more.clear()
                continue
            entries, tables = await self._taken()
            if any(tables):
                await self._stored(tables)
            for entry in entries:
                self._forget(entry)
            self._progressed()

    def _forget(self, entry: Entry) -> None:
        self._entries.popleft()
        entry.is_stored = True
        self.row_count -= entry.row_count
        self.live_row_count -= entry.row_count if entry.is_live else 0
        self.memory_bytes -= entry.memory_bytes
        self.stored_rows += entry.row_count
        if entry.spooled_bytes:
            self.spooled_bytes -= entry.spooled_bytes
            self.spooled_rows -= entry.row_count
            self._stale.append(entry.number)

    async def _drop_stale(self) -> None:
        stale, self._stale = self._stale, []
        try:
            if stale:
                await self._checkpoint.drop(stale)
        except Unavailable as outage:
            self._stale += stale
            log.warning("stored rows stay in the spool of %s: %s", self.name, outage)

    async def _taken(self) -> tuple[list[Entry], tuple[list[Any], ...]]:
        """Entries from the head and their rows, as many as one write should have."""
        taken: list[Entry] = []
        tables: tuple[list[Any], ...] = ()
        rows, text_bytes, rows_max = 0, 0, self._write_rows
        for entry in list(islice(self._entries, self._limits.write_rows_max)):
            rows += entry.row_count
            text_bytes += entry.text_bytes
            if taken and (rows > rows_max or text_bytes > WRITE_BYTES_MAX):
                break
            found = entry.tables
            if found is None:
                found = await self._spooled_rows(entry)
            tables = tables or tuple([] for _ in found)
            for table, more in zip(tables, found, strict=bool(found)):
                table.extend(more)
            taken.append(entry)
        return taken, tables

    async def _spooled_rows(self, entry: Entry) -> Tables:
        async def read() -> Tables:
            try:
                return self._codec.unpack_tables(await self._checkpoint.body(entry.number))
            except (KeyError, ValueError):
                log.exception("%d spooled rows of %s are lost", entry.row_count, self.name)
                return ()

        found: Tables = await self._until_done(read)
        return found

    @property
    def _write_rows(self) -> int:
        limits = self._limits
        if self.rows_per_second is None:
            return limits.write_rows_max
        wanted = int(self.rows_per_second * limits.write_seconds)
        return min(limits.write_rows_max, max(limits.write_rows_min, wanted))

    async def _stored(self, tables: Tables) -> None:
        self._tokens += 1
        token = f"{self._token}-{self.name}-{self._tokens}"
        await self._until_done(lambda: self._write_whole(token, tables))

    async def _until_done(self, work: Callable[[], Awaitable[Any]]) -> Any:
        delay = self._limits.retry_seconds_min
        while True:
            try:
                return await work()
            except Unavailable as outage:
                if not self.is_down:
                    log.warning("rows of %s wait: %s", self.name, outage)
            except Exception:
                log.exception("rows of %s wait", self.name)
            self.is_down = True
            self.retries += 1
            self._progressed()
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  # spreads retries
            delay = min(2 * delay, self._limits.retry_seconds_max)

    async def _write_whole(self, token: str, tables: Tables) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            await self._write(token, tables)
        except Invalid as refusal:
            await self._write_parts(token, tables, str(refusal))
        seconds = loop.time() - begun
        if self.is_down:
            log.warning("%s takes rows again", self.name)
            self.is_down = False
        self.writes += 1
        self.write_seconds += seconds
        count = sum(map(len, tables))
        if count >= self._limits.write_rows_min:
            rate = count / max(seconds, 1e-6)
            known = self.rows_per_second
            self.rows_per_second = rate if known is None else known + RATE_SHARE * (rate - known)

    async def _write_parts(self, token: str, tables: Tables, reason: str) -> None:
        """Halve until the rows that will never be taken stand alone; put those aside."""
        count = sum(map(len, tables))
        if count <= 1:
            at_ms = int(self._clock().timestamp() * 1000)
            row = self._codec.pack_tables(tables)
            await self._checkpoint.quarantine([Quarantined(self.name, at_ms, reason, row)])
            self.quarantined += 1
            log.warning("a row of %s was put aside: %s", self.name, reason)
            return
        for side, half in enumerate(halves(tables, count)):
            half_token = f"{token}.{side}"
            try:
                await self._write(half_token, half)
            except Invalid as refusal:
                await self._write_parts(half_token, half, str(refusal))
