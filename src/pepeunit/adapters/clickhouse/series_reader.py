"""Reading series from ClickHouse; every value is bound as a parameter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

from attrs import define, field, frozen

from pepeunit.adapters.clickhouse.connections import ClickHouse
from pepeunit.adapters.clickhouse.tables import RING_SLOTS
from pepeunit.codecs.series import COUNT_MAX, TIME_MS_MAX
from pepeunit.domain.pipes.rows import StoredRow
from pepeunit.ports.paging import Page, Slice
from pepeunit.ports.series_reader import SeriesQuery

_CREATED: Final = "toUnixTimestamp64Milli(create_datetime)"
_SERIES: Final = "unit_node_uuid = {node:UUID} AND generation = {generation:UInt64}"
_FIELDS: Final = {
    "NRecords": f"seq, state, toString(state_type), {_CREATED}, max_count, size",
    "TimeWindow": (
        f"seq, state, toString(state_type), {_CREATED}, "
        "toUnixTimestamp64Milli(expiration_datetime), size"
    ),
    "Aggregation": (
        f"state, toString(aggregation_type), time_window_size, {_CREATED}, "
        "toUnixTimestamp64Milli(start_window_datetime), "
        "toUnixTimestamp64Milli(end_window_datetime), samples"
    ),
}
_TIES: Final = {
    "NRecords": ("seq",),
    "TimeWindow": ("seq",),
    "Aggregation": ("start_window_datetime", "time_window_size", "aggregation_type"),
}
"""What decides between rows of one moment: arrival, or for aggregates their identity."""


@define
class _Selection:
    """A source of rows and conditions on them, with what they bind."""

    source: str
    conditions: list[str] = field(factory=list)
    values: dict[str, Any] = field(factory=dict)

    def where(self, condition: str, **values: Any) -> None:
        self.conditions.append(condition)
        self.values.update(values)

    @property
    def text(self) -> str:
        return f"FROM {self.source} WHERE {' AND '.join(self.conditions)}"


def moment(ms: int) -> int:
    """Every stored time lies inside these bounds, and the store's times overflow beyond."""
    return min(max(ms, -1), TIME_MS_MAX + 1)


def _time(name: str) -> str:
    return f"fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')"


def _ring(query: SeriesQuery) -> _Selection:
    """The rows that arrived last, up to the limit; what a trim hid stays hidden.

    A trim speaks of rows by their times and counts them by arrival, so a late one displaces those
    of its age alone.
    """
    limit = RING_SLOTS if query.series.limit is None else min(query.series.limit, RING_SLOTS)
    selection = _Selection("", [], {"keep": max(limit, 0)})
    source, series = "SELECT *", _SERIES
    if query.series.trims:
        kept, floors = [], []
        for number, trim in enumerate(query.series.trims, start=1):
            at, count = f"trim_at_{number}", f"trim_count_{number}"
            old = f"create_datetime <= {_time(at)}"
            # the newest that is hidden; past the array's end that is 0 and hides nothing
            newest_first = f"arrayReverseSort(groupArrayIf(seq, {old}))"
            floors.append(f"{newest_first}[{{{count}:UInt32}} + 1]")
            kept.append(f"NOT ({old} AND seq <= tupleElement(floors, {number}))")
            selection.values |= {at: moment(trim.at_ms), count: min(trim.count, RING_SLOTS)}
        hidden = f"SELECT tuple({', '.join(floors)}) FROM n_last_entry FINAL WHERE {_SERIES}"
        source = f"WITH ({hidden}) AS floors SELECT *"
        series = " AND ".join((_SERIES, *kept))
    selection.source = (
        f"({source} FROM n_last_entry FINAL WHERE {series} "  # values are bound
        "ORDER BY seq DESC LIMIT {keep:UInt32})"
    )
    selection.where("1")
    return selection


def _selection(query: SeriesQuery) -> _Selection:
    if query.policy == "NRecords":
        selection = _ring(query)
    elif query.policy == "TimeWindow":
        selection = _Selection("window_entry FINAL", [_SERIES])
        selection.where(f"expiration_datetime > {_time('now')}", now=moment(query.now_ms))
    else:
        selection = _Selection("aggregation_entry FINAL", [_SERIES])
        _narrow_aggregates(selection, query)
    selection.values |= {"node": str(query.series.node), "generation": query.series.generation}
    if query.search is not None and query.policy != "Aggregation":
        selection.where(
            "positionCaseInsensitiveUTF8(state, {search:String}) > 0", search=query.search
        )
    bounds = {">=": query.created_from_ms, "<=": query.created_to_ms}
    for (sign, bound), name in zip(bounds.items(), ("created_from", "created_to"), strict=True):
        if bound is not None:
            selection.where(f"create_datetime {sign} {_time(name)}", **{name: moment(bound)})
    return selection


def _narrow_aggregates(selection: _Selection, query: SeriesQuery) -> None:
    if query.functions is not None:
        selection.where(
            "has({functions:Array(String)}, toString(aggregation_type))",
            functions=sorted(query.functions),
        )
    if query.window_seconds is not None:
        selection.where("time_window_size = {window:Int64}", window=query.window_seconds)
    if query.window_end_from_ms is not None:
        selection.where(
            f"end_window_datetime >= {_time('end_from')}",
            end_from=moment(query.window_end_from_ms),
        )
    if query.window_end_to_ms is not None:
        selection.where(
            f"end_window_datetime <= {_time('end_to')}", end_to=moment(query.window_end_to_ms)
        )


def _statement(query: SeriesQuery, selection: _Selection, counted: str = "") -> str:
    direction = "DESC" if query.newest_first else "ASC"
    keys = ("create_datetime", *_TIES[query.policy])
    order = ", ".join(f"{key} {direction}" for key in keys)
    statement = f"SELECT {_FIELDS[query.policy]}{counted} {selection.text} ORDER BY {order}"
    start, most = query.slice.offset or 0, query.slice.limit or 0
    if most or start:
        selection.values |= {"offset": start, "most": most or COUNT_MAX}
        statement += " LIMIT {most:UInt64} OFFSET {offset:UInt64}"
    return statement


@frozen
class ClickHouseSeriesReader:
    """Implements :class:`~pepeunit.ports.series_reader.SeriesReader`."""

    store: ClickHouse

    async def find(self, query: SeriesQuery) -> Page[StoredRow]:
        if query.functions is not None and not query.functions:
            return Page(0, ())
        selection = _selection(query)
        count = f"SELECT count() {selection.text}"
        is_whole = query.slice in (Slice(), Slice(0), Slice(0, 0), Slice(None, 0))
        statement = _statement(query, selection, "" if is_whole else f", ({count})")
        series = (query.series.node, query.series.generation)

        def work(client: Any) -> Page[StoredRow]:
            found = client.query(statement, parameters=selection.values).result_rows
            if is_whole:
                return Page(len(found), _rows(series, found))
            if found:
                return Page(found[0][-1], _rows(series, [row[:-1] for row in found]))
            matches = client.query(count, parameters=selection.values).first_row[0]
            return Page(matches, ())

        return await self.store.read(work)

    async def stream(self, query: SeriesQuery) -> AsyncIterator[Sequence[StoredRow]]:
        if query.functions is not None and not query.functions:
            return
        selection = _selection(query)
        series = (query.series.node, query.series.generation)
        statement = _statement(query, selection)
        async for block in self.store.stream(statement, selection.values):
            yield _rows(series, block)


def _rows(series: tuple[UUID, int], found: Sequence[Sequence[Any]]) -> Sequence[StoredRow]:
    return [(*series, *row) for row in found]
