"""A token bucket that may be overdrawn: who overdraws waits."""

from __future__ import annotations


class Bucket:
    """Holds one second's worth of tokens. ``per_second`` 0 means there is no limit."""

    __slots__ = ("_at_seconds", "_left", "_per_second")

    def __init__(self, per_second: float, now_seconds: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._at_seconds = now_seconds

    def take(self, count: float, now_seconds: float) -> float:
        """Takes ``count`` tokens; returns the seconds to wait before the next may be taken."""
        rate = self._per_second
        if not rate:
            return 0.0
        left = min(rate, self._left + (now_seconds - self._at_seconds) * rate)
        self._left = left - count
        self._at_seconds = now_seconds
        return max(0.0, -self._left / rate)
