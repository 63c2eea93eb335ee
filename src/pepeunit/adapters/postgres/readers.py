"""Connections that run single statements outside transactions, driven by asyncpg itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from attrs import define, field

from pepeunit.adapters.postgres.refusals import border, driver_border


async def set_uuid_codec(connection: Any) -> None:
    """The driver's own UUID class is one that orjson refuses."""
    await connection.set_type_codec(
        "uuid",
        schema="pg_catalog",
        encoder=lambda uuid: uuid.bytes,
        decoder=lambda octets: UUID(bytes=octets),
        format="binary",
    )


async def _prepare(connection: Any) -> None:
    await set_uuid_codec(connection)
    await connection.set_type_codec(
        "json",
        schema="pg_catalog",
        encoder=str.encode,
        decoder=_read_json,
        format="binary",
    )


def _read_json(octets: bytes) -> Any:
    """Ten times as fast as the library's own, which reads half a surrogate pair too."""
    try:
        return orjson.loads(octets)
    except orjson.JSONDecodeError:
        return json.loads(octets)


async def _leave_as_it_is(_: Any) -> None:
    """A single statement leaves nothing on its connection that must be reset."""


@define(eq=False)
class Readers:
    """``connections_max`` connections, opened as they are needed."""

    _arguments: Mapping[str, Any] = field(repr=False)
    _connections_max: int
    _wait_seconds: float
    _pool: Any = field(default=None, init=False)

    async def fetch(self, text: str, arguments: Sequence[Any]) -> list[Any]:
        """The rows as tuples. Raises ``Unavailable``."""
        with border():
            pool = self._pool or await self._opened()
            connection = await pool.acquire(timeout=self._wait_seconds)
        try:
            with driver_border():
                rows: list[Any] = await connection.fetch(text, *arguments)
            return rows
        finally:
            await pool.release(connection)

    async def _opened(self) -> Any:
        self._pool = asyncpg.create_pool(
            min_size=0,
            max_size=self._connections_max,
            init=_prepare,
            reset=_leave_as_it_is,
            **self._arguments,
        )
        # without a first connection nothing is waited for: nobody else finds it half open
        await self._pool
        return self._pool

    def end(self, _: object = None) -> None:
        """Close every connection at once; the next statement opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()
