"""One node's pipe for whoever wants to run it: no broker, no store, no clock.

See docs/how-to/pipes.md for examples.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from attrs import frozen

from pepeunit.domain.pipes.compiled import CompiledPipe, compile_pipe
from pepeunit.domain.pipes.config import EPOCH, PAYLOAD_BYTES_MAX, PipeConfig
from pepeunit.domain.pipes.drops import Drop, no_drops
from pepeunit.domain.pipes.entries import (
    AggregateEntry,
    LastValueEntry,
    RecordEntry,
    WindowEntry,
    aggregate_entry,
    record_entry,
    window_entry,
)
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.rows import Rows
from pepeunit.domain.pipes.validation import read_config

_NODE = UUID(int=0)
_GENERATION = 1


@frozen
class Outcome:
    """Of one message: why it was dropped, or the row it gave.

    A message that went into a window has neither.
    """

    dropped: Drop | None = None
    row: LastValueEntry | RecordEntry | WindowEntry | None = None

    @property
    def is_accepted(self) -> bool:
        return self.dropped is None


class Pipe:
    """A config and what it remembers of its one node. Times are UTC epoch milliseconds."""

    def __init__(self, config: PipeConfig) -> None:
        self._memory = NodeMemory(_NODE, _GENERATION)
        self._compiled: CompiledPipe
        self.config = config

    @classmethod
    def from_mapping(cls, document: object, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> Pipe:
        """The pipe of a parsed YAML or JSON document.

        Raises ``Invalid`` (topic pipe) with all its violations.
        """
        return cls(read_config(document, payload_bytes_max))

    @property
    def config(self) -> PipeConfig:
        return self._compiled.config

    @config.setter
    def config(self, config: PipeConfig) -> None:
        """From here on; filter state and open windows stay (spec datapipe.md 10)."""
        self._compiled = compile_pipe(config)

    def feed(self, received_ms: int, payload: bytes) -> Outcome:
        """What becomes of one message."""
        out, drops = Rows(), no_drops()
        memory = self._memory
        self._compiled.feed_mixed((memory,), (received_ms,), (payload,), out, drops)
        if any(drops):
            return Outcome(dropped=Drop(drops.index(1)))
        return Outcome(row=_entry(out))

    def feed_many(self, samples: Iterable[tuple[int, bytes]]) -> list[Outcome]:
        """The same for ``(received_ms, payload)`` in arrival order."""
        return [self.feed(received_ms, payload) for received_ms, payload in samples]

    def close(self, now_ms: int) -> list[AggregateEntry]:
        """The windows that ended by ``now_ms``, oldest first; each is told once."""
        out = Rows()
        self._memory.close(_NODE, _GENERATION, now_ms, out)
        return [aggregate_entry(row) for row in out.aggregates]


def epoch_ms(moment: datetime) -> int:
    """An aware datetime as the times of this module, cut to the millisecond."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _entry(out: Rows) -> LastValueEntry | RecordEntry | WindowEntry | None:
    if out.n_records:
        return record_entry(out.n_records[0])
    if out.time_windows:
        return window_entry(out.time_windows[0])
    return next((LastValueEntry(*value) for value in out.last_values.values()), None)
