"""Appending rows of series to ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from zlib import crc32

from attrs import frozen

from pepeunit.adapters.clickhouse.connections import ClickHouse, insert
from pepeunit.adapters.clickhouse.tables import (
    AGGREGATION_ENTRY,
    N_LAST_ENTRY,
    WINDOW_ENTRY,
    Table,
)
from pepeunit.codecs.series import (
    AGGREGATE_CHECKS,
    N_RECORD_CHECKS,
    TIME_WINDOW_CHECKS,
    Check,
    columns_of,
)
from pepeunit.ports.series_writer import SeriesBatch

INSERT_ROWS_MAX: Final = 50_000
"""Rows in one append; a larger batch becomes several."""


@frozen
class _Shape:
    """How row tuples become the columns of a table."""

    table: Table
    checks: dict[str, Check]
    names: tuple[str, ...]

    @property
    def columns(self) -> Sequence[tuple[str, str]]:
        kinds = dict(self.table.columns)
        return [(name, kinds[name]) for name in self.names]


_ENTRY: Final = ("unit_node_uuid", "generation", "seq", "state", "state_type", "create_datetime")
N_RECORDS: Final = _Shape(N_LAST_ENTRY, N_RECORD_CHECKS, (*_ENTRY, "max_count", "size"))
TIME_WINDOWS: Final = _Shape(
    WINDOW_ENTRY, TIME_WINDOW_CHECKS, (*_ENTRY, "expiration_datetime", "size")
)
AGGREGATES: Final = _Shape(
    AGGREGATION_ENTRY,
    AGGREGATE_CHECKS,
    (
        "unit_node_uuid",
        "generation",
        "state",
        "aggregation_type",
        "time_window_size",
        "create_datetime",
        "start_window_datetime",
        "end_window_datetime",
        "samples",
    ),
)


@frozen
class ClickHouseSeriesWriter:
    """Implements :class:`~pepeunit.ports.series_writer.SeriesWriter`."""

    store: ClickHouse

    async def write(self, batch: SeriesBatch) -> None:
        parts: list[tuple[_Shape, Sequence[tuple[Any, ...]]]] = [
            (N_RECORDS, batch.n_records),
            (TIME_WINDOWS, batch.time_windows),
            (AGGREGATES, batch.aggregates),
        ]
        for shape, rows in parts:
            for start in range(0, len(rows), INSERT_ROWS_MAX):
                chosen = rows[start : start + INSERT_ROWS_MAX]
                token = f"{batch.token}/{start}/{_fingerprint(chosen)}"
                await self.store.write(_append(shape, chosen, token))


def _fingerprint(rows: Sequence[tuple[Any, ...]]) -> str:
    """Other rows under the same token, as when a batch was split, are not taken for known."""
    return f"{len(rows)}/{crc32(repr((rows[0], rows[-1])).encode(errors='replace'))}"


def _append(shape: _Shape, rows: Sequence[tuple[Any, ...]], token: str) -> Callable[[Any], None]:
    def work(client: Any) -> None:
        # turned here and not before: it takes a tenth of a second for a large batch
        values = columns_of(rows, shape.checks)
        insert(client, shape.table.name, shape.columns, values, token)

    return work
