"""Stored series in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence, Set
from typing import Any, Final
from uuid import UUID

from attrs import define, field

from pepeunit.adapters.memory.selecting import cut
from pepeunit.codecs.series import (
    AGGREGATE_CHECKS,
    N_RECORD_CHECKS,
    TIME_WINDOW_CHECKS,
    columns_of,
)
from pepeunit.domain.pipes.rows import AggregateRow, NRecordRow, StoredRow, TimeWindowRow
from pepeunit.ports.paging import Page
from pepeunit.ports.series_reader import SeriesQuery
from pepeunit.ports.series_writer import SeriesBatch

RING_SLOTS: Final = 1024
STREAM_ROWS: Final = 4_096

_Key = tuple[UUID, int]


@define(eq=False)
class MemorySeries:
    """Implements :class:`~pepeunit.ports.series_writer.SeriesWriter`,
    :class:`~pepeunit.ports.series_reader.SeriesReader` and
    :class:`~pepeunit.ports.series_admin.SeriesAdmin`; nothing survives the process."""

    _rings: dict[_Key, dict[int, NRecordRow]] = field(factory=dict, init=False)
    _windows: dict[_Key, dict[tuple[int, int], TimeWindowRow]] = field(factory=dict, init=False)
    _aggregates: dict[_Key, dict[tuple[int, int, str], AggregateRow]] = field(
        factory=dict, init=False
    )

    async def write(self, batch: SeriesBatch) -> None:
        for rows, checks in (
            (batch.n_records, N_RECORD_CHECKS),
            (batch.time_windows, TIME_WINDOW_CHECKS),
            (batch.aggregates, AGGREGATE_CHECKS),
        ):
            if rows:
                columns_of(rows, checks)
        for record in batch.n_records:
            ring = self._rings.setdefault(record[:2], {})
            slot = record[2] % RING_SLOTS
            if slot not in ring or ring[slot][2] <= record[2]:
                ring[slot] = record
        for entry in batch.time_windows:
            self._windows.setdefault(entry[:2], {})[entry[5], entry[2]] = entry
        for aggregate in batch.aggregates:
            windows = self._aggregates.setdefault(aggregate[:2], {})
            window = (aggregate[6], aggregate[4], aggregate[3])
            if window not in windows or windows[window][8] <= aggregate[8]:
                windows[window] = aggregate

    async def find(self, query: SeriesQuery) -> Page[StoredRow]:
        return cut(self._matches(query), query.slice)

    async def stream(self, query: SeriesQuery) -> AsyncIterator[Sequence[StoredRow]]:
        rows = cut(self._matches(query), query.slice).items
        for start in range(0, len(rows), STREAM_ROWS):
            yield rows[start : start + STREAM_ROWS]

    async def known(self) -> Set[tuple[UUID, int]]:
        return {*self._rings, *self._windows, *self._aggregates}

    async def numbers(self, before_ms: int | None = None) -> Mapping[_Key, tuple[int, int]]:
        records = {key: list(ring.values()) for key, ring in self._rings.items()}
        windows = {key: list(rows.values()) for key, rows in self._windows.items()}
        return {
            key: (
                _number(records.get(key, ()), before_ms),
                _number(windows.get(key, ()), before_ms),
            )
            for key in {*records, *windows}
        }

    async def delete(self, series: Collection[tuple[UUID, int]]) -> None:
        for key in series:
            self._rings.pop(key, None)
            self._windows.pop(key, None)
            self._aggregates.pop(key, None)

    async def check(self) -> None:
        """Memory always answers."""

    def _matches(self, query: SeriesQuery) -> list[StoredRow]:
        key = (query.series.node, query.series.generation)
        if query.policy == "NRecords":
            rows = _in_order(self._ring(query, key), 5, (2,), query)
        elif query.policy == "TimeWindow":
            window = self._windows.get(key, {}).values()
            alive = (row for row in window if query.now_ms < row[6])
            rows = _in_order(alive, 5, (2,), query)
        else:
            rows = _in_order(self._windows_of(query, key), 5, (6, 4, 3), query)
        created = 5
        return [
            row
            for row in rows
            if (query.created_from_ms is None or row[created] >= query.created_from_ms)
            and (query.created_to_ms is None or row[created] <= query.created_to_ms)
            and _holds(row, query)
        ]

    def _ring(self, query: SeriesQuery, key: _Key) -> Iterable[NRecordRow]:
        ring = sorted(self._rings.get(key, {}).values(), key=lambda row: row[2], reverse=True)
        hidden: set[int] = set()
        for trim in query.series.trims:
            hidden.update([row[2] for row in ring if row[5] <= trim.at_ms][max(trim.count, 0) :])
        limit = RING_SLOTS if query.series.limit is None else min(query.series.limit, RING_SLOTS)
        return [row for row in ring if row[2] not in hidden][: max(limit, 0)]

    def _windows_of(self, query: SeriesQuery, key: _Key) -> Iterable[AggregateRow]:
        for row in self._aggregates.get(key, {}).values():
            if query.functions is not None and row[3] not in query.functions:
                continue
            if query.window_seconds is not None and row[4] != query.window_seconds:
                continue
            if query.window_end_from_ms is not None and row[7] < query.window_end_from_ms:
                continue
            if query.window_end_to_ms is not None and row[7] > query.window_end_to_ms:
                continue
            yield row


def _number(rows: Iterable[NRecordRow | TimeWindowRow], before_ms: int | None) -> int:
    known = (row[2] for row in rows if before_ms is None or row[5] < before_ms)
    return max(known, default=0)


def _holds(row: tuple[Any, ...], query: SeriesQuery) -> bool:
    if query.search is None or query.policy == "Aggregation":
        return True
    return query.search.lower() in row[3].lower()


FUNCTION_ORDER: Final = {"Avg": 1, "Min": 2, "Max": 3, "Sum": 4}


def _in_order(
    rows: Iterable[Any], created: int, ties: tuple[int, ...], query: SeriesQuery
) -> list[Any]:
    def key(row: Any) -> tuple[Any, ...]:
        return (row[created], *(FUNCTION_ORDER.get(row[tie], row[tie]) for tie in ties))

    return sorted(rows, key=key, reverse=query.newest_first)
