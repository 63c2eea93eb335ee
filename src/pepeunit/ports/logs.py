"""Unit logs. A store frees expired entries by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from pepeunit.domain.ids import UnitId
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.ports.paging import WHOLE, Page, Slice


@frozen
class LogQuery:
    """Entries that expire at or before ``now`` are left out."""

    unit: UnitId
    now: datetime
    levels: frozenset[LogLevel] | None = None
    newest_first: bool = True
    slice: Slice = WHOLE


class Logs(Protocol):
    async def append(self, entries: Sequence[UnitLog]) -> None:
        """Store entries durably; an entry of known identity is stored once, and lives as long
        as the last that was sent.

        Raises ``Invalid`` for texts no store can hold, and then stores nothing."""
        ...

    async def find(self, query: LogQuery) -> Page[UnitLog]: ...

    async def delete_unit(self, unit: UnitId) -> None: ...
