"""One lane for each store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from attrs import frozen

from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.lane import Lane, Write
from pepeunit.usecases.samples.signal import Signal
from pepeunit.usecases.samples.stores import WriteLogs, WriteSeries, WriteValues


@frozen
class Lanes:
    """History, newest values, and what devices log."""

    series: Lane
    values: Lane
    logs: Lane

    @classmethod
    def of(cls, parts: IngestParts, progressed: Signal) -> Self:
        """Batches get names that no other run has: the same name twice is the same batch."""
        token = parts.new_uuid().hex

        def lane(name: str, write: Write) -> Lane:
            return Lane(name, write, parts, token, progressed)

        return cls(
            lane("series", WriteSeries(parts.series_writer)),
            lane("values", WriteValues(parts.database, parts.clock)),
            lane("logs", WriteLogs(parts.logs)),
        )

    def __iter__(self) -> Iterator[Lane]:
        return iter((self.series, self.values, self.logs))
