"""How much one unit may log (spec access.md W45)."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Final

from attrs import define, field

from pepeunit.domain.ids import UnitId

ENTRIES_PER_SECOND: Final = 30.0
"""As many as messages: entries that are sent one by one are never too many."""
ENTRIES_BURST: Final = 10_000
"""A log that is sent whole."""
UNITS_MAX: Final = 10_000


@define(eq=False)
class LogShare:
    """Counts the stored entries of each unit, over all its connections.

    Beyond ``units_max`` units the one that logged longest ago is forgotten: its share is whole.
    """

    per_second: float = ENTRIES_PER_SECOND
    burst: int = ENTRIES_BURST
    units_max: int = UNITS_MAX
    _left: OrderedDict[UnitId, tuple[float, datetime]] = field(factory=OrderedDict, init=False)

    def left(self, unit: UnitId, now: datetime) -> int:
        """How many entries of the unit may be stored now."""
        return int(self._now(unit, now))

    def spend(self, unit: UnitId, count: int, now: datetime) -> None:
        """So many were stored."""
        self._left[unit] = (self._now(unit, now) - count, now)
        self._left.move_to_end(unit)
        while len(self._left) > self.units_max:
            self._left.popitem(last=False)

    def _now(self, unit: UnitId, now: datetime) -> float:
        left, at = self._left.get(unit, (float(self.burst), now))
        passed = max(0.0, (now - at).total_seconds())  # a clock that went back gives nothing
        return min(float(self.burst), left + passed * self.per_second)
