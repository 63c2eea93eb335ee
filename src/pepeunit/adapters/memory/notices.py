"""Notices between hubs of one process: for tests and the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from attrs import define, field

from pepeunit.domain.errors import Unavailable


@define(eq=False)
class MemoryNotices:
    """Implements :class:`~pepeunit.ports.notices.Notices`."""

    heard_max: int = 10_000
    _ears: list[asyncio.Queue[str | None]] = field(factory=list, init=False)

    async def tell(self, notices: Sequence[str]) -> None:
        for notice in notices:
            for ear in self._ears:
                if ear.qsize() < self.heard_max:
                    ear.put_nowait(notice)
                elif ear.qsize() == self.heard_max:
                    ear.put_nowait(None)

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[AsyncIterator[str]]:
        ear: asyncio.Queue[str | None] = asyncio.Queue()
        self._ears.append(ear)
        try:
            yield _heard(ear)
        finally:
            self._ears.remove(ear)


async def _heard(ear: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    while (notice := await ear.get()) is not None:
        yield notice
    raise Unavailable("notices", "more was told than fits")
