"""Which stored rows readers see (spec datapipe.md 5).

Stores answer the same questions in their own language; this is what their answers must equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pepeunit.domain.pipes.rows import NRecordRow, TimeWindowRow
from pepeunit.domain.pipes.series import Series, Trim


def visible_records(rows: Iterable[NRecordRow], series: Series) -> list[NRecordRow]:
    """The rows of the series that arrived last, oldest first: no more than its limit, nor than
    any earlier limit let live. At one millisecond the later in arrival order is the newer.
    """
    arrived = sorted(
        (row for row in rows if row[0] == series.node and row[1] == series.generation),
        key=lambda row: row[2],
    )
    hidden = {row[2] for trim in series.trims for row in _hidden(arrived, trim)}
    left = [row for row in arrived if row[2] not in hidden]
    if series.limit is not None:
        left = left[max(0, len(left) - series.limit) :]
    return sorted(left, key=lambda row: (row[5], row[2]))


def _hidden(arrived: Sequence[NRecordRow], trim: Trim) -> Sequence[NRecordRow]:
    old = [row for row in arrived if row[5] <= trim.at_ms]
    return old[: max(0, len(old) - trim.count)]


def visible_window_rows(
    rows: Iterable[TimeWindowRow], series: Series, now_ms: int
) -> list[TimeWindowRow]:
    """The rows of the series that have not expired, oldest first."""
    return sorted(
        (
            row
            for row in rows
            if row[0] == series.node and row[1] == series.generation and now_ms < row[6]
        ),
        key=lambda row: (row[5], row[2]),
    )
