"""State and log messages: a device may send anything (devices.md 12, O33-O35, rulings 33)."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.units.log import TEXT_CHARS_MAX, LogLevel, read_logs
from pepeunit.domain.units.state import UnitState, is_due, read_state
from tests.domain.making import NOW, OWN_UNIT

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.integers(10**300, 10**320)
    | st.text(max_size=4)
    | st.sampled_from(["\0", "\ud800", "a\0b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


def test_the_seven_keys_are_kept_and_the_rest_is_dropped() -> None:
    state = read_state(
        json.dumps(
            {
                "ifconfig": ["10.0.0.2", "x"],
                "millis": 5,
                "mem_free": 1.5,
                "mem_alloc": True,
                "freq": 240,
                "statvfs": [4096, 4096],
                "pu_commit_version": "a" * 40,
                "more": 1,
            }
        ).encode()
    )
    assert state == UnitState(
        ifconfig=("10.0.0.2", "x"),
        millis=5.0,
        mem_free=1.5,
        mem_alloc=1.0,
        freq=240.0,
        statvfs=(4096, 4096),
        pu_commit_version="a" * 40,
    )


def test_wrong_types_become_null_or_empty() -> None:
    wrong = {"ifconfig": {}, "millis": "5", "freq": [], "statvfs": 3, "pu_commit_version": 7}
    assert read_state(json.dumps(wrong).encode()) == UnitState()


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_a_state_that_is_no_json_object_is_refused(payload: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read_state(payload)
    assert refused.value.topic is Topic.JSON


def storable(value: object) -> bool:
    if isinstance(value, str):
        value.encode()
        return "\0" not in value
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None


KEYS = ["ifconfig", "millis", "mem_free", "mem_alloc", "freq", "statvfs", "pu_commit_version"]


@given(st.dictionaries(st.sampled_from(KEYS), json_values | st.lists(json_values, max_size=4)))
def test_whatever_a_device_reports_every_store_can_hold(document: dict[str, Any]) -> None:
    state = read_state(json.dumps(document).encode())
    for value in (*state.ifconfig, *state.statvfs, state.pu_commit_version):
        assert storable(value)
    for number in (state.millis, state.mem_free, state.mem_alloc, state.freq):
        assert number is None or (isinstance(number, float) and math.isfinite(number))


VERSION = UnitState(pu_commit_version="b")
SILENT = UnitState()


@pytest.mark.parametrize(
    ("state", "known", "passed", "due"),
    [
        (VERSION, "b", None, True),
        (VERSION, "b", 29.9, False),
        (VERSION, "b", 30, True),
        (VERSION, "a", 0.1, True),
        (VERSION, None, 0.1, True),
        (SILENT, "a", 0.1, False),
        (SILENT, "a", 31, True),
        (VERSION, "b", -5, True),
    ],
)
def test_o33_a_state_passes_at_half_the_interval_and_at_once_with_a_new_version(
    state: UnitState, known: str | None, passed: float | None, due: bool
) -> None:
    last = None if passed is None else NOW - timedelta(seconds=passed)
    assert is_due(state, known, last, NOW, 60) is due


@given(st.floats(0, 14))
def test_o33_jitter_never_drops_a_state_sent_every_interval(jitter: float) -> None:
    last = NOW - timedelta(seconds=60 - jitter)
    assert is_due(SILENT, None, last, NOW, 60)


def logs(document: object) -> tuple[list[Any], int]:
    return read_logs(OWN_UNIT, json.dumps(document).encode(), NOW, 86_400)


def test_one_object_is_a_list_of_one() -> None:
    (entry,), bad = logs({"level": "ERROR", "text": "x"})
    assert (entry.level, entry.text, entry.create_datetime, bad) == (LogLevel.ERROR, "x", NOW, 0)
    assert entry.expiration_datetime == NOW + timedelta(days=1)


def test_o35_one_malformed_entry_does_not_lose_the_batch() -> None:
    good = {"level": "info", "text": "x"}
    wrong = [5, None, [], {}, {"level": "Loud", "text": "x"}, {"level": "Info", "text": 5}]
    wrong += [{"level": 1, "text": "x"}, good | {"create_datetime": "yesterday"}]
    wrong += [good | {"create_datetime": value} for value in ([], True, 1e300, 10**400)]
    entries, bad = logs([good, *wrong, good])
    assert len(entries) == 2
    assert bad == len(wrong)


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_log_that_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read_logs(OWN_UNIT, payload, NOW, 1)
    assert refused.value.topic is Topic.JSON


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ("2026-01-02T03:04:05.678901+02:00", datetime(2026, 1, 2, 1, 4, 5, 678000, UTC)),
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        (1_767_323_045, datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        (1_767_323_045_678, datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_come_as_iso_text_seconds_or_milliseconds(
    given_time: object, expected: datetime
) -> None:
    (entry,), _ = logs({"level": "Info", "text": "x", "create_datetime": given_time})
    assert entry.create_datetime == expected


@pytest.mark.parametrize("given_time", [None, 0, 4_000_000_000, "2999-01-01T00:00:00Z"])
def test_w45_an_entry_expires_by_our_clock_whatever_time_it_claims(given_time: object) -> None:
    (entry,), _ = logs({"level": "Info", "text": "x", "create_datetime": given_time})
    assert entry.expiration_datetime == NOW + timedelta(days=1)


def test_w45_a_text_without_an_end_is_cut() -> None:
    (short, long), _ = logs([{"level": "Info", "text": "x" * (TEXT_CHARS_MAX + n)} for n in (0, 1)])
    assert short.text == long.text == "x" * TEXT_CHARS_MAX


def test_entries_without_a_time_stand_a_second_apart_in_their_order() -> None:
    entries, _ = logs([{"level": "Info", "text": "x"}] * 3)
    times = [entry.create_datetime for entry in entries]
    assert times == [NOW + timedelta(seconds=index) for index in range(3)]
    assert len({entry.uuid for entry in entries}) == 3
    assert len({entry.expiration_datetime for entry in entries}) == 1


def test_times_have_millisecond_precision_wherever_they_come_from() -> None:
    received = NOW + timedelta(microseconds=1_999)
    (entry,), _ = read_logs(OWN_UNIT, b'{"level":"Info","text":"x"}', received, 1)
    assert entry.create_datetime == NOW + timedelta(milliseconds=1)


def test_rulings_33_the_same_entry_sent_again_has_the_same_identity() -> None:
    document = {"level": "Info", "text": "x", "create_datetime": 1_767_323_045.5}
    (one,), _ = logs(document)
    later = NOW + timedelta(hours=1)
    (two,), _ = read_logs(OWN_UNIT, json.dumps(document).encode(), later, 5)
    assert one.uuid == two.uuid
    for change in ({"level": "Error"}, {"text": "y"}, {"create_datetime": 1_767_323_045.6}):
        (other,), _ = logs(document | change)
        assert other.uuid != one.uuid


@given(json_values | st.lists(st.fixed_dictionaries({"level": json_values, "text": json_values})))
def test_whatever_a_device_logs_is_storable_or_counted(document: object) -> None:
    entries, bad = logs(document)
    assert bad >= 0
    for entry in entries:
        assert storable(entry.text)
        assert entry.uuid


def test_text_no_store_can_hold_is_cleaned_not_lost() -> None:
    (entry,), _ = logs({"level": "Info", "text": "a\0b\ud800c"})
    assert entry.text == "ab?c"
