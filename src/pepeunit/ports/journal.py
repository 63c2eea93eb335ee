"""The durable log between the broker's acknowledgement and the stores (rulings 27, 31)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol


class Journal(Protocol):
    """Append-only records of bytes at rising positions (bytes, 0 is the beginning)."""

    async def append(self, records: Sequence[bytes]) -> int:
        """Store the records durably and return the position behind the last one.

        Returns only after the bytes are on disk; concurrent calls share one flush. Callers wait
        while the buffer is full. Raises :class:`~pepeunit.domain.errors.Unavailable` when the
        disk refuses or the journal's size limit is reached; then none of the records counts
        as stored.
        """
        ...

    def read(self, position: int) -> AsyncIterator[tuple[int, bytes]]:
        """The stored records from ``position`` on, each with the position behind it."""
        ...

    def tail(self, size_bytes: int) -> int:
        """A position at the beginning of a record, behind which the journal still has so many
        of its newest bytes at least, or all that it has."""
        ...

    async def release(self, position: int) -> None:
        """Records before ``position`` are stored elsewhere: remember that, free their space."""
        ...

    async def check(self) -> None:
        """Return when records can be appended now. Raises ``Unavailable`` otherwise."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """Bytes that were appended and are not released."""
        ...

    @property
    def released(self) -> int:
        """The position up to which records were released, across restarts."""
        ...
