"""What a pipe keeps of one node between messages.

One flat object per node: with tens of thousands of nodes in random order the time goes into
fetching memory, so the window written to last lives here and only others are objects of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from pepeunit.domain.pipes.compiled import CompiledPipe
from pepeunit.domain.pipes.config import AggregationFunction
from pepeunit.domain.pipes.drops import Drop, Drops, no_drops
from pepeunit.domain.pipes.rows import Rows
from pepeunit.domain.pipes.windows import Window, WindowDump, WindowKey, WindowRule, window_rule

NEVER: Final = -(1 << 62)
"""As a time: longer ago than any rate asks for."""
NOT_DUE: Final = 1 << 62
NO_NODE: Final = UUID(int=0)

CLOSED_MAX: Final = 4
"""Windows that are remembered after they closed; more only when more closed at one time."""

_Windows = tuple[WindowDump, ...]
_Value = str | float | None
_Drops = tuple[int, ...]
MemoryDump = tuple[int, _Value, int, int, _Windows, _Windows, int, int, int, _Drops]
"""``(last_ms, last_value, seq, window_seq, windows, closed, lateness_ms, floor_ms, received,
dropped)``"""


class NodeMemory:
    """A node at its pipe.

    ``compiled`` is None while the pipe is not active; ``generation`` is that of the node's series.
    Neither is dumped. ``received`` counts the messages that an active pipe was given, ``dropped``
    its drops by reason, None while there were none.

    ``last_ms`` and ``last_value`` are of the last accepted message: a float for Number, a text for
    Text. ``seq`` counts the NRecords rows of the series, ``window_seq`` its TimeWindow rows: each
    without gaps, whatever the policy was in between. ``due_ms`` is when the first open window
    ends. ``rule`` to ``rest`` are the window written to last (see
    :class:`~pepeunit.domain.pipes.windows.Window`), with ``rule`` None where there is none;
    ``others`` are the other open windows, ``closed`` are those that closed last: when the clock
    steps back, messages go on where one ended and its row is replaced (spec datapipe.md 5).

    ``lateness_ms`` is how long after their end all open windows wait for late messages: as the
    config of the last message wants it. Windows that ended by ``floor_ms`` may have closed before
    the config that waits longer came, and open no more (decision 0023).
    """

    __slots__ = (
        *("compiled", "dropped", "generation", "node", "received"),
        *("closed", "due_ms", "last_ms", "last_value", "others", "seq", "window_seq"),
        *("count", "end_ms", "rest", "rule", "start_ms", "total"),
        *("floor_ms", "lateness_ms"),
    )

    def __init__(
        self, node: UUID = NO_NODE, generation: int = 0, compiled: CompiledPipe | None = None
    ) -> None:
        self.node = node
        self.generation = generation
        self.compiled = compiled
        self.dropped: Drops | None = None
        self.received = 0
        self.last_ms = NEVER
        self.last_value: str | float | None = None
        self.seq = self.window_seq = 0
        self.closed: _Windows = ()
        self.others: dict[WindowKey, Window] | None = None
        self.rule: WindowRule | None = None
        self.due_ms = NOT_DUE
        self.lateness_ms = 0
        self.floor_ms = NEVER
        self._forget_windows()

    @property
    def has_windows(self) -> bool:
        return self.due_ms != NOT_DUE

    def drop(self, reason: Drop) -> None:
        if self.dropped is None:
            self.dropped = no_drops()
        self.dropped[reason] += 1

    def wait(self, received_ms: int, lateness_ms: int) -> None:
        """From now on windows wait so long, those that are open too."""
        self._put_aside()
        if self.has_windows or self.closed:
            self.floor_ms = max(self.floor_ms, received_ms - self.lateness_ms)
        if self.has_windows:
            self.due_ms += lateness_ms - self.lateness_ms
        self.lateness_ms = lateness_ms

    def turn_to(self, time_ms: int, rule: WindowRule) -> None:
        """Make the window of a time the one written to, opened if need be."""
        if rule.lateness_ms != self.lateness_ms:
            self.wait(time_ms, rule.lateness_ms)
        self._put_aside()
        key, self.end_ms = rule.bounds_at(time_ms)
        self.start_ms = key[0]
        self.rule = rule
        window = self.others.pop(key, None) if self.others else None
        if window is not None:
            self.count, self.total, self.rest = window.count, window.total, window.rest
            return
        self.due_ms = min(self.due_ms, self.end_ms + self.lateness_ms)
        self.count, self.total, self.rest = 0, rule.start, 0.0
        for closed in self.closed:
            if closed[:3] == (self.start_ms, rule.seconds, rule.word):
                self.count, self.total, self.rest = closed[3:]

    def close(self, node: UUID, generation: int, now_ms: int, out: Rows) -> int:
        """Move the windows that ended by ``now_ms``, and waited for late messages since, into
        ``out``; how many there were.

        ``created_ms`` is the end; of windows that end together the later one's is a millisecond
        later, so that readers see them in this order. A result that is not finite gives no row and
        is counted.
        """
        if now_ms < self.due_ms:
            return 0
        if not self.others and self.rule is not None:
            start_ms, end_ms, rule = self.start_ms, self.end_ms, self.rule
            totals = self.count, self.total, self.rest
            self._remember([(start_ms, rule.seconds, rule.word, *totals)])
            self._forget_windows()
            _emit(node, generation, end_ms, start_ms, end_ms, rule, totals, out)
            return 1
        ended_ms = now_ms - self.lateness_ms
        windows = sorted(self.open_windows(), key=lambda window: window.end_ms)
        self._forget_windows()
        closed: list[WindowDump] = []
        created_ms = NEVER
        for window in windows:
            if window.end_ms > ended_ms:
                self._put(window)
                continue
            closed.append(window.dump())
            start_ms, end_ms = window.start_ms, window.end_ms
            created_ms = max(end_ms, created_ms + 1)
            totals = window.count, window.total, window.rest
            _emit(node, generation, created_ms, start_ms, end_ms, window.rule, totals, out)
        self._remember(closed)
        return len(closed)

    def _remember(self, closed: list[WindowDump]) -> None:
        again = {one[:3] for one in closed}
        kept = [one for one in self.closed if one[:3] not in again]
        self.closed = (*kept, *closed)[-max(CLOSED_MAX, len(closed)) :]

    def open_windows(self) -> Iterator[Window]:
        """In the order of opening, but for the one written to last, which comes last."""
        if self.others:
            yield from self.others.values()
        if self.rule is not None:
            window = Window(self.rule, self.start_ms, self.end_ms)
            window.count, window.total, window.rest = self.count, self.total, self.rest
            yield window

    def begin_series(self, generation: int, seq: int = 0) -> None:
        """Forget windows and count rows from ``seq``: saved data were deleted or replaced.

        The filter state stays (spec datapipe.md 10).
        """
        self.generation = generation
        self.seq = self.window_seq = seq
        self.closed = ()
        self.floor_ms = NEVER
        self._forget_windows()

    def count_on(self, seq: int, window_seq: int) -> None:
        """Rows up to these numbers are stored: later ones are counted above them."""
        self.seq = max(self.seq, seq)
        self.window_seq = max(self.window_seq, window_seq)

    def dump(self) -> MemoryDump:
        """Plain values from which :meth:`load` makes the same memory, sums included bit for bit."""
        rule = self.rule
        windows: tuple[WindowDump, ...] = ()
        if self.others:
            windows = tuple(window.dump() for window in self.open_windows())
        elif rule is not None:
            totals = self.count, self.total, self.rest
            windows = ((self.start_ms, rule.seconds, rule.word, *totals),)
        return (
            *(self.last_ms, self.last_value, self.seq, self.window_seq, windows, self.closed),
            *(self.lateness_ms, self.floor_ms, self.received, tuple(self.dropped or ())),
        )

    @classmethod
    def load(
        cls,
        dump: MemoryDump,
        node: UUID = NO_NODE,
        generation: int = 0,
        compiled: CompiledPipe | None = None,
    ) -> NodeMemory:
        memory = cls(node, generation, compiled)
        last_ms, last_value, seq, window_seq, windows, closed, lateness_ms, *_ = dump
        *_, memory.floor_ms, memory.received, dropped = dump
        memory.dropped = [*dropped, *no_drops()[len(dropped) :]] if dropped else None
        memory.last_ms, memory.last_value = last_ms, last_value
        memory.seq, memory.window_seq = seq, window_seq
        for start_ms, seconds, function, count, total, rest in windows:
            rule = window_rule(seconds, AggregationFunction(function))
            memory.turn_to(start_ms, rule)
            memory.count, memory.total, memory.rest = count, total, rest
        memory.lateness_ms = lateness_ms
        memory.due_ms += lateness_ms if memory.has_windows else 0
        memory.closed = closed
        return memory

    def _put_aside(self) -> None:
        if self.rule is not None:
            *_, window = self.open_windows()
            self._put(window)
            self.rule = None
            self.start_ms, self.end_ms = 1, 0

    def _put(self, window: Window) -> None:
        if self.others is None:
            self.others = {}
        self.others[window.key] = window
        self.due_ms = min(self.due_ms, window.end_ms + self.lateness_ms)

    def _forget_windows(self) -> None:
        self.others = None
        self.rule = None
        self.start_ms, self.end_ms = 1, 0
        self.count, self.total, self.rest = 0, 0.0, 0.0
        self.due_ms = NOT_DUE


def _emit(  # noqa: PLR0917
    node: UUID,
    generation: int,
    created_ms: int,
    start_ms: int,
    end_ms: int,
    rule: WindowRule,
    totals: tuple[int, float, float],
    out: Rows,
) -> None:
    state = rule.result(*totals)
    if math.isfinite(state):
        row = (node, generation, state, rule.word, rule.seconds, created_ms, start_ms, end_ms)
        out.aggregates.append((*row, totals[0]))
    else:
        out.nonfinite_windows += 1
