"""Housekeeping of the stored series."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import Protocol
from uuid import UUID


class SeriesAdmin(Protocol):
    """Raises ``Unavailable`` when the store is down."""

    async def known(self) -> Set[tuple[UUID, int]]:
        """Every ``(node, generation)`` that has rows."""
        ...

    async def numbers(
        self, before_ms: int | None = None
    ) -> Mapping[tuple[UUID, int], tuple[int, int]]:
        """The greatest number among the NRecords and the TimeWindow rows of every series, 0 where
        it has none; of those created before a moment alone."""
        ...

    async def delete(self, series: Collection[tuple[UUID, int]]) -> None:
        """Free the space of series nobody can read any more."""
        ...

    async def check(self) -> None:
        """Return when the store answers."""
        ...
