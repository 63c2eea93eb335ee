"""Aggregation windows: constant-size accumulators (spec datapipe.md 5).

A sum is kept as a float64 and the compensation of its rounding errors (Neumaier's sum, the error
of each step found by Knuth's branch-free two-sum), so the result is as if added in twice the
precision. A sum that leaves the range of float64 on its way has no result.
"""

from __future__ import annotations

import math
from typing import Final

from pepeunit.domain.pipes.config import AggregationFunction

WindowKey = tuple[int, int, AggregationFunction]
"""``(start_ms, size_seconds, function)``: a window's identity within its node."""

WindowDump = tuple[int, int, str, int, float, float]
"""``(start_ms, size_seconds, function, count, total, rest)``"""

_START: Final = {AggregationFunction.MIN: math.inf, AggregationFunction.MAX: -math.inf}


class WindowRule:
    """Size and function of windows. One object for equal rules: compare by identity."""

    __slots__ = ("bounds", "function", "milliseconds", "seconds", "start", "word")

    def __init__(self, seconds: int, function: AggregationFunction) -> None:
        self.seconds = seconds
        self.function = function
        self.word: str = function.value
        self.milliseconds = seconds * 1000
        self.start = _START.get(function, 0.0)
        self.bounds = self._bounds(0)

    def bounds_at(self, time_ms: int) -> tuple[WindowKey, int]:
        """The key and the end of the window of a time. Nodes share these objects."""
        start = time_ms - time_ms % self.milliseconds
        bounds = self.bounds
        if bounds[0][0] != start:
            bounds = self.bounds = self._bounds(start)
        return bounds

    def result(self, count: int, total: float, rest: float) -> float:
        """The aggregate of a window, not rounded; infinite or NaN where float64 cannot hold it."""
        if self.function is AggregationFunction.AVG:
            return (total + rest) / count
        return total + rest

    def _bounds(self, start: int) -> tuple[WindowKey, int]:
        return (start, self.seconds, self.function), start + self.milliseconds


_RULES: Final[dict[tuple[int, AggregationFunction], WindowRule]] = {}


def window_rule(seconds: int, function: AggregationFunction) -> WindowRule:
    """The one rule of this size and function."""
    return _RULES.setdefault((seconds, function), WindowRule(seconds, function))


class Window:
    """The messages of ``[start_ms, end_ms)``. ``total`` is their sum or their extreme so far,
    ``rest`` what the rounding of the sum lost."""

    __slots__ = ("count", "end_ms", "rest", "rule", "start_ms", "total")

    def __init__(self, rule: WindowRule, start_ms: int, end_ms: int) -> None:
        self.rule = rule
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.count = 0
        self.total = rule.start
        self.rest = 0.0

    @property
    def key(self) -> WindowKey:
        return self.start_ms, self.rule.seconds, self.rule.function

    def dump(self) -> WindowDump:
        rule = self.rule
        return self.start_ms, rule.seconds, rule.word, self.count, self.total, self.rest
