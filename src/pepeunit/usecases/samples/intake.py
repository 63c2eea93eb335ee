"""The durable way in: one journal, one order for everybody (rulings 27, 31).

Records are appended one after the other and taken out in the same order. What does not fit into
memory, and what an earlier run left, is read back from the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from pepeunit.domain.messaging.record import Record, SampleRecord, SessionRecord
from pepeunit.ports.journal import Journal
from pepeunit.ports.record_codec import RecordCodec
from pepeunit.usecases.samples.signal import Signal

log = logging.getLogger(__name__)

PART_BYTES_MAX: Final = 4 * 2**20
"""Of payloads in one journal record."""
LATE_BYTES: Final = 8 * 2**20
"""Of the journal, in which the records of the last moments are looked for."""
SAMPLE_BYTES: Final = 80
"""About what a payload takes in memory besides its bytes."""


class Intake:
    """Append from many tasks; :meth:`records` is for one."""

    def __init__(self, journal: Journal, codec: RecordCodec, queue_bytes_max: int) -> None:
        self._journal = journal
        self._codec = codec
        self._queue_bytes_max = queue_bytes_max
        self._turn = asyncio.Lock()
        self._queue: deque[tuple[int, Record, int]] = deque()
        self._has_more = True
        self._came = Signal()
        self._is_behind = True
        """The queue lacks something that the journal has."""
        self._appended: int | None = None
        """The position behind the newest record, None before the first of this run."""
        self.position = 0
        """Everything before was taken out."""
        self.queue_bytes = 0
        self.waiting_samples = 0
        """Appended in this run and not taken out."""
        self._arriving: dict[object, int] = {}
        self.unreadable = 0

    @property
    def journal_bytes(self) -> int:
        return self._journal.waiting_bytes

    def begin(self, position: int) -> int:
        """Take out from ``position`` on, or from the journal's end when that lies before."""
        self._queue.clear()
        self.queue_bytes = 0
        self._is_behind = True
        self.wake()
        end = self._journal.released + self._journal.waiting_bytes
        self.position = min(max(position, self._journal.released), end)
        return self.position

    async def first_received_ms(self) -> int | None:
        """When the first sample to be taken out was received; None without one. Raises
        ``Unavailable``."""
        async for record in self._readable(self.position):
            if isinstance(record, SampleRecord):
                return record.received_ms
        return None

    async def late(self) -> AsyncIterator[SampleRecord | SessionRecord]:
        """The newest samples and sessions that the journal has, whoever appended them, in
        order; LATE_BYTES of it at least. Raises ``Unavailable``."""
        async for record in self._readable(self._journal.tail(LATE_BYTES)):
            if isinstance(record, SampleRecord | SessionRecord):
                yield record

    async def _readable(self, position: int) -> AsyncIterator[Record]:
        async for _, packed in self._journal.read(position):
            try:
                record = self._codec.unpack_record(packed)
            except ValueError:  # told of when it is taken out
                continue
            yield record
            await asyncio.sleep(0)

    async def append(self, record: Record) -> None:
        """Durable when it returns, also for whoever is cancelled while waiting.

        Raises ``Unavailable`` when the journal refuses; then it was not taken.
        """
        turn = object()
        if isinstance(record, SampleRecord):
            self._arriving[turn] = record.received_ms
        await asyncio.shield(asyncio.ensure_future(self._appending(record, turn)))

    async def _appending(self, record: Record, turn: object) -> None:
        try:
            async with self._turn:
                samples = record if isinstance(record, SampleRecord) else None
                parts = samples.parts(PART_BYTES_MAX) if samples else (record,)
                packed = [self._codec.pack_record(part) for part in parts]
                self._appended = await self._journal.append(packed)
                count = samples.sample_count if samples else 0
                self.waiting_samples += count
                size = sum(map(len, packed)) + count * SAMPLE_BYTES
                if self.queue_bytes + size > self._queue_bytes_max:
                    self._is_behind = True
                if not self._is_behind:
                    self._queue.append((self._appended, record, size))
                    self.queue_bytes += size
                self.wake()
        finally:
            self._arriving.pop(turn, None)

    def received_before(self, now_ms: int) -> int | None:
        """Every sample received before this moment was taken out; None while that is unknown."""
        if self._is_behind:
            return None
        oldest = min(self._arriving.values(), default=now_ms)
        for _, record, _ in self._queue:
            if isinstance(record, SampleRecord):
                oldest = min(oldest, record.received_ms)
                break
        return min(oldest, now_ms)

    @property
    def is_empty(self) -> bool:
        """Nothing durable waits to be taken out."""
        return not self._is_behind and not self._queue

    async def wait(self, seconds: float | None) -> None:
        """Return when something may be taken out, or after so many seconds."""
        if not self._has_more:
            await self._came.wait(seconds)

    def wake(self) -> None:
        """End the waiting."""
        self._has_more = True
        self._came()

    async def records(self) -> AsyncIterator[Record]:
        """What can be taken out now; ``position`` is behind the newest. Raises ``Unavailable``."""
        self._has_more = False
        while True:
            while self._queue:
                position, record, size = self._queue.popleft()
                self.queue_bytes -= size
                self._take(position, record)
                yield record
            if not self._is_behind:
                return
            async for position, packed in self._journal.read(self.position):
                try:
                    found = self._codec.unpack_record(packed)
                except ValueError:
                    self.unreadable += 1
                    log.exception("a journal record before %d cannot be read", position)
                    self.position = position
                    continue
                self._take(position, found)
                yield found
            async with self._turn:  # nothing is on its way into the journal now
                if self._appended is None or self.position >= self._appended:
                    self._is_behind = False
                    self.waiting_samples = 0

    def _take(self, position: int, record: Record) -> None:
        self.position = position
        if isinstance(record, SampleRecord):
            self.waiting_samples = max(0, self.waiting_samples - record.sample_count)
