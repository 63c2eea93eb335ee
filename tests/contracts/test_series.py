"""What every store of series promises (spec datapipe.md 5, 6, 8 and its faults)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.rows import AggregateRow, NRecordRow, TimeWindowRow
from pepeunit.domain.pipes.series import Series, Trim
from pepeunit.domain.pipes.visible import visible_records
from pepeunit.ports.paging import WHOLE, Slice
from pepeunit.ports.series_reader import SeriesQuery
from pepeunit.ports.series_writer import SeriesBatch
from tests.contracts.series_stores import SeriesStore

NOW = int(time.time() * 1000)
HOUR = 3_600_000
GREATEST = 2**63 - 1
HOSTILE = (
    "' OR 1=1 --",
    "\\' OR 1=1 --",
    "'); DROP TABLE n_last_entry; --",
    "{node:UUID}",
    "%(x)s %s ${x}",
    "a\tb\nc\\t\\n",
    "\\N",
    "NULL",
    "\0",
    "a\0b",
    "😀 𝔘𝔫𝔦",
    '"quoted", `ticked`',
    "",
    " ",
)


def new_node() -> NodeId:
    return NodeId(uuid4())


def token() -> str:
    return uuid4().hex


def record(node: UUID, seq: int, **other: Any) -> NRecordRow:
    row = {"generation": 1, "state": f"s{seq}", "type": "Text", "created": NOW + seq, "most": 10}
    row |= other
    return (node, row["generation"], seq, row["state"], row["type"], row["created"], row["most"], 2)


def entry(node: UUID, seq: int, **other: Any) -> TimeWindowRow:
    row = {"generation": 1, "state": f"s{seq}", "created": NOW + seq, "expires": NOW + HOUR} | other
    return (
        *(node, row["generation"], seq, row["state"], "Text"),
        *(row["created"], row["expires"], 2),
    )


def aggregate(node: UUID, start: int = 0, **other: Any) -> AggregateRow:
    row = {"generation": 1, "state": 1.5, "function": "Avg", "seconds": 60, "samples": 3} | other
    begin = NOW // 60_000 * 60_000 + start * 60_000
    end = begin + 60_000
    return (
        *(node, row["generation"], row["state"], row["function"], row["seconds"]),
        *(row.get("created", end), begin, end, row["samples"]),
    )


def asked(node: NodeId, policy: str = "NRecords", **other: Any) -> SeriesQuery:
    chosen = {name: other.pop(name) for name in ("generation", "limit", "trims") if name in other}
    if policy == "NRecords":
        chosen.setdefault("limit", 10)
    return SeriesQuery(Series(node, **chosen), policy, **{"now_ms": NOW, **other})


async def seqs(series: SeriesStore, query: SeriesQuery) -> list[int]:
    page = await series.reader.find(query)
    assert page.count >= len(page.items)
    if query.slice == WHOLE:
        assert page.count == len(page.items)
    return [row[2] for row in page.items]  # type: ignore[misc]


async def test_rows_come_back_as_they_went_in(series: SeriesStore) -> None:
    node = new_node()
    rows = [record(node, n) for n in (1, 2)]
    windows = [entry(node, n) for n in (1, 2)]
    aggregates = [aggregate(node, n) for n in (0, 1)]
    await series.writer.write(SeriesBatch(token(), rows, windows, aggregates))
    for policy, expected in (
        ("NRecords", rows),
        ("TimeWindow", windows),
        ("Aggregation", aggregates),
    ):
        page = await series.reader.find(asked(node, policy, newest_first=False))
        assert (page.count, list(page.items)) == (2, expected)
        page = await series.reader.find(asked(node, policy))
        assert list(page.items) == expected[::-1]


async def test_an_empty_batch_and_an_unknown_node_are_nothing(series: SeriesStore) -> None:
    await series.writer.write(SeriesBatch(token()))
    for policy in ("NRecords", "TimeWindow", "Aggregation"):
        page = await series.reader.find(asked(new_node(), policy, slice=Slice(0, 5)))
        assert (page.count, list(page.items)) == (0, [])
        assert [b async for b in series.reader.stream(asked(new_node(), policy))] == []


@pytest.mark.parametrize("same_token", [True, False])
async def test_a_batch_written_again_changes_nothing(series: SeriesStore, same_token: bool) -> None:
    node = new_node()
    batch = SeriesBatch(
        token(),
        [record(node, n) for n in range(1, 8)],
        [entry(node, n) for n in range(1, 8)],
        [aggregate(node, n) for n in range(5)],
    )
    again = batch if same_token else SeriesBatch(token(), *_rows(batch))
    for one in (batch, again, again):
        await series.writer.write(one)
    for policy, count in (("NRecords", 7), ("TimeWindow", 7), ("Aggregation", 5)):
        assert len(await seqs(series, asked(node, policy))) == count


def _rows(batch: SeriesBatch) -> tuple[Any, Any, Any]:
    return batch.n_records, batch.time_windows, batch.aggregates


async def test_other_rows_under_a_known_token_are_stored(series: SeriesStore) -> None:
    """A batch that was split may keep its token."""
    node, known = new_node(), token()
    rows = [record(node, n) for n in range(1, 9)]
    await series.writer.write(SeriesBatch(known, rows[:4]))
    await series.writer.write(SeriesBatch(known, rows[4:]))
    await series.writer.write(SeriesBatch(known, rows))
    assert await seqs(series, asked(node)) == list(range(8, 0, -1))


async def test_equal_rows_of_a_new_batch_are_not_taken_for_a_repetition(
    series: SeriesStore,
) -> None:
    """With a deduplication window and no token, equal blocks would vanish."""
    node = new_node()
    await series.writer.write(SeriesBatch(token(), [record(node, 1)]))
    await series.admin.delete([(node, 1)])
    await series.writer.write(SeriesBatch(token(), [record(node, 1)]))
    assert await seqs(series, asked(node)) == [1]


async def test_n_records_are_exact_after_every_write(series: SeriesStore) -> None:
    node = new_node()
    for last in range(5, 60, 5):
        rows = [record(node, n) for n in range(last - 4, last + 1)]
        await series.writer.write(SeriesBatch(token(), rows))
        for limit in (1, 3, 10):
            expected = list(range(last, max(last - limit, 0), -1))
            assert await seqs(series, asked(node, limit=limit)) == expected


async def test_a_ring_keeps_the_newest_1024(series: SeriesStore) -> None:
    node = new_node()
    for start in range(1, 3_000, 700):
        rows = [record(node, n) for n in range(start, start + 700)]
        await series.writer.write(SeriesBatch(token(), rows))
    last = 3_500
    for limit in (1024, 100_000, None):
        kept = await seqs(series, asked(node, limit=limit))
        assert kept == list(range(last, last - 1024, -1))


async def test_rows_that_arrive_out_of_order_are_counted_by_arrival(series: SeriesStore) -> None:
    node = new_node()
    order = list(range(1, 41))
    random.Random(7).shuffle(order)
    for start in range(0, 40, 8):
        rows = [record(node, n) for n in order[start : start + 8]]
        await series.writer.write(SeriesBatch(token(), rows))
    assert await seqs(series, asked(node, limit=12)) == list(range(40, 28, -1))


async def test_a_late_row_displaces_only_rows_of_its_age(series: SeriesStore) -> None:
    """Trims speak of times and count arrivals: values may come later than they happened."""
    node = new_node()
    late = [(21, 22), (22, 23), (23, 5), (24, 6), (25, 24)]
    rows = [record(node, n) for n in range(1, 21)]
    rows += [(*record(node, seq)[:5], NOW + moment, *record(node, seq)[6:]) for seq, moment in late]
    await series.writer.write(SeriesBatch(token(), rows))
    trims = (Trim(NOW + 20, 3),)
    assert await seqs(series, asked(node, limit=100, trims=trims)) == [25, 22, 21, 20, 24, 23]
    assert await seqs(series, asked(node, limit=4, trims=trims)) == [25, 22, 24, 23]
    assert await seqs(series, asked(node, limit=2)) == [25, 24]
    query = asked(node, limit=100, trims=trims)
    assert [row[2] for row in visible_records(rows, query.series)] == [23, 24, 20, 21, 22, 25]


async def test_a_greater_limit_brings_no_trimmed_row_back(series: SeriesStore) -> None:
    node = new_node()
    await series.writer.write(SeriesBatch(token(), [record(node, n) for n in range(1, 21)]))
    trims = (Trim(NOW + 20, 3),)
    assert await seqs(series, asked(node, limit=100, trims=trims)) == [20, 19, 18]
    await series.writer.write(SeriesBatch(token(), [record(node, n) for n in (21, 22)]))
    assert await seqs(series, asked(node, limit=100, trims=trims)) == [22, 21, 20, 19, 18]
    assert await seqs(series, asked(node, limit=None, trims=trims)) == [22, 21, 20, 19, 18]
    both = (*trims, Trim(NOW + 22, 1))
    assert await seqs(series, asked(node, limit=100, trims=both)) == [22]
    assert await seqs(series, asked(node, limit=100, trims=(Trim(0, 5),))) == list(range(22, 0, -1))
    assert await seqs(series, asked(node, limit=2, trims=trims)) == [22, 21]
    assert await seqs(series, asked(node, limit=100, trims=(Trim(NOW + 10, 0),))) == list(
        range(22, 10, -1)
    )
    assert await seqs(series, asked(node, limit=100, trims=(Trim(GREATEST, 4),))) == [
        22,
        21,
        20,
        19,
    ]


async def test_rows_of_one_moment_are_told_apart_by_arrival(series: SeriesStore) -> None:
    node = new_node()
    rows = [record(node, n, created=NOW) for n in range(1, 9)]
    windows = [entry(node, n, created=NOW) for n in range(1, 9)]
    await series.writer.write(SeriesBatch(token(), rows[::-1], windows[::-1]))
    for policy in ("NRecords", "TimeWindow"):
        assert await seqs(series, asked(node, policy)) == list(range(8, 0, -1))
        assert await seqs(series, asked(node, policy, newest_first=False)) == list(range(1, 9))
    # a limit cuts by arrival, never a whole moment (B18)
    assert await seqs(series, asked(node, limit=3)) == [8, 7, 6]


async def test_pages_never_overlap(series: SeriesStore) -> None:
    node = new_node()
    rows = [entry(node, n, created=NOW + n % 3) for n in range(1, 24)]
    await series.writer.write(SeriesBatch(token(), (), rows))
    for newest_first in (True, False):
        query = asked(node, "TimeWindow", newest_first=newest_first)
        whole = await seqs(series, query)
        assert sorted(whole) == list(range(1, 24))
        pages = []
        for start in range(0, 23, 5):
            page = await series.reader.find(
                asked(node, "TimeWindow", newest_first=newest_first, slice=Slice(start, 5))
            )
            assert page.count == 23
            pages += [row[2] for row in page.items]
        assert pages == whole
    beyond = await series.reader.find(asked(node, "TimeWindow", slice=Slice(50, 5)))
    assert (beyond.count, list(beyond.items)) == (23, [])
    tail = await series.reader.find(asked(node, "TimeWindow", slice=Slice(20)))
    assert (tail.count, len(tail.items)) == (23, 3)


async def test_a_time_window_row_is_seen_until_the_moment_it_expires(series: SeriesStore) -> None:
    node = new_node()
    rows = [entry(node, n, expires=NOW + HOUR + n) for n in range(1, 5)]
    await series.writer.write(SeriesBatch(token(), (), rows))
    for late, left in ((0, 4), (1, 3), (2, 2), (3, 1), (4, 0), (9, 0)):
        query = asked(node, "TimeWindow", now_ms=NOW + HOUR + late, slice=Slice(0, 2))
        page = await series.reader.find(query)
        assert (page.count, len(page.items)) == (left, min(left, 2))


async def test_an_aggregate_is_replaced_by_one_of_more_samples(series: SeriesStore) -> None:
    node = new_node()
    for state, samples in ((1.0, 5), (2.0, 9), (3.0, 7)):
        row = aggregate(node, state=state, samples=samples)
        await series.writer.write(SeriesBatch(token(), (), (), [row]))
    page = await series.reader.find(asked(node, "Aggregation"))
    assert [row[2] for row in page.items] == [2.0]
    assert page.count == 1


async def test_aggregates_of_one_start_differ_by_size_and_function(series: SeriesStore) -> None:
    """B2: a window keeps its size and function."""
    node = new_node()
    rows = [
        aggregate(node, function=function, seconds=seconds)
        for function in ("Avg", "Min", "Max", "Sum")
        for seconds in (60, 300)
    ]
    await series.writer.write(SeriesBatch(token(), (), (), rows))

    async def found(**narrow: Any) -> set[tuple[Any, Any]]:
        page = await series.reader.find(asked(node, "Aggregation", **narrow))
        assert page.count == len(page.items)
        return {(row[3], row[4]) for row in page.items}

    assert len(await found()) == 8
    assert await found(functions=frozenset({"Min", "Sum"}), window_seconds=300) == {
        ("Min", 300),
        ("Sum", 300),
    }
    assert await found(functions=frozenset()) == set()
    assert await found(functions=frozenset({"Avg') OR 1=1 --"})) == set()
    assert await found(window_seconds=61) == set()
    assert await found(window_seconds=-1) == set()
    # the search is for the other tables
    assert len(await found(search="nothing")) == 8
    pages = [
        (await series.reader.find(asked(node, "Aggregation", slice=Slice(n, 1)))).items[0]
        for n in range(8)
    ]
    assert len({(row[3], row[4]) for row in pages}) == 8


async def test_bounds_are_inclusive_and_of_any_size(series: SeriesStore) -> None:
    node = new_node()
    await series.writer.write(
        SeriesBatch(
            token(),
            [record(node, n) for n in range(1, 6)],
            [entry(node, n) for n in range(1, 6)],
            [aggregate(node, n) for n in range(5)],
        )
    )
    for policy in ("NRecords", "TimeWindow"):
        query = asked(node, policy, created_from_ms=NOW + 2, created_to_ms=NOW + 4)
        assert await seqs(series, query) == [4, 3, 2]
        wide = asked(node, policy, created_from_ms=-GREATEST, created_to_ms=GREATEST)
        assert len(await seqs(series, wide)) == 5
        assert await seqs(series, asked(node, policy, created_from_ms=GREATEST)) == []
    ends = [aggregate(node, n)[7] for n in range(5)]
    page = await series.reader.find(
        asked(node, "Aggregation", window_end_from_ms=ends[1], window_end_to_ms=ends[3])
    )
    assert [row[7] for row in page.items] == [ends[3], ends[2], ends[1]]


async def test_a_search_knows_no_wildcards_and_no_case(series: SeriesStore) -> None:
    node = new_node()
    states = ["100%", "100 percent", "a_b", "aXb", "Grüße", "ПРИВЕТ", "x"]
    rows = [record(node, n + 1, state=state) for n, state in enumerate(states)]
    await series.writer.write(SeriesBatch(token(), rows))
    for search, found in (
        ("%", ["100%"]),
        ("_", ["a_b"]),
        ("100%", ["100%"]),
        ("A_B", ["a_b"]),
        ("axb", ["aXb"]),
        ("GRÜ", ["Grüße"]),
        ("привет", ["ПРИВЕТ"]),
        ("", states),
        ("nothing", []),
    ):
        page = await series.reader.find(asked(node, search=search, newest_first=False))
        assert [row[3] for row in page.items] == found, search
        assert page.count == len(found)


@pytest.mark.parametrize("text", HOSTILE)
async def test_b20_w4_no_text_is_ever_taken_for_a_statement(series: SeriesStore, text: str) -> None:
    node, other = new_node(), new_node()
    rows = [record(node, 1, state=text), record(other, 1), record(node, 2, state="xyz")]
    await series.writer.write(SeriesBatch(f"{token()}{text}", rows, [entry(node, 1, state=text)]))
    for policy in ("NRecords", "TimeWindow"):
        page = await series.reader.find(asked(node, policy, newest_first=False))
        assert page.items[0][3] == text
        page = await series.reader.find(asked(node, policy, search=text, newest_first=False))
        expected = 2 if policy == "NRecords" and text == "" else 1
        assert (page.count, page.items[0][3]) == (expected, text)
    assert await seqs(series, asked(other)) == [1]
    functions = frozenset({text})
    page = await series.reader.find(asked(node, "Aggregation", functions=functions))
    assert page.count == 0


async def test_numbers_keep_their_last_bit(series: SeriesStore) -> None:
    node = new_node()
    floats = [1e-07, 0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, 2**53 + 2.0]
    rows = [aggregate(node, n, state=state) for n, state in enumerate(floats)]
    most = (node, GREATEST, 1.0, "Max", 2**32 - 1, NOW, NOW, NOW, GREATEST)
    greatest = record(node, GREATEST, generation=GREATEST, most=2**32 - 1, created=NOW)
    await series.writer.write(SeriesBatch(token(), [greatest], (), [*rows, most]))
    page = await series.reader.find(asked(node, "Aggregation", newest_first=False))
    assert [repr(row[2]) for row in page.items] == [repr(state) for state in floats]
    page = await series.reader.find(asked(node, generation=GREATEST, trims=(Trim(NOW, GREATEST),)))
    assert list(page.items) == [greatest]
    page = await series.reader.find(asked(node, "Aggregation", generation=GREATEST))
    assert list(page.items) == [most]


async def test_a_uuid_keeps_its_byte_order(series: SeriesStore) -> None:
    nodes = [
        NodeId(UUID("00112233-4455-6677-8899-aabbccddeeff")),
        NodeId(UUID("ffeeddcc-bbaa-9988-7766-554433221100")),
        NodeId(UUID("77665544-3322-1100-ffee-ddccbbaa9988")),
    ]
    generation = random.randrange(2**40)
    rows = [record(node, 1, generation=generation) for node in nodes]
    await series.writer.write(SeriesBatch(token(), rows))
    for node in nodes:
        page = await series.reader.find(asked(node, generation=generation))
        assert [row[0] for row in page.items] == [node]
    assert {(node, generation) for node in nodes} <= await series.admin.known()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("seq", lambda node: record(node, -1)),
        ("seq", lambda node: record(node, 2**63)),
        ("created", lambda node: record(node, 1, created=-1)),
        ("created", lambda node: record(node, 1, created=GREATEST)),
        ("max_count", lambda node: record(node, 1, most=2**32)),
        ("state", lambda node: record(node, 1, state="\ud800")),
        ("state_type", lambda node: record(node, 1, type="Blob")),
        ("expires", lambda node: entry(node, 1, expires=GREATEST)),
        ("state", lambda node: aggregate(node, state=float("nan"))),
        ("state", lambda node: aggregate(node, state=float("inf"))),
        ("function", lambda node: aggregate(node, function="Avg') --")),
        ("window_seconds", lambda node: aggregate(node, seconds=-5)),
    ],
)
async def test_a_row_no_store_can_hold_is_refused_by_name(
    series: SeriesStore, name: str, make: Callable[[UUID], Any]
) -> None:
    """B5: the caller splits the batch and puts the row aside."""
    node = new_node()
    row = make(node)
    places: dict[str, Any] = {"n_records": (), "time_windows": (), "aggregates": ()}
    kind = {8: "time_windows" if name == "expires" else "n_records", 9: "aggregates"}[len(row)]
    good = {"n_records": record, "time_windows": entry, "aggregates": aggregate}[kind](node, 1)
    places[kind] = [good, row]
    with pytest.raises(Invalid) as caught:
        await series.writer.write(SeriesBatch(token(), **places))
    assert caught.value.topic is Topic.PIPE
    assert name in [path for path, _ in caught.value.violations]
    places[kind] = [good]
    await series.writer.write(SeriesBatch(token(), **places))


async def test_another_generation_hides_and_deleting_frees(series: SeriesStore) -> None:
    node, other = new_node(), new_node()
    for generation in (1, 2):
        await series.writer.write(
            SeriesBatch(
                token(),
                [record(n, 1, generation=generation) for n in (node, other)],
                [entry(n, 1, generation=generation) for n in (node, other)],
                [aggregate(n, generation=generation) for n in (node, other)],
            )
        )
    for policy in ("NRecords", "TimeWindow", "Aggregation"):
        page = await series.reader.find(asked(node, policy, generation=2))
        assert [row[:2] for row in page.items] == [(node, 2)]
        assert (await series.reader.find(asked(node, policy, generation=3))).count == 0
    both = {(node, 1), (node, 2), (other, 1), (other, 2)}
    assert both <= await series.admin.known()
    await series.admin.delete([])
    await series.admin.delete([(node, 1), (new_node(), 5)])
    assert both & await series.admin.known() == both - {(node, 1)}
    for policy in ("NRecords", "TimeWindow", "Aggregation"):
        assert (await series.reader.find(asked(node, policy, generation=1))).count == 0
        assert (await series.reader.find(asked(node, policy, generation=2))).count == 1
        assert (await series.reader.find(asked(other, policy, generation=1))).count == 1


async def test_every_series_tells_how_far_its_rows_are_numbered(series: SeriesStore) -> None:
    node, other = new_node(), new_node()
    assert not {key for key in await series.admin.numbers() if key[0] in (node, other)}
    await series.writer.write(
        SeriesBatch(
            token(),
            [record(node, seq) for seq in (1, 2, 1500)] + [record(node, 7, generation=2)],
            [entry(node, seq) for seq in (3, 4)] + [entry(other, 9)],
            [aggregate(other)],
        )
    )

    async def found(before_ms: int | None = None) -> dict[Any, Any]:
        numbers = await series.admin.numbers(before_ms)
        return {key: numbers[key] for key in numbers if key[0] in (node, other)}

    assert await found() == {(node, 1): (1500, 4), (node, 2): (7, 0), (other, 1): (0, 9)}
    early = {key: value for key, value in (await found(NOW + 4)).items() if any(value)}
    assert early == {(node, 1): (2, 3)}
    assert await found(2**62) == await found()


async def test_hundreds_of_series_are_deleted_at_once(series: SeriesStore) -> None:
    nodes = [new_node() for _ in range(450)]
    await series.writer.write(SeriesBatch(token(), [record(node, 1) for node in nodes]))
    await series.admin.delete({(node, 1) for node in nodes[:449]})
    left = {node for node, _ in await series.admin.known()}
    assert left & set(nodes) == {nodes[449]}


async def test_a_stream_gives_what_find_gives_in_blocks(series: SeriesStore) -> None:
    node = new_node()
    rows = [entry(node, n, created=NOW + n // 2) for n in range(1, 10_001)]
    await series.writer.write(SeriesBatch(token(), (), rows))
    query = asked(node, "TimeWindow", newest_first=False)
    blocks = [block async for block in series.reader.stream(query)]
    assert [row for block in blocks for row in block] == rows
    assert len(blocks) > 2
    # the engine's bound is a wish: where parts are merged a block may be somewhat longer
    assert max(map(len, blocks)) <= 2 * 4_096
    page = await series.reader.find(query)
    assert (page.count, list(page.items)) == (10_000, rows)


async def test_a_stream_shows_the_moment_it_began_and_lets_others_work(series: SeriesStore) -> None:
    node = new_node()
    await series.writer.write(SeriesBatch(token(), (), [entry(node, n) for n in range(1, 10_001)]))
    query = asked(node, "TimeWindow", newest_first=False)
    stream = series.reader.stream(query)
    first = await anext(stream)
    await series.writer.write(
        SeriesBatch(token(), (), [entry(node, n) for n in range(10_001, 10_101)])
    )
    assert (await series.reader.find(query)).count == 10_100
    rest = [row async for block in stream for row in block]
    assert len(first) + len(rest) == 10_000
    # a reader that leaves early gives its place back
    for _ in range(4):
        left = series.reader.stream(query)
        await anext(left)
        await left.aclose()  # type: ignore[attr-defined]
    assert (await series.reader.find(query)).count == 10_100


async def test_a_store_that_is_there_answers(series: SeriesStore) -> None:
    await series.admin.check()


steps = st.lists(
    st.tuples(st.integers(1, 40), st.one_of(st.none(), st.integers(0, 12))), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(1, 30))
async def test_trims_and_limits_leave_what_a_list_would(
    steps: list[tuple[int, int | None]], limit: int
) -> None:
    """The rule against a list that is cut at once, in memory."""
    from pepeunit.adapters.memory.series import MemorySeries

    store, node = MemorySeries(), new_node()
    plain: list[int] = []
    trims: list[Trim] = []
    seq = 0
    for count, trim in steps:
        new = list(range(seq + 1, seq + count + 1))
        seq += count
        plain += new
        await store.write(SeriesBatch(token(), [record(node, n) for n in new]))
        if trim is not None:
            plain = plain[len(plain) - trim :] if trim < len(plain) else plain
            trims.append(Trim(NOW + seq, trim))
    page = await store.find(asked(node, limit=limit, trims=tuple(trims)))
    assert [row[2] for row in page.items] == plain[::-1][:limit]
