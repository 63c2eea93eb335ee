"""How many rows a list has, remembered while nothing changes it.

A page of ten is read off an index at once; counting every row that matches costs a hundred times
that, and people turn pages. What this process inserts or deletes forgets every count; what other
processes do is seen within a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Final

from attrs import define, field

SECONDS_MAX: Final = 1.0
COUNTS_MAX: Final = 1_024


@define(eq=False)
class Counts:
    """By query; ``generation`` moves with every change, so that a count begun before a change is
    not remembered after it."""

    clock: Callable[[], float] = time.monotonic
    generation: int = 0
    _known: dict[Hashable, tuple[float, int]] = field(factory=dict)

    def get(self, query: Hashable) -> int | None:
        found = self._known.get(query)
        if found is None or self.clock() > found[0]:
            return None
        return found[1]

    def put(self, query: Hashable, count: int, generation: int) -> None:
        if generation != self.generation:
            return
        if len(self._known) >= COUNTS_MAX:
            self._known.clear()
        self._known[query] = (self.clock() + SECONDS_MAX, count)

    def forget(self) -> None:
        self.generation += 1
        self._known.clear()
