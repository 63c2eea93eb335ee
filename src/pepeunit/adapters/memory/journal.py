"""The journal in memory, for tests, demos and library users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from attrs import define, field

from pepeunit.domain.errors import Invalid, Unavailable

FRAME_BYTES: Final = 8
"""Counted for each record, so that an empty one moves the position too."""
BYTES_MAX: Final = 64 * 2**20


@define
class MemoryJournal:
    """Implements :class:`~pepeunit.ports.journal.Journal`; nothing survives the process."""

    bytes_max: int = BYTES_MAX
    _records: dict[int, bytes] = field(init=False, factory=dict)
    """Position behind the record -> record, in order."""
    _end: int = field(init=False, default=0)
    _released: int = field(init=False, default=0)

    @property
    def released(self) -> int:
        return self._released

    @property
    def waiting_bytes(self) -> int:
        return self._end - self._released

    async def check(self) -> None:
        if self.waiting_bytes >= self.bytes_max:
            raise Unavailable("journal", f"full: {self.bytes_max} bytes are held")

    async def append(self, records: Sequence[bytes]) -> int:
        size = sum(FRAME_BYTES + len(record) for record in records)
        held = self._end - self._released
        if held + size > self.bytes_max:
            raise Unavailable("journal", f"full: {held} of at most {self.bytes_max} bytes are held")
        for record in records:
            self._end += FRAME_BYTES + len(record)
            self._records[self._end] = bytes(record)
        return self._end

    async def read(self, position: int) -> AsyncIterator[tuple[int, bytes]]:
        for end, record in list(self._records.items()):
            if end > position:
                yield end, record

    def tail(self, size_bytes: int) -> int:
        wanted = self._end - size_bytes
        return max((end for end in self._records if end <= wanted), default=0)

    async def release(self, position: int) -> None:
        if position > self._end:
            raise Invalid(f"nothing is stored at {position} yet, the journal ends at {self._end}")
        self._released = max(self._released, position)
        for end in [end for end in self._records if end <= position]:
            del self._records[end]
