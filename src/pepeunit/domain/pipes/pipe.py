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
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.rows import AggregateRow, NRecordRow, Rows, TimeWindowRow
from pepeunit.domain.pipes.validation import read_config

_NODE = UUID(int=0)
_GENERATION = 1


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


Entry = LastValueEntry | RecordEntry | WindowEntry


@frozen
class Outcome:
    """Of one message: why it was dropped, or the row it gave.

    A message that went into a window has neither.
    """

    dropped: Drop | None = None
    row: Entry | None = None

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
        return [_aggregate(row) for row in out.aggregates]


def epoch_ms(moment: datetime) -> int:
    """An aware datetime as the times of this module, cut to the millisecond."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _entry(out: Rows) -> Entry | None:
    if out.n_records:
        return _record(out.n_records[0])
    if out.time_windows:
        return _window(out.time_windows[0])
    return next((LastValueEntry(*value) for value in out.last_values.values()), None)


def _record(row: NRecordRow) -> RecordEntry:
    _, _, _, state, state_type, created_ms, max_count, size = row
    return RecordEntry(state, state_type, created_ms, max_count, size)


def _window(row: TimeWindowRow) -> WindowEntry:
    _, _, _, state, state_type, created_ms, expires_ms, size = row
    return WindowEntry(state, state_type, created_ms, expires_ms, size)


def _aggregate(row: AggregateRow) -> AggregateEntry:
    _, _, state, function, window_seconds, created_ms, start_ms, end_ms, samples = row
    return AggregateEntry(state, function, window_seconds, created_ms, start_ms, end_ms, samples)
