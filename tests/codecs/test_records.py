"""Journal records, spooled rows and memories as bytes, and back."""

from __future__ import annotations

import math
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.codecs.records import (
    pack_memory,
    pack_record,
    pack_tables,
    unpack_memory,
    unpack_record,
    unpack_tables,
)
from pepeunit.domain.messaging.record import (
    ControlRecord,
    LogRecord,
    NumbersRecord,
    Record,
    SampleRecord,
    SessionRecord,
)
from pepeunit.domain.pipes.memory import MemoryDump

A, B = UUID(int=1), UUID(int=2**127)
COUNTS = st.integers(0, 2**63 - 1)
TIMES = st.integers(-(2**63), 2**63 - 1)
SAMPLES = st.builds(
    SampleRecord,
    TIMES,
    st.dictionaries(st.uuids(), st.lists(st.binary(max_size=40), max_size=5), max_size=5),
)
IDENTIFIED = st.builds(
    lambda received_ms, groups: SampleRecord(
        received_ms,
        {node: [payload for payload, _ in some] for node, some in groups.items()},
        {node: tuple(packet_id for _, packet_id in some) for node, some in groups.items()},
    ),
    TIMES,
    st.dictionaries(
        st.uuids(),
        st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 65_535)), min_size=1, max_size=5),
        max_size=5,
    ),
)
CONTROL = st.builds(
    ControlRecord,
    st.lists(st.tuples(st.uuids(), st.none() | st.text(), COUNTS, COUNTS, COUNTS)),
)
LOGS = st.builds(LogRecord, st.lists(st.tuples(st.uuids(), st.text(), st.text(), COUNTS, COUNTS)))


NUMBERS = st.builds(NumbersRecord, st.lists(st.tuples(st.uuids(), COUNTS, COUNTS, COUNTS)))


@given(st.one_of(SAMPLES, IDENTIFIED, CONTROL, LOGS, NUMBERS, st.builds(SessionRecord, TIMES)))
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert unpack_record(pack_record(record)) == record


@given(SAMPLES | IDENTIFIED, st.data())
def test_a_record_that_is_cut_off_is_refused(record: SampleRecord, data: st.DataObject) -> None:
    packed = pack_record(record)
    with pytest.raises(ValueError, match="journal record"):
        unpack_record(packed[: data.draw(st.integers(0, len(packed) - 1))])


@pytest.mark.parametrize("packed", [b"", b"\x00", b"\x09{}", b"\x02{", b"\x03\xff"])
def test_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the JSON reader's own words
        unpack_record(packed)


def test_rows_come_back_with_their_uuids() -> None:
    tables = ([(A, 1, "é", 0.1), (A, 2, "", 1e-300)], [], [(B, None)])
    assert unpack_tables(pack_tables(tables)) == ([*tables[0]], [], [(B, None)])


@given(st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_memory_comes_back_bit_for_bit(value: str | float | None) -> None:
    windows = ((0, 60, "Sum", 3, 0.1 + 0.2, 1e-17), (60, 60, "Max", 1, math.inf, 0.0))
    for some in (windows, windows[:1], ()):
        for dropped in ((1, 0, 2), ()):
            dump: MemoryDump = (-(2**62), value, 7, 9, some, windows, 30_000, -(2**62), 5, dropped)
            assert unpack_memory(pack_memory(dump)) == dump


def test_a_memory_of_an_earlier_version_comes_back() -> None:
    """It held the window that closed last and no counts; and before that no waiting."""
    packed = b'[5,"on",7,9,[],[0,60,"Sum",3,0.5,0.0]'
    closed = ((0, 60, "Sum", 3, 0.5, 0.0),)
    assert unpack_memory(packed + b"]") == (5, "on", 7, 9, (), closed, 0, -(2**62), 0, ())
    assert unpack_memory(packed + b",30,4]") == (5, "on", 7, 9, (), closed, 30, 4, 0, ())
    assert unpack_memory(b'[5,"on",7,9,[],[]]')[5] == ()
