"""Housekeeping of the stored series."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import Protocol
from uuid import UUID


class SeriesAdmin(Protocol):
    """Raises ``Unavailable`` when the store is down."""

    async def known(self) -> Set[tuple[UUID, int]]:
        """Every ``(node, generation)`` that has rows."""
        ...

    async def delete(self, series: Collection[tuple[UUID, int]]) -> None:
        """Free the space of series nobody can read any more."""
        ...

    async def check(self) -> None:
        """Return when the store answers."""
        ...
