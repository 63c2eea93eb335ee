"""What the policies keep, as plain tuples: the hot path makes one per message (spec datapipe.md 6).

A row's identity is deterministic, so that a batch written again after a crash replaces itself:
``seq`` counts the accepted messages of a series from 1 in arrival order, and an aggregate is
known by its window. Times are UTC epoch milliseconds, sizes bytes of UTF-8.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attrs import define, field, frozen

NRecordRow = tuple[UUID, int, int, str, str, int, int, int]
"""``(node, generation, seq, state, state_type, created_ms, max_count, size)``"""

TimeWindowRow = tuple[UUID, int, int, str, str, int, int, int]
"""``(node, generation, seq, state, state_type, created_ms, expires_ms, size)``"""

AggregateRow = tuple[UUID, int, float, str, int, int, int, int, int]
"""``(node, generation, state, function, window_seconds, created_ms, start_ms, end_ms, samples)``"""

StoredRow = NRecordRow | TimeWindowRow | AggregateRow

LastValue = tuple[str, int]
"""``(state, received_ms)``; of two for one node the one received later wins, at a tie the later
in arrival order."""


@frozen
class NewestValue:
    """The newest value of a node, when it has one."""

    node: UUID
    state: str
    received: datetime


@define
class Rows:
    """What a batch leaves for the stores. Rows of one node are in arrival order."""

    n_records: list[NRecordRow] = field(factory=list)
    time_windows: list[TimeWindowRow] = field(factory=list)
    aggregates: list[AggregateRow] = field(factory=list)
    last_values: dict[UUID, LastValue] = field(factory=dict)
    nonfinite_windows: int = 0
    """Windows that closed without a row, because their result is not finite."""
