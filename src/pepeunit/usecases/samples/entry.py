"""Rows on their way to one store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import define

from pepeunit.ports.record_codec import Tables

ROW_BYTES: Final = 200
"""About what a row takes in memory besides its text."""


@define(eq=False)
class Entry:
    """Rows cut at one position of the journal. ``tables`` is None while they are only spooled."""

    number: int
    position: int
    tables: Tables | None
    row_count: int
    since: float
    """On the loop's clock."""
    is_live: bool
    """Gathered while the store answered."""
    text_bytes: int
    spooled_bytes: int = 0
    is_stored: bool = False

    @property
    def memory_bytes(self) -> int:
        return 0 if self.tables is None else self.row_count * ROW_BYTES + self.text_bytes


def halves(tables: Tables, count: int) -> tuple[Tables, Tables]:
    """The rows in two parts; ``count`` is how many there are."""
    left: list[Sequence[Any]] = []
    right: list[Sequence[Any]] = []
    room = count // 2
    for table in tables:
        left.append(table[:room])
        right.append(table[room:])
        room = max(0, room - len(table))
    return left, right
