"""Which stored rows readers see (spec datapipe.md 5).

Stores answer the same questions in their own language; this is what their answers must equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pepeunit.domain.pipes.rows import NRecordRow, TimeWindowRow
from pepeunit.domain.pipes.series import Series, Trim


def visible_records(rows: Iterable[NRecordRow], series: Series) -> list[NRecordRow]:
    """The newest rows of the series, oldest first: no more than its limit, nor than any earlier
    limit let live. At one millisecond the later in arrival order is the newer.
    """
    left = sorted(
        (row for row in rows if row[0] == series.node and row[1] == series.generation),
        key=lambda row: (row[5], row[2]),
    )
    for trim in sorted(series.trims, key=lambda trim: trim.at_ms):
        left = _trimmed(left, trim)
    return left if series.limit is None else left[max(0, len(left) - series.limit) :]


def _trimmed(rows: Sequence[NRecordRow], trim: Trim) -> list[NRecordRow]:
    old = sum(row[5] <= trim.at_ms for row in rows)
    return list(rows[max(0, old - trim.count) :])


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
