"""git's progress text as a number (spec rulings 24: ``sync_progress``)."""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from pepeunit.ports.mirrors import Progress

_LINE = re.compile(rb"(Counting|Receiving|Resolving)[^:\r\n]*:\s+(\d{1,3})%")
_SHARES: Final = {b"Counting": (0, 5), b"Receiving": (5, 85), b"Resolving": (90, 9)}
"""Where each phase starts and how much of the whole it takes; the last percent is the swap."""


@define
class ProgressReader:
    """Turns chunks of git's standard error into rising percents, each told once."""

    tell: Progress
    _rest: bytes = field(default=b"", init=False)
    _told: int = field(default=-1, init=False)

    def __call__(self, chunk: bytes) -> None:
        text = self._rest + chunk
        for phase, percent in _LINE.findall(text):
            start, share = _SHARES[phase]
            self.reach(start + min(int(percent), 100) * share // 100)
        self._rest = re.split(rb"[\r\n]", text)[-1][-200:]

    def reach(self, percent: int) -> None:
        """Tell ``percent`` unless as much was told before."""
        if percent > self._told:
            self._told = percent
            self.tell(percent)
