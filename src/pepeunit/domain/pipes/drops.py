"""Why a message is not kept (spec datapipe.md 4, rulings 35)."""

from __future__ import annotations

import enum
from typing import Final


class Drop(enum.IntEnum):
    """In the order in which a message meets them; the number is the index in :data:`Drops`."""

    INACTIVE = 0
    ENCODING = 1
    TYPE = 2
    LIST = 3
    THRESHOLD = 4
    RATE = 5
    SIZE = 6
    UNIQUE = 7
    NONFINITE = 8

    @property
    def word(self) -> str:
        return self.name.lower()


REASONS: Final = tuple(drop.word for drop in Drop)

Drops = list[int]
"""How many messages were dropped, by the number of the reason."""


def no_drops() -> Drops:
    return [0] * len(REASONS)
