"""The rules of CSV rows (spec datapipe.md 9), one by one."""

from __future__ import annotations

from operator import itemgetter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.errors import Topic
from pepeunit.domain.pipes.csv_check import CsvCheck, RefusedRow, parse_csv_datetime
from tests.domain.pipes.making import (
    EPOCH_MS,
    LAST_VALUE,
    N_RECORDS,
    TIME_WINDOW,
    aggregation,
    config,
)

NODE = UUID(int=7)
WINDOW = ["state", "create_datetime", "start_window_datetime", "end_window_datetime"]
TEXT = {"type_input_value": "Text"}


def at(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    whole, fraction = divmod(round(rest * 1000), 1000)
    text = f"2025-03-01 {hours:02}:{minutes:02}:{whole:02}"
    return f"{text}.{fraction:03}" if fraction else text


def checked(rows: list[list[str]], *arguments: Any, now: int = 86_400, **keys: Any) -> list[Any]:
    made = config(*arguments, **keys)
    wide = made.processing_policy.policy_type.value == "Aggregation"
    checking = CsvCheck(made, WINDOW if wide else WINDOW[:2], EPOCH_MS + now * 1000, NODE, 4)
    passed = checking.check(rows)
    checking.end()
    assert checking.rows == len(rows)
    return passed


def refused(rows: list[list[str]], *arguments: Any, **keys: Any) -> int:
    with pytest.raises(RefusedRow) as error:
        checked(rows, *arguments, **keys)
    assert error.value.topic is Topic.PIPE
    return error.value.row


def window(state: str, start: int, end: int, created: float | None = None) -> list[str]:
    return [state, at(end if created is None else created), at(start), at(end)]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2025-03-01 00:00:00", 0),
        ("2025-03-01T00:00:01.5", 1500),
        ("2025-03-01 00:00:01.250", 1250),
        ("2025-03-01 00:00:01.250999", 1250),
    ],
)
def test_datetimes_are_those_of_the_export(text: str, milliseconds: int) -> None:
    assert parse_csv_datetime(text) == EPOCH_MS + milliseconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "2025-03-01", "2025-03-01 00:00", "2025-03-01t00:00:00"),
        *("2025-03-01 00:00:00Z", "2025-03-01 00:00+00:00", "2025-03-01 00:00:00+00"),
        *("2025-03-01 00:00:00.1234567", "2025-03-01 00:00:00,5", "2025-13-01 00:00:00"),
        *("2025-W09-6 00:00:00", "2025-03-01 000000.1234", "2025-03-01 00:00:00."),
    ],
)
def test_other_datetimes_are_refused(text: str) -> None:
    assert refused([["1", text]], N_RECORDS) == 1


def test_last_value_has_no_rows() -> None:
    assert refused([], LAST_VALUE) == 0


def test_a_file_without_rows_is_refused() -> None:
    assert refused([], N_RECORDS) == 0


@pytest.mark.parametrize("column", WINDOW)
def test_each_missing_column_refuses_the_whole_file(column: str) -> None:
    header = [name for name in WINDOW if name != column]
    with pytest.raises(RefusedRow, match=column) as error:
        CsvCheck(config(aggregation()), header, EPOCH_MS, NODE, 1)
    assert error.value.row == 0


def test_columns_are_found_by_name_after_a_byte_order_mark() -> None:
    header = ["\ufeffcreate_datetime", "note", " state "]
    checking = CsvCheck(config(N_RECORDS), header, EPOCH_MS, NODE, 4)
    assert checking.check([[at(1), "x", "5"]])[0][3] == "5"


def test_ragged_rows_are_refused() -> None:
    assert refused([["1", at(0)], ["1"]], N_RECORDS) == 2
    assert refused([["1", at(0), ""]], N_RECORDS) == 1


