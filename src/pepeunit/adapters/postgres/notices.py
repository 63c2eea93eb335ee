"""Notices over PostgreSQL's LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from attrs import frozen
from sqlalchemy import ARRAY, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.connections import connected
from pepeunit.adapters.postgres.refusals import border
from pepeunit.domain.errors import Unavailable

CHANNEL: Final = "pepeunit_live"
HEARD_MAX: Final = 10_000
"""Of 8 KB at most each."""
_TELL: Final = select(func.pg_notify(CHANNEL, func.unnest(bindparam("notices", type_=ARRAY(Text)))))


@frozen
class PostgresNotices:
    """Implements :class:`~pepeunit.ports.notices.Notices`. ``engine`` tells, ``ear`` (an engine
    without a pool) keeps one connection open while somebody hears."""

    engine: AsyncEngine
    ear: AsyncEngine
    heard_max: int = HEARD_MAX

    async def tell(self, notices: Sequence[str]) -> None:
        if not notices:
            return
        async with connected(self.engine) as connection:
            with border():
                await connection.execute(_TELL, {"notices": list(notices)})
                await connection.commit()

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[AsyncIterator[str]]:
        heard: asyncio.Queue[str | None] = asyncio.Queue()

        def take(_connection: Any, _pid: int, _channel: str, notice: str) -> None:
            if heard.qsize() < self.heard_max:
                heard.put_nowait(notice)
            elif heard.qsize() == self.heard_max:
                heard.put_nowait(None)

        def lost(_connection: Any) -> None:
            heard.put_nowait(None)

        async with connected(self.ear) as connection:
            with border():
                raw = await connection.get_raw_connection()
                driver: Any = raw.driver_connection
                driver.add_termination_listener(lost)
                await driver.add_listener(CHANNEL, take)
            try:
                yield _heard(heard)
            finally:
                driver.remove_termination_listener(lost)
                if not driver.is_closed():
                    await driver.remove_listener(CHANNEL, take)


async def _heard(heard: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    while (notice := await heard.get()) is not None:
        yield notice
    raise Unavailable("PostgreSQL", "the connection that hears of live data is lost")
