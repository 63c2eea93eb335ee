"""The rows of :mod:`~pepeunit.domain.pipes.rows` with names, where no hot path is."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.pipes.rows import AggregateRow, NRecordRow, TimeWindowRow


@frozen
class LastValueEntry:
    state: str
    received_ms: int


@frozen
class RecordEntry:
    """A row of NRecords; ``size`` is in bytes of UTF-8, here and below."""

    state: str
    state_type: str
    created_ms: int
    max_count: int
    size: int


@frozen
class WindowEntry:
    """A row of TimeWindow."""

    state: str
    state_type: str
    created_ms: int
    expires_ms: int
    size: int


@frozen
class AggregateEntry:
    """A closed window ``[start_ms, end_ms)`` and how many ``samples`` it held."""

    state: float
    function: str
    window_seconds: int
    created_ms: int
    start_ms: int
    end_ms: int
    samples: int


StoredEntry = RecordEntry | WindowEntry | AggregateEntry


def record_entry(row: NRecordRow) -> RecordEntry:
    _, _, _, state, state_type, created_ms, max_count, size = row
    return RecordEntry(state, state_type, created_ms, max_count, size)


def window_entry(row: TimeWindowRow) -> WindowEntry:
    _, _, _, state, state_type, created_ms, expires_ms, size = row
    return WindowEntry(state, state_type, created_ms, expires_ms, size)


def aggregate_entry(row: AggregateRow) -> AggregateEntry:
    _, _, state, function, window_seconds, created_ms, start_ms, end_ms, samples = row
    return AggregateEntry(state, function, window_seconds, created_ms, start_ms, end_ms, samples)
