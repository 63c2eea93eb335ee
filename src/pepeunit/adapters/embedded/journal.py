"""The journal as plain segment files (design.md section 8; rulings 27, 31)."""

from __future__ import annotations

import asyncio
import logging
import os
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self

from attrs import define, field, frozen

from pepeunit.adapters.embedded import segments
from pepeunit.adapters.embedded.atomic import replace_file
from pepeunit.domain.errors import Invalid, Unavailable

DEPENDENCY: Final = "journal"
CHECKPOINT: Final = "released"
PROBE: Final = "probe"
"""Written and removed to see whether the disk still takes anything."""
PROBE_BYTES: Final = 4096

_log = logging.getLogger(__name__)


@frozen
class JournalLimits:
    """``buffer_bytes_max`` is what may wait for the disk, ``disk_bytes_max`` what may lie on it.

    Raises ``Invalid`` when the disk limit is below two segments and two buffers: then releasing
    everything could still leave no room.
    """

    segment_bytes: int = 16 * 2**20
    buffer_bytes_max: int = 16 * 2**20
    disk_bytes_max: int = 2**30

    def __attrs_post_init__(self) -> None:
        least = 2 * (self.segment_bytes + self.buffer_bytes_max)
        if self.disk_bytes_max < least:
            raise Invalid([("disk_bytes_max", f"at least {least} bytes")])


