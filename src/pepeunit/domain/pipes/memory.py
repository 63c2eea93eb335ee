"""What a pipe remembers of one node between messages; part of the checkpoint."""

from __future__ import annotations

import math
from typing import Final
from uuid import UUID

from pepeunit.domain.pipes.config import AggregationFunction
from pepeunit.domain.pipes.rows import Rows
from pepeunit.domain.pipes.windows import (
    NO_WINDOW,
    Window,
    WindowDump,
    WindowKey,
    WindowRule,
    window_rule,
)

NEVER: Final = -(1 << 62)
"""As a time: longer ago than any rate asks for."""
NOT_DUE: Final = 1 << 62

MemoryDump = tuple[int, str | float | None, int, tuple[WindowDump, ...]]
"""``(last_ms, last_value, seq, windows)``"""


class NodeMemory:
    """``last_ms`` and ``last_value`` are of the last accepted message: a float for Number, a text
    for Text. ``seq`` counts the accepted rows of the series. ``current`` is the window written
    to last, ``due_ms`` when the first open one ends.
    """

    __slots__ = ("current", "due_ms", "last_ms", "last_value", "seq", "windows")

    def __init__(self) -> None:
        self.last_ms = NEVER
        self.last_value: str | float | None = None
        self.seq = 0
        self.windows: dict[WindowKey, Window] = {}
        self.current = NO_WINDOW
        self.due_ms = NOT_DUE

    def window_at(self, time_ms: int, rule: WindowRule) -> Window:
        """The open window of a time, opened if need be; it becomes the current one."""
        key, end_ms = rule.bounds_at(time_ms)
        window = self.windows.get(key)
        if window is None:
            window = self.windows[key] = Window(rule, key[0], end_ms)
            self.due_ms = min(self.due_ms, end_ms)
        self.current = window
        return window

    def close(self, node: UUID, generation: int, now_ms: int, out: Rows) -> int:
        """Move the windows that ended by ``now_ms`` into ``out``; how many there were.

        ``created_ms`` is the end. A result that is not finite gives no row and is counted.
        """
        if now_ms < self.due_ms:
            return 0
        due = [item for item in self.windows.items() if item[1].end_ms <= now_ms]
        for key, window in sorted(due, key=lambda item: item[1].end_ms):
            del self.windows[key]
            start_ms, seconds, function = key
            state = window.result()
            if not math.isfinite(state):
                out.nonfinite_windows += 1
                continue
            end_ms = window.end_ms
            out.aggregates.append(
                (
                    *(node, generation, state, function.value, seconds),
                    *(end_ms, start_ms, end_ms, window.count),
                )
            )
        self._look_again()
        return len(due)

    def begin_series(self) -> None:
        """Forget open windows and the count of rows: saved data were deleted or replaced.

        The filter state stays (spec datapipe.md 10).
        """
        self.seq = 0
        self.windows.clear()
        self._look_again()

    def dump(self) -> MemoryDump:
        """Plain values from which :meth:`load` makes the same memory, sums included bit for bit."""
        windows = tuple(
            (start_ms, seconds, function.value, window.count, window.total, window.rest)
            for (start_ms, seconds, function), window in self.windows.items()
        )
        return self.last_ms, self.last_value, self.seq, windows

    @classmethod
    def load(cls, dump: MemoryDump) -> NodeMemory:
        memory = cls()
        memory.last_ms, memory.last_value, memory.seq, windows = dump
        for start_ms, seconds, function, count, total, rest in windows:
            rule = window_rule(seconds, AggregationFunction(function))
            window = memory.window_at(start_ms, rule)
            window.count, window.total, window.rest = count, total, rest
        memory.current = NO_WINDOW
        return memory

    def _look_again(self) -> None:
        self.current = NO_WINDOW
        self.due_ms = min((window.end_ms for window in self.windows.values()), default=NOT_DUE)
