"""The time that a device tells with its value (decision 0023)."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from pepeunit.codecs import records
from pepeunit.codecs.pipe import dump_pipe_json, dump_pipe_yaml, load_pipe_json, read_pipe_yaml
from pepeunit.codecs.pipe_stream import dump_replayed, read_streams
from pepeunit.domain.pipes.compiled import SWIFT_MESSAGES_MIN, compile_pipe
from pepeunit.domain.pipes.config import EventTime, PipeConfig
from pepeunit.domain.pipes.csv_check import CsvCheck
from pepeunit.domain.pipes.drops import Drop, no_drops
from pepeunit.domain.pipes.entries import LastValueEntry, RecordEntry, WindowEntry
from pepeunit.domain.pipes.memory import NOT_DUE, NodeMemory
from pepeunit.domain.pipes.pipe import Outcome, Pipe
from pepeunit.domain.pipes.replay import replay
from pepeunit.domain.pipes.rows import Rows
from pepeunit.domain.pipes.stamp import unstamped
from pepeunit.domain.pipes.validation import read_config, violations
from tests.domain.pipes.making import (
    EPOCH_MS,
    N_RECORDS,
    TIME_WINDOW,
    aggregation,
    config,
    document,
)

NODE = UUID(int=7)
MINUTE = 60_000
HOUR = 60 * MINUTE
TEXT = {"type_input_value": "Text"}


def timed(*arguments: Any, lateness: int = 3600, ahead: int = 60, **keys: Any) -> PipeConfig:
    event_time = {"lateness_seconds": lateness, "ahead_seconds": ahead}
    return read_config({**document(*arguments, **keys), "event_time": event_time})


def at(happened_ms: int, value: str = "1") -> bytes:
    return f"t={happened_ms};{value}".encode()


NOW = EPOCH_MS + HOUR
RECEIVED = 1_000


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b"t=1740787200;21.5", (EPOCH_MS, b"21.5")),
        (b"t=1740787200123;21.5", (EPOCH_MS + 123, b"21.5")),
        (b"t=20000000000;1", (20_000_000_000_000, b"1")),
        (b"t=20000000001;1", (20_000_000_001, b"1")),
        (b"t=0;1", (0, b"1")),
        (b"t=5;", (5000, b"")),
        (b"t=5;a;t=6;\xff", (5000, b"a;t=6;\xff")),
        (b"t=999999999999999;1", (999_999_999_999_999, b"1")),
        *(
            (plain, (RECEIVED, plain))
            for plain in (
                *(b"", b"21.5", b"t", b"t=", b"t=;1", b"t=5", b"t=-5;1", b"t=+5;1", b"t= 5;1"),
                *(b"t=5.5;1", b"t=1e9;1", b"T=5;1", b" t=5;1", b"t=1_0;1", b"x=5;1"),
                *("t=٥;1".encode(), b"t=1000000000000000;1"),
            )
        ),
    ],
)
def test_the_form_of_a_stamp(payload: bytes, found: tuple[int, bytes]) -> None:
    assert unstamped(payload, RECEIVED) == found


@pytest.mark.parametrize("length", [1, SWIFT_MESSAGES_MIN])
def test_without_the_option_a_stamp_is_part_of_the_value(length: int) -> None:
    stamped = at(NOW - 1000, "x")
    for outcome in Pipe(config(**TEXT)).feed_many([(NOW, stamped)] * length):
        assert outcome == Outcome(row=LastValueEntry(stamped.decode(), NOW))
    assert Pipe(config()).feed(NOW, at(NOW)).dropped is Drop.TYPE
    assert "unstamped" not in compile_pipe(config()).source


def test_each_policy_keeps_the_time_that_the_device_told() -> None:
    happened = NOW - 5000
    assert Pipe(timed()).feed(NOW, at(happened)).row == LastValueEntry("1", happened)
    row = RecordEntry("1", "Number", happened, 10, 1)
    assert Pipe(timed(N_RECORDS)).feed(NOW, at(happened)).row == row
    expires = WindowEntry("1", "Number", happened, happened + MINUTE, 1)
    assert Pipe(timed(TIME_WINDOW)).feed(NOW, at(happened)).row == expires
    pipe = Pipe(timed(aggregation()))
    pipe.feed(NOW, at(happened))
    assert [entry.end_ms for entry in pipe.close(NOW + 2 * HOUR)] == [NOW]


def test_a_message_without_a_stamp_has_the_time_of_its_receipt() -> None:
    assert Pipe(timed()).feed(NOW, b"1").row == LastValueEntry("1", NOW)
    text = Pipe(timed(**TEXT)).feed(NOW, b"t=soon;1")
    assert text.row == LastValueEntry("t=soon;1", NOW)
    assert Pipe(timed()).feed(NOW, b"t=soon;1").dropped is Drop.TYPE


@pytest.mark.parametrize(
    ("away_ms", "dropped"),
    [(-60_000, None), (-60_001, Drop.UNTIMELY), (5000, None), (5001, Drop.UNTIMELY)],
)
def test_bounds_of_lateness_and_of_a_fast_clock_are_inclusive(
    away_ms: int, dropped: Drop | None
) -> None:
    pipe = Pipe(timed(lateness=60, ahead=5))
    assert pipe.feed(NOW, at(NOW + away_ms)).dropped is dropped


def test_nothing_happens_after_it_was_received() -> None:
    assert Pipe(timed()).feed(NOW, at(NOW + 59_000)).row == LastValueEntry("1", NOW)


def test_untimely_is_told_before_every_other_reason() -> None:
    past = {"type": "ToDate", "end": 5}
    assert Pipe(timed(period=past)).feed(NOW, at(5000, "x")).dropped is Drop.UNTIMELY
    assert Pipe(timed(period=past)).feed(NOW, at(NOW, "x")).dropped is Drop.INACTIVE


def test_the_active_period_asks_when_it_happened() -> None:
    pipe = Pipe(timed(period={"type": "ToDate", "end": NOW}))
    assert pipe.feed(NOW + 1000, at(NOW)).is_accepted
    assert pipe.feed(NOW + 1000, b"1").dropped is Drop.INACTIVE


def test_a_gathered_burst_meets_the_rate_by_its_own_times() -> None:
    pipe = Pipe(timed(max_rate=5))
    burst = [(NOW, at(NOW - 60_000 + second * 1000)) for second in range(11)]
    accepted = [outcome.is_accepted for outcome in pipe.feed_many(burst)]
    assert [second for second, kept in enumerate(accepted) if kept] == [0, 5, 10]
    # compared with the last that was kept, in the order of arrival; one from before it passes
    assert pipe.feed(NOW, at(NOW - 59_000)).is_accepted
    assert pipe.feed(NOW, at(NOW - 55_000)).dropped is Drop.RATE


def test_uniqueness_looks_at_the_value_without_its_stamp() -> None:
    pipe = Pipe(timed(last_unique_check=True, **TEXT))
    assert pipe.feed(NOW, at(NOW, "on")).is_accepted
    assert pipe.feed(NOW + 1, at(NOW + 1, "on")).dropped is Drop.UNIQUE


def test_the_size_is_that_of_the_payload_as_it_arrived() -> None:
    payload = at(NOW, "12345")
    assert Pipe(timed(max_size=len(payload))).feed(NOW, payload).is_accepted
    assert Pipe(timed(max_size=len(payload) - 1)).feed(NOW, payload).dropped is Drop.SIZE
    row = Pipe(timed(N_RECORDS)).feed(NOW, payload).row
    assert isinstance(row, RecordEntry) and row.size == 5


def test_the_value_behind_a_stamp_meets_the_other_checks() -> None:
    assert Pipe(timed()).feed(NOW, at(NOW, "n/a")).dropped is Drop.TYPE
    assert Pipe(timed()).feed(NOW, at(NOW) + b"\0").dropped is Drop.ENCODING
    assert Pipe(timed(**TEXT)).feed(NOW, at(NOW) + b"\xff").dropped is Drop.ENCODING


def test_a_late_value_does_not_displace_a_newer_one() -> None:
    out, memory = Rows(), NodeMemory(NODE)
    pipe = compile_pipe(timed())
    for payload in (at(NOW, "new"), at(NOW - 1, "old")):
        value = payload.replace(b"new", b"2").replace(b"old", b"1")
        assert pipe.feed(NODE, 1, memory, [NOW], [value], out, no_drops()) == 1
    assert out.last_values[NODE] == ("2", NOW)


def test_a_window_waits_for_late_messages() -> None:
    pipe = Pipe(timed(aggregation(), lateness=30))
    pipe.feed(EPOCH_MS + 10_000, at(EPOCH_MS + 10_000, "1"))
    pipe.feed(EPOCH_MS + 70_000, b"100")
    assert pipe.close(EPOCH_MS + MINUTE + 29_999) == []
    assert pipe.feed(EPOCH_MS + 89_000, at(EPOCH_MS + 59_999, "2")).is_accepted
    told = pipe.close(EPOCH_MS + MINUTE + 30_000)
    assert [(one.state, one.created_ms, one.samples) for one in told] == [
        (3.0, EPOCH_MS + MINUTE, 2)
    ]
    assert [one.state for one in pipe.close(EPOCH_MS + 2 * MINUTE + 30_000)] == [100.0]


def test_a_window_that_was_told_is_not_told_again_with_less() -> None:
    """Whoever begins to wait cannot wait for windows that ended before."""
    pipe = Pipe(config(aggregation()))
    pipe.feed(EPOCH_MS, b"1")
    assert len(pipe.close(EPOCH_MS + MINUTE)) == 1
    pipe.config = timed(aggregation())
    assert pipe.feed(EPOCH_MS + 70_000, at(EPOCH_MS + 5000)).dropped is Drop.UNTIMELY
    assert pipe.feed(EPOCH_MS + 71_000, at(EPOCH_MS + 61_000)).is_accepted
    assert pipe.close(EPOCH_MS + HOUR) == []
    assert [one.start_ms for one in pipe.close(EPOCH_MS + 2 * HOUR)] == [EPOCH_MS + MINUTE]


def test_a_new_node_may_begin_with_what_it_gathered() -> None:
    pipe = Pipe(timed(aggregation()))
    assert pipe.feed(NOW, at(NOW - HOUR)).is_accepted
    assert [one.start_ms for one in pipe.close(NOW + MINUTE)] == [NOW - HOUR]


def test_open_windows_wait_as_the_newest_config_says() -> None:
    pipe = Pipe(timed(aggregation(), lateness=3600))
    pipe.feed(EPOCH_MS, b"1")
    pipe.config = config(aggregation())
    pipe.feed(EPOCH_MS + 30_000, b"2")
    assert [one.state for one in pipe.close(EPOCH_MS + MINUTE)] == [3.0]


def test_each_of_several_windows_waits_for_its_own_end() -> None:
    memory, out = NodeMemory(NODE, 1), Rows()
    pipe = compile_pipe(timed(aggregation(), lateness=120))
    times = [EPOCH_MS, EPOCH_MS + MINUTE]
    pipe.feed(NODE, 1, memory, times, [b"1", b"2"], out, no_drops())
    memory.close(NODE, 1, EPOCH_MS + 3 * MINUTE, out)
    assert [row[2] for row in out.aggregates] == [1.0]
    assert memory.due_ms == EPOCH_MS + 4 * MINUTE


def test_a_dropped_message_does_not_keep_windows_waiting() -> None:
    pipe = Pipe(config(aggregation()))
    pipe.feed(EPOCH_MS, b"1")
    pipe.config = timed(aggregation())
    assert pipe.feed(EPOCH_MS + 1, b"x").dropped is Drop.TYPE
    pipe.config = config(aggregation())
    pipe.feed(EPOCH_MS + 2, b"2")
    assert [one.state for one in pipe.close(EPOCH_MS + MINUTE)] == [3.0]


def test_a_new_series_has_no_window_that_was_told() -> None:
    memory = NodeMemory(NODE, 1)
    plain, pipe = compile_pipe(config(aggregation())), compile_pipe(timed(aggregation()))
    plain.feed(NODE, 1, memory, [EPOCH_MS], [b"1"], Rows(), no_drops())
    times = [EPOCH_MS + 2 * MINUTE]
    assert not pipe.feed(NODE, 1, memory, times, [at(EPOCH_MS)], Rows(), no_drops())
    memory.begin_series(2)
    assert pipe.feed(NODE, 2, memory, times, [at(EPOCH_MS)], Rows(), no_drops())


def test_what_waits_survives_a_checkpoint() -> None:
    memory = NodeMemory(NODE, 1)
    pipe = compile_pipe(timed(aggregation(), lateness=30))
    plain = compile_pipe(config(aggregation()))
    plain.feed(NODE, 1, memory, [EPOCH_MS], [b"1"], Rows(), no_drops())
    pipe.feed(NODE, 1, memory, [EPOCH_MS + 20_000], [b"2"], Rows(), no_drops())
    dump = records.unpack_memory(records.pack_memory(memory.dump()))
    assert dump == memory.dump()
    loaded = NodeMemory.load(dump, NODE, 1)
    assert loaded.dump() == dump
    assert loaded.due_ms == memory.due_ms == EPOCH_MS + MINUTE + 30_000
    assert loaded.close(NODE, 1, EPOCH_MS + MINUTE, out := Rows()) == 0
    assert loaded.close(NODE, 1, loaded.due_ms, out) == 1
    assert (out.aggregates[0][2], loaded.due_ms) == (3.0, NOT_DUE)


@pytest.mark.parametrize(
    ("event_time", "paths"),
    [
        ({"lateness_seconds": 0}, []),
        ({"lateness_seconds": "86400", "ahead_seconds": 3600.0}, []),
        (None, []),
        ({"lateness_seconds": 5, "ahead_seconds": None, "unknown": "x"}, []),
        ({}, ["event_time.lateness_seconds"]),
        ({"lateness_seconds": 86_401}, ["event_time.lateness_seconds"]),
        (
            {"lateness_seconds": -1, "ahead_seconds": 3601},
            ["event_time.lateness_seconds", "event_time.ahead_seconds"],
        ),
        ({"lateness_seconds": 1.5}, ["event_time.lateness_seconds"]),
        (True, ["event_time"]),
        ([], ["event_time"]),
    ],
)
def test_the_section_is_checked_like_the_others(event_time: object, paths: list[str]) -> None:
    found = violations({**document(), "event_time": event_time})
    assert [(one.stage.value, one.path) for one in found] == [("ActivePeriod", p) for p in paths]


def test_a_config_without_the_section_is_stored_as_before() -> None:
    assert "event_time" not in json.loads(dump_pipe_json(config()))
    assert read_config({**document(), "event_time": None}) == config()
    made = timed(lateness=5)
    assert made.event_time == EventTime(lateness_seconds=5, ahead_seconds=60)
    assert load_pipe_json(dump_pipe_json(made)) == made
    assert read_pipe_yaml(dump_pipe_yaml(made).encode()) == made


def test_an_export_of_values_that_came_late_imports_again() -> None:
    made = timed(N_RECORDS, max_rate=5, last_unique_check=True)
    pipe = Pipe(made)
    rows = [pipe.feed(NOW, at(NOW - ago * 1000, state)).row for ago, state in ((9, "1"), (10, "2"))]
    rows.append(pipe.feed(NOW, at(NOW - 11_000, "1")).row)
    kept = sorted((row for row in rows if isinstance(row, RecordEntry)), key=lambda r: r.created_ms)
    assert len(kept) == 3
    check = CsvCheck(made, ("state", "create_datetime"), NOW, NODE, 2)
    for row in kept:
        check.check([(row.state, f"2025-03-01 00:59:{row.created_ms // 1000 % 60}")])


STREAM = b"""
id: gathered-underground
config:
  active_period: {type: Permanent}
  filters: {type_input_value: Number, max_rate: 0, max_size: 0}
  processing_policy: {policy_type: Aggregation, time_window_size: 60, aggregation_functions: Max}
  event_time: {lateness_seconds: 600}
messages:
- {t: 300, payload: "t=1740787205;20"}
- {t: 300, payload: "t=1740787230000;25"}
- {t: 301, payload: "21"}
- {t: 700, payload: "t=1740787210;30"}
until: 1000
"""


def test_replay_knows_it() -> None:
    (entry,) = read_streams(STREAM)
    told = json.loads(dump_replayed(entry, replay(entry.stream)))
    assert told["accepted"] == [0, 1, 2]
    assert told["dropped"] == [{"index": 3, "reason": "untimely"}]
    assert [(row["state"], row["start"]) for row in told["rows"]] == [(25.0, 0), (21.0, 300)]


def test_equal_values_may_be_neighbours_in_an_export_of_late_ones() -> None:
    made = timed(N_RECORDS, last_unique_check=True)
    check = CsvCheck(made, ("state", "create_datetime"), NOW, NODE, 2)
    for second in (1, 2):
        check.check([("1", f"2025-03-01 00:59:0{second}")])
