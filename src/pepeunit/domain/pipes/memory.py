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

MemoryDump = tuple[int, str | float | None, int, tuple[WindowDump, ...]]
"""``(last_ms, last_value, seq, windows)``"""


class NodeMemory:
    """A node at its pipe.

    ``compiled`` is None while the pipe is not active; ``generation`` is that of the node's series;
    ``dropped`` counts its drops by reason, None while there were none. None of these is dumped.

    ``last_ms`` and ``last_value`` are of the last accepted message: a float for Number, a text for
    Text. ``seq`` counts the accepted rows of the series. ``due_ms`` is when the first open window
    ends. ``rule`` to ``rest`` are the window written to last (see
    :class:`~pepeunit.domain.pipes.windows.Window`), with ``rule`` None where there is none;
    ``others`` are the other open windows.
    """

    __slots__ = (
        *("compiled", "dropped", "generation", "node"),
        *("due_ms", "last_ms", "last_value", "others", "seq"),
        *("count", "end_ms", "rest", "rule", "start_ms", "total"),
    )

    def __init__(
        self, node: UUID = NO_NODE, generation: int = 0, compiled: CompiledPipe | None = None
    ) -> None:
        self.node = node
        self.generation = generation
        self.compiled = compiled
        self.dropped: Drops | None = None
        self.last_ms = NEVER
        self.last_value: str | float | None = None
        self.seq = 0
        self.others: dict[WindowKey, Window] | None = None
        self.rule: WindowRule | None = None
        self.due_ms = NOT_DUE
        self._forget_windows()

    @property
    def has_windows(self) -> bool:
        return self.due_ms != NOT_DUE

    def drop(self, reason: Drop) -> None:
        if self.dropped is None:
            self.dropped = no_drops()
        self.dropped[reason] += 1

    def turn_to(self, time_ms: int, rule: WindowRule) -> None:
        """Make the window of a time the one written to, opened if need be."""
        self._put_aside()
        key, self.end_ms = rule.bounds_at(time_ms)
        self.start_ms = key[0]
        self.rule = rule
        window = self.others.pop(key, None) if self.others else None
        if window is None:
            self.count, self.total, self.rest = 0, rule.start, 0.0
            self.due_ms = min(self.due_ms, self.end_ms)
        else:
            self.count, self.total, self.rest = window.count, window.total, window.rest

    def close(self, node: UUID, generation: int, now_ms: int, out: Rows) -> int:
        """Move the windows that ended by ``now_ms`` into ``out``; how many there were.

        ``created_ms`` is the end. A result that is not finite gives no row and is counted.
        """
        if now_ms < self.due_ms:
            return 0
        windows = sorted(self.open_windows(), key=lambda window: window.end_ms)
        self._forget_windows()
        closed = 0
        for window in windows:
            if window.end_ms <= now_ms:
                closed += 1
                self._emit(window, node, generation, out)
            else:
                self._put(window)
        return closed

    def _emit(self, window: Window, node: UUID, generation: int, out: Rows) -> None:
        state = window.result()
        if not math.isfinite(state):
            out.nonfinite_windows += 1
            return
        start_ms, seconds, function = window.key
        end_ms = window.end_ms
        row = (node, generation, state, function.value, seconds, end_ms, start_ms, end_ms)
        out.aggregates.append((*row, window.count))

    def open_windows(self) -> Iterator[Window]:
        """In the order of opening, but for the one written to last, which comes last."""
        if self.others:
            yield from self.others.values()
        if self.rule is not None:
            window = Window(self.rule, self.start_ms, self.end_ms)
            window.count, window.total, window.rest = self.count, self.total, self.rest
            yield window

    def begin_series(self, generation: int) -> None:
        """Forget open windows and the count of rows: saved data were deleted or replaced.

        The filter state stays (spec datapipe.md 10).
        """
        self.generation = generation
        self.seq = 0
        self._forget_windows()

    def dump(self) -> MemoryDump:
        """Plain values from which :meth:`load` makes the same memory, sums included bit for bit."""
        windows = tuple(window.dump() for window in self.open_windows())
        return self.last_ms, self.last_value, self.seq, windows

    @classmethod
    def load(
        cls,
        dump: MemoryDump,
        node: UUID = NO_NODE,
        generation: int = 0,
        compiled: CompiledPipe | None = None,
    ) -> NodeMemory:
        memory = cls(node, generation, compiled)
        memory.last_ms, memory.last_value, memory.seq, windows = dump
        for start_ms, seconds, function, count, total, rest in windows:
            rule = window_rule(seconds, AggregationFunction(function))
            memory.turn_to(start_ms, rule)
            memory.count, memory.total, memory.rest = count, total, rest
        return memory

    def _put_aside(self) -> None:
        if self.rule is not None:
            *_, window = self.open_windows()
            self._put(window)

    def _put(self, window: Window) -> None:
        if self.others is None:
            self.others = {}
        self.others[window.key] = window
        self.due_ms = min(self.due_ms, window.end_ms)

    def _forget_windows(self) -> None:
        self.others = None
        self.rule = None
        self.start_ms, self.end_ms = 1, 0
        self.count, self.total, self.rest = 0, 0.0, 0.0
        self.due_ms = NOT_DUE
