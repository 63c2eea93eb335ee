"""Counting tries in a sliding window."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime
from typing import Final

from attrs import define, field

from pepeunit.ports.clock import Clock

KEYS_MAX: Final = 100_000


@define(eq=False)
class MemoryThrottle:
    """Implements :class:`~pepeunit.ports.throttle.Throttle`: ``limit`` tries a key in any
    ``window_seconds``.

    Beyond ``keys_max`` keys the one that tried longest ago is forgotten, so that a flood of made
    up keys costs bounded memory.
    """

    limit: int
    window_seconds: float
    clock: Clock
    keys_max: int = KEYS_MAX
    _tries: OrderedDict[str, deque[datetime]] = field(factory=OrderedDict, init=False)

    def wait_seconds(self, key: str) -> float | None:
        tries = self._tries.get(key)
        if tries is None or len(tries) < self.limit:
            return None
        # The deque holds the last ``limit`` tries: the oldest leaving the window frees a place.
        passed = (self.clock() - tries[0]).total_seconds()
        return self.window_seconds - passed if 0 <= passed < self.window_seconds else None

    def record(self, key: str) -> None:
        tries = self._tries.pop(key, None)
        if tries is None:
            tries = deque(maxlen=self.limit)
        tries.append(self.clock())
        self._tries[key] = tries
        while len(self._tries) > self.keys_max:
            self._tries.popitem(last=False)

    def withdraw(self, key: str) -> None:
        tries = self._tries.get(key)
        if tries:
            tries.pop()

    def forget(self, key: str) -> None:
        self._tries.pop(key, None)