def test_rows_carry_what_the_config_says() -> None:
    assert checked([[" 007.10 ", at(1.25)], ["5", at(1.25)]], N_RECORDS) == [
        (NODE, 4, 1, "007.10", "Number", EPOCH_MS + 1250, 10, 6),
        (NODE, 4, 2, "5", "Number", EPOCH_MS + 1250, 10, 1),
    ]
    assert checked([[" é ", at(0)]], TIME_WINDOW, now=60, **TEXT) == [
        (NODE, 4, 1, " é ", "Text", EPOCH_MS, EPOCH_MS + 60_000, 4)
    ]
    assert checked([window("1e-07", 60, 120)], aggregation("Max")) == [
        (NODE, 4, 1e-07, "Max", 60, *(EPOCH_MS + ms for ms in (120_000, 60_000, 120_000)), 0)
    ]


def test_times_must_not_decrease() -> None:
    assert refused([["1", at(2)], ["1", at(2)], ["1", at(1.999)]], N_RECORDS) == 3
    late = [window("1", 0, 60, 65), window("1", 60, 120, 64)]
    assert refused(late, aggregation()) == 2


@pytest.mark.parametrize("state", ["", "x", "nan", "inf", "1e400", "1_0", "1,5"])
def test_numbers_must_be_numbers(state: str) -> None:
    assert refused([["1", at(0)], [state, at(0)]], N_RECORDS) == 2
    assert refused([window(state, 0, 60)], aggregation()) == 1
    assert refused([window(state, 0, 60)], aggregation(), **TEXT) == 1


def test_texts_hold_no_nul() -> None:
    assert refused([["a\0b", at(0)]], N_RECORDS, **TEXT) == 1


def test_the_active_period_is_inclusive() -> None:
    period = {"type": "DateRange", "start": at(10), "end": at(20)}
    assert len(checked([["1", at(10)], ["1", at(20)]], N_RECORDS, period=period)) == 2
    assert refused([["1", at(9.999)]], N_RECORDS, period=period) == 1
    assert refused([["1", at(20.001)]], N_RECORDS, period=period) == 1


def test_a_window_that_reaches_over_the_end_of_the_period_imports_again() -> None:
    period = {"type": "ToDate", "end": at(70)}
    assert len(checked([window("1", 60, 120)], aggregation(), period=period)) == 1
    assert refused([window("1", 120, 180)], aggregation(), period=period) == 1
    future = {"type": "FromDate", "start": at(130)}
    assert refused([window("1", 60, 120)], aggregation(), period=future) == 1


LISTED = {"type_value_filtering": "WhiteList", "filtering_values": [1, 2.5]}
BOUNDED = {"type_value_threshold": "Range", "threshold_min": 0, "threshold_max": 2.5}


def test_lists_and_thresholds() -> None:
    assert len(checked([["1.0", at(0)], ["2.50", at(0)]], N_RECORDS, **LISTED, **BOUNDED)) == 2
    assert refused([["3", at(0)]], N_RECORDS, **LISTED) == 1
    assert refused([["3", at(0)]], N_RECORDS, **BOUNDED) == 1
    assert refused([["-1", at(0)]], N_RECORDS, **BOUNDED) == 1
    black = {**LISTED, "type_value_filtering": "BlackList"}
    assert refused([["1e0", at(0)]], N_RECORDS, **black) == 1


def test_rate_and_uniqueness_look_at_the_row_before() -> None:
    rows = [["1", at(0)], ["1.0", at(5)]]
    assert len(checked(rows, N_RECORDS, max_rate=5)) == 2
    assert refused(rows, N_RECORDS, max_rate=6) == 2
    assert refused(rows, N_RECORDS, last_unique_check=True) == 2
    assert len(checked(rows, N_RECORDS, last_unique_check=True, **TEXT)) == 2


def test_size_is_in_bytes() -> None:
    assert len(checked([["éé", at(0)]], N_RECORDS, max_size=4, **TEXT)) == 1
    assert refused([["ééa", at(0)]], N_RECORDS, max_size=4, **TEXT) == 1


def test_records_are_no_more_than_the_config_keeps() -> None:
    rows = [["1", at(0)]] * 11
    assert len(checked(rows[:10], N_RECORDS)) == 10
    assert refused(rows, N_RECORDS) == 11


