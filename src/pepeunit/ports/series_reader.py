"""What the policies kept, with their retention applied to the moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from attrs import frozen

from pepeunit.domain.pipes.rows import StoredRow
from pepeunit.domain.pipes.series import Series
from pepeunit.ports.paging import WHOLE, Page, Slice


@frozen
class SeriesQuery:
    """What spec datapipe.md 8 asks of one table; bounds are inclusive epoch milliseconds.

    ``policy`` is the wire name of the table's policy (``NRecords``, ``TimeWindow``,
    ``Aggregation``). ``search`` is a substring of ``state`` without regard to case and without
    wildcards, not for Aggregation; ``functions``, ``window_seconds`` and ``window_end_*`` are for
    Aggregation only; ``functions=frozenset()`` matches nothing. Ordered by creation time, ties by
    arrival.
    """

    series: Series
    policy: str
    now_ms: int
    search: str | None = None
    functions: frozenset[str] | None = None
    window_seconds: int | None = None
    window_end_from_ms: int | None = None
    window_end_to_ms: int | None = None
    created_from_ms: int | None = None
    created_to_ms: int | None = None
    newest_first: bool = True
    slice: Slice = WHOLE


class SeriesReader(Protocol):
    """Raises ``Unavailable`` when the store is down."""

    async def find(self, query: SeriesQuery) -> Page[StoredRow]:
        """The rows of the slice and how many match in all, counted by the store."""
        ...

    def stream(self, query: SeriesQuery) -> AsyncIterator[Sequence[StoredRow]]:
        """All matches in blocks, from one snapshot; never the whole series in memory."""
        ...
