"""Named leases inside one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field


@define(eq=False)
class MemoryLeases:
    """Implements :class:`~pepeunit.ports.leases.Leases` among the tasks of one process."""

    _held: set[str] = field(factory=set, init=False)

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        if name in self._held:
            yield False
            return
        self._held.add(name)
        try:
            yield True
        finally:
            self._held.discard(name)
