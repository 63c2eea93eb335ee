"""Named leases: session-level advisory locks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from attrs import frozen
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.connections import advisory_key, autocommitting, connected
from pepeunit.adapters.postgres.refusals import border

_TRY: Final = select(func.pg_try_advisory_lock(bindparam("key")))


@frozen
class PostgresLeases:
    """Implements :class:`~pepeunit.ports.leases.Leases`.

    A lease lives as long as its connection: PostgreSQL frees it when that ends, however it ends.
    ``engine`` must not be pooled (``connect(url, is_pooled=False)``), so that leases held for
    long starve nobody and closing is what releases.
    """

    engine: AsyncEngine

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        async with connected(autocommitting(self.engine)) as connection:
            with border():
                taken = await connection.execute(_TRY, {"key": advisory_key("lease", name)})
            yield bool(taken.scalar_one())
