"""Windows, what survives a restart, and what readers see."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.compiled import compile_pipe
from pepeunit.domain.pipes.drops import Drop, no_drops
from pepeunit.domain.pipes.memory import CLOSED_MAX, NOT_DUE, NodeMemory
from pepeunit.domain.pipes.rows import NRecordRow, Rows
from pepeunit.domain.pipes.series import Series, Trim
from pepeunit.domain.pipes.visible import visible_records, visible_window_rows
from tests.domain.pipes.making import LAST_VALUE, N_RECORDS, aggregation, config

NODE = UUID(int=7)
MINUTE = 60_000


def feed(memory: NodeMemory, policy: dict[str, Any], *samples: tuple[int, bytes]) -> int:
    times, payloads = [time for time, _ in samples], [payload for _, payload in samples]
    pipe = compile_pipe(config(policy))
    return pipe.feed(NODE, 1, memory, times, payloads, Rows(), no_drops())


def closed(memory: NodeMemory, now_ms: int) -> Rows:
    out = Rows()
    memory.close(NODE, 1, now_ms, out)
    return out


def test_a_window_closes_at_its_end_and_once() -> None:
    memory = NodeMemory()
    feed(memory, aggregation("Avg"), (0, b"1"), (MINUTE - 1, b"2"), (MINUTE, b"9"))
    assert closed(memory, MINUTE - 1).aggregates == []
    assert closed(memory, MINUTE).aggregates == [(NODE, 1, 1.5, "Avg", 60, MINUTE, 0, MINUTE, 2)]
    assert closed(memory, MINUTE).aggregates == []
    assert memory.due_ms == 2 * MINUTE
    assert len(closed(memory, 10 * MINUTE).aggregates) == 1
    assert memory.due_ms == NOT_DUE
    assert not memory.has_windows


def test_a_message_after_a_step_back_of_the_clock_joins_the_window_that_closed() -> None:
    memory = NodeMemory()
    feed(memory, aggregation("Sum"), (0, b"1"), (1, b"2"))
    assert [row[2] for row in closed(memory, MINUTE).aggregates] == [3.0]
    memory = NodeMemory.load(memory.dump())
    feed(memory, aggregation("Sum"), (MINUTE, b"16"), (2, b"4"))
    (again,) = closed(memory, MINUTE).aggregates
    assert (again[2], again[6], again[8]) == (7.0, 0, 3)
    assert [row[2] for row in closed(memory, 2 * MINUTE).aggregates] == [16.0]
    feed(memory, aggregation("Max"), (MINUTE, b"5"))
    assert [row[2] for row in closed(memory, 2 * MINUTE).aggregates] == [5.0]


def test_the_clock_may_step_back_over_several_windows() -> None:
    memory = NodeMemory()
    for number in range(CLOSED_MAX):
        feed(memory, aggregation("Sum"), (number * MINUTE, b"1"))
        closed(memory, (number + 1) * MINUTE)
    memory = NodeMemory.load(memory.dump())
    for number in range(CLOSED_MAX):
        feed(memory, aggregation("Sum"), (number * MINUTE, b"2"))
    told = closed(memory, CLOSED_MAX * MINUTE).aggregates
    assert [(row[2], row[8]) for row in told] == [(3.0, 2)] * CLOSED_MAX
    assert len(memory.closed) == CLOSED_MAX


def test_all_windows_that_closed_at_one_time_are_remembered() -> None:
    memory = NodeMemory()
    functions = ["Avg", "Max", "Min", "Sum"]
    sizes = [60, 300]
    for size in sizes:
        for function in functions:
            feed(memory, aggregation(function, size), (0, b"1"))
    assert len(closed(memory, 5 * MINUTE).aggregates) == len(functions) * len(sizes) > CLOSED_MAX
    feed(memory, aggregation("Avg", 60), (0, b"2"))
    ((*_, samples),) = closed(memory, 5 * MINUTE).aggregates
    assert samples == 2


def test_windows_that_end_together_are_read_in_the_order_of_opening() -> None:
    memory = NodeMemory()
    for function in ("Sum", "Max", "Avg"):
        feed(memory, aggregation(function), (0, b"1"))
    told = closed(memory, MINUTE).aggregates
    assert [(row[3], row[5] - MINUTE) for row in told] == [("Sum", 0), ("Max", 1), ("Avg", 2)]


def test_what_was_counted_survives_a_dump() -> None:
    memory = NodeMemory()
    memory.received = 3
    memory.drop(Drop.RATE)
    again = NodeMemory.load(memory.dump())
    assert (again.received, again.dropped) == (3, memory.dropped)
    assert NodeMemory.load(NodeMemory().dump()).dropped is None


def test_rows_of_each_policy_are_counted_without_gaps() -> None:
    memory = NodeMemory()
    window = {"policy_type": "TimeWindow", "time_window_size": 60}
    feed(memory, N_RECORDS, (0, b"1"), (1, b"2"))
    feed(memory, window, (2, b"3"))
    feed(memory, N_RECORDS, (3, b"4"))
    assert (memory.seq, memory.window_seq) == (3, 1)
    memory.begin_series(2, 7)
    assert (memory.seq, memory.window_seq, memory.closed) == (7, 7, ())


def test_b2_windows_of_several_rules_stay_apart_and_close_in_order() -> None:
    memory = NodeMemory()
    feed(memory, aggregation("Sum", 300), (0, b"1"))
    feed(memory, aggregation("Max", 60), (1, b"2"))
    feed(memory, aggregation("Sum", 300), (2, b"4"))
    feed(memory, aggregation("Min", 60), (3, b"8"))
    feed(memory, aggregation("Max", 60), (4, b"1"))
    rows = closed(memory, 300_000).aggregates
    assert [(row[3], row[4], row[2], row[8]) for row in rows] == [
        ("Min", 60, 8.0, 1),
        ("Max", 60, 2.0, 2),
        ("Sum", 300, 5.0, 2),
    ]


def test_windows_close_under_another_policy_too() -> None:
    memory = NodeMemory()
    feed(memory, aggregation(), (0, b"1"))
    feed(memory, LAST_VALUE, (1, b"2"))
    assert [row[2] for row in closed(memory, MINUTE).aggregates] == [1.0]


def test_a_sum_out_of_range_gives_no_row_and_is_counted() -> None:
    memory = NodeMemory()
    feed(memory, aggregation("Sum"), (0, b"1.7e308"), (1, b"1.7e308"))
    out = closed(memory, MINUTE)
    assert (out.aggregates, out.nonfinite_windows) == ([], 1)


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=60))
def test_sums_are_compensated(values: list[float]) -> None:
    memory = NodeMemory()
    feed(memory, aggregation("Sum"), *((0, repr(value).encode()) for value in values))
    (row,) = closed(memory, MINUTE).aggregates
    exact = sum(map(Fraction, values))
    slack = sum(abs(Fraction(value)) for value in values) / 10**29
    assert abs(Fraction(row[2]) - exact) <= abs(exact) / 2**52 + slack + Fraction(1, 10**320)


def test_a_plain_sum_would_not_do() -> None:
    memory = NodeMemory()
    values = [b"1e16", *[b"1"] * 1000, b"-1e16"]
    feed(memory, aggregation("Sum"), *((0, value) for value in values))
    assert closed(memory, MINUTE).aggregates[0][2] == 1000.0
    total = 0.0
    for value in values:
        total += float(value)
    assert total != 1000.0


@pytest.mark.parametrize("function", ["Avg", "Sum", "Min", "Max"])
def test_a_dump_restores_the_memory_bit_for_bit(function: str) -> None:
    memory = NodeMemory()
    feed(memory, N_RECORDS, (0, b"1"), (0, b"2"))
    feed(memory, aggregation("Sum", 3600), (0, b"0.1"))
    feed(memory, aggregation(function), *((time, b"0.1") for time in range(10)), (MINUTE, b"1e16"))
    dump = memory.dump()
    assert dump[2:4] == (2, 0)
    again = NodeMemory.load(dump)
    assert again.dump() == dump
    assert again.due_ms == memory.due_ms
    feed(memory, aggregation(function), (MINUTE + 1, b"0.7"))
    feed(again, aggregation(function), (MINUTE + 1, b"0.7"))
    assert closed(again, NOT_DUE - 1).aggregates == closed(memory, NOT_DUE - 1).aggregates


def test_b11_a_dump_is_made_of_plain_values_of_constant_size() -> None:
    def flat(value: object) -> bool:
        if isinstance(value, tuple):
            return all(map(flat, value))
        return type(value) in (int, float, str, type(None))

    memory = NodeMemory()
    assert flat(memory.dump())
    feed(memory, aggregation(), (0, b"1"))
    few = len(repr(memory.dump()))
    feed(memory, aggregation(), *((time, b"1") for time in range(5000)))
    assert flat(memory.dump())
    assert len(repr(memory.dump())) <= few + 16


def test_a_new_series_forgets_windows_and_keeps_the_filter_state() -> None:
    memory = NodeMemory()
    feed(memory, aggregation(), (5, b"4"))
    memory.begin_series(2)
    assert closed(memory, MINUTE).aggregates == []
    assert (memory.last_ms, memory.last_value, memory.seq) == (5, 4.0, 0)


def test_drops_of_a_node_are_counted_by_reason() -> None:
    memory = NodeMemory()
    memory.drop(Drop.RATE)
    memory.drop(Drop.RATE)
    assert memory.dropped is not None
    assert memory.dropped[Drop.RATE] == 2


def test_nan_never_comes_from_an_extreme() -> None:
    memory = NodeMemory()
    feed(memory, aggregation("Max"), (0, b"-1e308"))
    (row,) = closed(memory, MINUTE).aggregates
    assert row[2] == -1e308
    assert math.isfinite(row[2])


def record(seq: int, time: int, generation: int = 1) -> NRecordRow:
    return NODE, generation, seq, str(seq), "Text", time, 99, 1


def seen(rows: list[NRecordRow], limit: int | None, *trims: Trim) -> list[int]:
    series = Series(NodeId(NODE), limit=limit, trims=trims)
    return [row[2] for row in visible_records(rows, series)]


ROWS = [record(seq, seq * 10) for seq in range(1, 7)]


@pytest.mark.parametrize(
    ("limit", "trims", "visible"),
    [
        (3, (), [4, 5, 6]),
        (None, (), [1, 2, 3, 4, 5, 6]),
        (9, (Trim(40, 2),), [3, 4, 5, 6]),
        (3, (Trim(40, 2),), [4, 5, 6]),
        (None, (Trim(60, 3),), [4, 5, 6]),
        (9, (Trim(40, 9), Trim(50, 1)), [5, 6]),
        (9, (Trim(30, 1), Trim(50, 9)), [3, 4, 5, 6]),
        (9, (Trim(5, 1),), [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_larger_limit_never_brings_rows_back(
    limit: int | None, trims: tuple[Trim, ...], visible: list[int]
) -> None:
    assert seen(ROWS, limit, *trims) == visible


def test_ties_are_broken_by_arrival_and_rows_are_trimmed_not_times() -> None:
    assert seen([record(2, 5), record(1, 5), record(3, 5)], 2) == [2, 3]


def test_rows_of_other_generations_and_nodes_are_not_there() -> None:
    stranger = (UUID(int=9), *record(4, 4)[1:])
    assert seen([record(1, 1), record(2, 2, generation=2), stranger], None) == [1]
    row = (NODE, 2, 1, "a", "Text", 0, 10, 1)
    assert visible_window_rows([row], Series(NodeId(NODE)), 5) == []


@pytest.mark.parametrize(("now", "count"), [(9, 1), (10, 0)])
def test_a_window_row_is_there_until_it_expires(now: int, count: int) -> None:
    row = (NODE, 1, 1, "a", "Text", 0, 10, 1)
    assert len(visible_window_rows([row], Series(NodeId(NODE)), now)) == count
