"""Where the pipeline puts rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from pepeunit.domain.pipes.rows import AggregateRow, NRecordRow, TimeWindowRow


@frozen
class SeriesBatch:
    """``token`` names the batch: a store that already took these rows under it passes them
    over."""

    token: str
    n_records: Sequence[NRecordRow] = ()
    time_windows: Sequence[TimeWindowRow] = ()
    aggregates: Sequence[AggregateRow] = ()

    @property
    def row_count(self) -> int:
        return len(self.n_records) + len(self.time_windows) + len(self.aggregates)


class SeriesWriter(Protocol):
    async def write(self, batch: SeriesBatch) -> None:
        """Stored durably when it returns; one append per table.

        A row of known identity replaces the stored one, so writing again under any token changes
        nothing for readers. Raises ``Unavailable`` when the store cannot take it now, and
        ``Invalid`` (topic pipe) when it never will: part of the batch may then be stored, and
        the caller finds the refused rows by splitting.
        """
        ...