@define
class FileJournal:
    """Implements :class:`~pepeunit.ports.journal.Journal`; get one from :meth:`open`.

    One thread writes, so appends that meet share one write and one flush. One process at a time:
    the data directory's lock sees to that.
    """

    _directory: Path
    _limits: JournalLimits
    _starts: list[int]
    """Positions of the segments on disk, rising. Changed in the writing thread alone."""
    _descriptor: int | None
    """The last segment, or None when the next write must begin a new one."""
    _end: int
    """The position behind the last durable record."""
    _released: int
    _thread: ThreadPoolExecutor = field(
        init=False, factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="journal")
    )
    _pending: list[tuple[bytes, asyncio.Future[int]]] = field(init=False, factory=list)
    _buffered: int = field(init=False, default=0)
    _turn: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _room: asyncio.Event = field(init=False, factory=asyncio.Event)
    _writing: asyncio.Task[None] | None = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)
    flushes: int = field(init=False, default=0)
    """How often the disk was asked to flush records."""

    @classmethod
    async def open(cls, directory: Path, limits: JournalLimits | None = None) -> Self:
        """The journal in ``directory``, made when missing; a torn tail is cut off.

        Raises ``Unavailable`` when the files cannot be opened.
        """
        try:
            return await asyncio.to_thread(cls._opened, directory, limits or JournalLimits())
        except OSError as error:
            raise _unavailable(error, directory) from error

    @classmethod
    def _opened(cls, directory: Path, limits: JournalLimits) -> Self:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        released = _read_checkpoint(directory / CHECKPOINT)
        starts = segments.segment_starts(directory)
        # records behind the checkpoint were taken away: positions must not be given twice, and
        # who goes on at the checkpoint is told that it is not where the journal goes on
        beyond = released + 1 if released else 0
        if not starts:
            return cls(directory, limits, [], None, beyond, beyond)
        descriptor, size = segments.open_segment(directory, starts[-1])
        end = starts[-1] + size
        if end < released:
            os.close(descriptor)
            return cls(directory, limits, starts, None, beyond, beyond)
        return cls(directory, limits, starts, descriptor, end, max(released, starts[0]))

    @property
    def released(self) -> int:
        return self._released

    @property
    def waiting_bytes(self) -> int:
        return self._end - self._released

    async def check(self) -> None:
        if self._closed:
            raise Unavailable(DEPENDENCY, "closed")
        self._refuse_over_disk_limit(0)
        try:
            await asyncio.to_thread(_try_to_write, self._directory / PROBE)
        except OSError as error:
            raise _unavailable(error, self._directory) from error

    async def append(self, records: Sequence[bytes]) -> int:
        if self._closed:
            raise Unavailable(DEPENDENCY, "closed")
        if not records:
            return self._end
        frames = segments.framed(records)
        async with self._turn:  # first come, first served
            while self._buffered and self._buffered + len(frames) > self._limits.buffer_bytes_max:
                self._room.clear()
                await self._room.wait()
            self._refuse_over_disk_limit(len(frames))
            self._buffered += len(frames)
            stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._pending.append((frames, stored))
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write_pending())
        return await stored

    def _refuse_over_disk_limit(self, size: int) -> None:
        held = self._end + self._buffered - (self._starts[0] if self._starts else self._end)
        if held + size > self._limits.disk_bytes_max:
            raise Unavailable(
                DEPENDENCY,
                f"full: {held} of at most {self._limits.disk_bytes_max} bytes wait to be stored",
            )

    async def _write_pending(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            batch, self._pending = self._pending, []
            data = b"".join([frames for frames, _ in batch])
            try:
                position = await loop.run_in_executor(self._thread, self._store, data)
            except Exception as error:
                _log.exception("journal: %d bytes were not stored", len(data))
                for _, stored in batch:
                    if not stored.done():
                        stored.set_exception(_unavailable(error, self._directory))
            else:
                for frames, stored in batch:
                    position += len(frames)
                    if not stored.done():
                        stored.set_result(position)
            self._buffered -= len(data)
            self._room.set()

    def _store(self, data: bytes) -> int:
        """Write and flush; the position of the first byte. After an error nothing counts."""
        start = self._end
        if self._descriptor is None or start - self._starts[-1] >= self._limits.segment_bytes:
            self._begin_segment()
        assert self._descriptor is not None  # noqa: S101  # narrows the type
        try:
            segments.write_all(self._descriptor, data)
        except OSError:
            self._abandon_segment()
            raise
        self.flushes += 1
        self._end = start + len(data)
        return start

    def _begin_segment(self) -> None:
        descriptor = segments.create_segment(self._directory, self._end)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor
        if self._end not in self._starts:
            self._starts.append(self._end)

    def _abandon_segment(self) -> None:
        """After a failed flush the kernel may have dropped pages: never trust this file again.

        What follows goes to a new segment; a reader stops where that one starts, so the half
        written part does no harm even if it cannot be cut off.
        """
        descriptor, self._descriptor = self._descriptor, None
        assert descriptor is not None  # noqa: S101  # narrows the type
        try:
            os.ftruncate(descriptor, self._end - self._starts[-1])
        except OSError:
            _log.exception("journal: a half written segment could not be cut")
        finally:
            os.close(descriptor)

    async def read(self, position: int) -> AsyncIterator[tuple[int, bytes]]:
        at = position if self._starts else self._end
        while at < self._end:
            known = list(self._starts)
            at = max(at, known[0])  # what lies before is released
            index = bisect_right(known, at) - 1
            start = known[index]
            limit = known[index + 1] if index + 1 < len(known) else self._end
            path = segments.segment_path(self._directory, start)
            try:
                records = await asyncio.to_thread(
                    segments.read_records, path, at - start, limit - start
                )
            except FileNotFoundError:
                if start in self._starts:
                    raise Unavailable(DEPENDENCY, f"{path} is missing") from None
                continue
            except OSError as error:
                raise _unavailable(error, self._directory) from error
            if not records:
                _log.error("journal: %s is damaged, %d bytes are skipped", path, limit - at)
                at = limit
            for end, record in records:
                at = start + end
                yield at, record

    def tail(self, size_bytes: int) -> int:
        index = bisect_right(self._starts, self._end - size_bytes) - 1
        return self._starts[max(index, 0)] if self._starts else self._end

    async def release(self, position: int) -> None:
        if position > self._end:
            raise Invalid(f"nothing is stored at {position} yet, the journal ends at {self._end}")
        if position <= self._released:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._release, position)
        except OSError as error:
            raise _unavailable(error, self._directory) from error

    def _release(self, position: int) -> None:
        if position <= self._released:
            return
        replace_file(self._directory / CHECKPOINT, f"{position}\n".encode())
        self._released = position
        while len(self._starts) > 1 and self._starts[1] <= position:
            segments.segment_path(self._directory, self._starts.pop(0)).unlink(missing_ok=True)

    async def close(self) -> None:
        """Wait for the appends under way and let the files go."""
        self._closed = True
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_to_write(probe: Path) -> None:
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def _read_checkpoint(path: Path) -> int:
    """The released position; 0 when none was written, so that records are rather read twice."""
    text = path.read_text() if path.exists() else ""
    return int(text) if text.strip().isdigit() else 0


def _unavailable(error: Exception, directory: Path) -> Unavailable:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "failed"
    return Unavailable(DEPENDENCY, f"{directory}: {reason}")