@pytest.mark.parametrize(("second", "valid"), [(39.999, False), (40, True), (100, True)])
def test_window_rows_have_not_expired(second: float, valid: bool) -> None:
    assert (valid and checked([["1", at(second)]], TIME_WINDOW, now=100)) or (
        not valid and refused([["1", at(second)]], TIME_WINDOW, now=100) == 1
    )
    assert refused([["1", at(100.001)]], TIME_WINDOW, now=100) == 1


@pytest.mark.parametrize(
    "row",
    [
        window("1", 1, 61),
        window("1", 0, 120),
        window("1", 60, 0),
        window("1", 0, 60, 120),
        window("1", 0, 60, 0),
    ],
)
def test_windows_are_of_the_size_of_the_config(row: list[str]) -> None:
    assert refused([row], aggregation()) == 1


def test_windows_follow_each_other_in_whole_steps() -> None:
    wide = aggregation("Avg", 300)
    assert len(checked([window("1", 60, 360), window("2", 960, 1260)], wide)) == 2
    assert refused([window("1", 60, 360), window("2", 120, 420)], wide) == 2
    assert refused([window("1", 0, 60, 60), window("2", 0, 60, 61)], aggregation()) == 2
    assert len(checked([window("1", 0, 60, 119.999)], aggregation())) == 1


@pytest.mark.parametrize("policy", [N_RECORDS, aggregation()])
def test_an_unmodified_export_imports_again(policy: dict[str, Any]) -> None:
    keys: dict[str, Any] = {**LISTED, **BOUNDED, "last_unique_check": True, "max_size": 3}
    if policy is N_RECORDS:
        keys["transformations"] = {"multiplication_ratio": 1000}
        rows = [["2500.000000", at(0)], ["2500.000000", at(1)]]
    else:
        rows = [window("1.6666666666666667", 0, 60), window("1.6666666666666667", 60, 120)]
    assert len(checked(rows, policy, **keys)) == 2


def verdict(blocks: list[list[list[str]]], *arguments: Any, **keys: Any) -> tuple[Any, ...]:
    made = config(*arguments, **keys)
    wide = made.processing_policy.policy_type.value == "Aggregation"
    checking = CsvCheck(made, WINDOW if wide else WINDOW[:2], EPOCH_MS + 60_000, NODE, 4)
    try:
        return ([row for block in blocks for row in checking.check(block)],)
    except RefusedRow as refusal:
        return refusal.row, refusal.message


MANY_RULES: dict[str, Any] = {
    **LISTED,
    **BOUNDED,
    "max_rate": 1,
    "last_unique_check": True,
    "max_size": 4,
    "period": {"type": "DateRange", "start": at(1), "end": at(55)},
}
STATES = st.sampled_from(["1", "2.5", "1.0", "3", "-1", "x", "1.0000", "\udc80", ""])
ENTRIES = st.tuples(STATES, st.sampled_from(["", at(0), at(1.5), *map(at, range(1, 60, 7))]))
SPANS = st.tuples(STATES, st.integers(0, 5), st.sampled_from([60, 60, 60, 61, 0]))


@given(st.lists(ENTRIES, max_size=9), st.data())
@pytest.mark.parametrize("policy", [N_RECORDS, TIME_WINDOW])
def test_rows_get_the_same_verdict_alone_and_in_blocks(
    policy: dict[str, Any], entries: list[tuple[str, str]], data: st.DataObject
) -> None:
    rows = [list(entry) for entry in sorted(entries, key=itemgetter(1))]
    if data.draw(st.booleans()):
        rows.append(["1"])
    cut = data.draw(st.integers(0, len(rows)))
    keys = MANY_RULES if data.draw(st.booleans()) else TEXT
    alone = verdict([[row] for row in rows], policy, **keys)
    assert verdict([rows], policy, **keys) == alone
    assert verdict([rows[:cut], rows[cut:]], policy, **keys) == alone


@given(st.lists(SPANS, max_size=6))
def test_windows_get_the_same_verdict_alone_and_in_blocks(
    spans: list[tuple[str, int, int]],
) -> None:
    rows = [window(state, 60 * minute, 60 * minute + size) for state, minute, size in spans]
    alone = verdict([[row] for row in rows], aggregation())
    assert verdict([rows], aggregation()) == alone
