"""Engines and connections: how PostgreSQL is reached, and for how long it may keep us waiting."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from attrs import frozen
from sqlalchemy import URL, event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from pepeunit.adapters.postgres.readers import Readers, set_uuid_codec
from pepeunit.adapters.postgres.recent import Recent
from pepeunit.adapters.postgres.refusals import border
from pepeunit.adapters.postgres.statements import Statements

DRIVER: Final = "postgresql+asyncpg"


@frozen
class ConnectionLimits:
    """``pool_wait_seconds`` is how long a caller waits while every connection is in use.

    ``readers_max`` connections run prepared statements outside transactions, ``connections_max``
    everything else.
    """

    connections_max: int = 16
    readers_max: int = 8
    pool_wait_seconds: float = 10.0
    connect_seconds: float = 5.0
    statement_seconds: float = 30.0
    lock_wait_seconds: float = 15.0
    dead_peer_seconds: int = 30


def connect(
    url: str, limits: ConnectionLimits = ConnectionLimits(), *, is_pooled: bool = True
) -> AsyncEngine:
    """An engine for ``postgresql://`` URLs; nothing is opened before the first use.

    ``is_pooled=False`` opens a connection for every use and closes it after: for leases.
    """
    seconds = limits.dead_peer_seconds
    arguments: dict[str, Any] = {
        "timeout": limits.connect_seconds,
        "command_timeout": limits.statement_seconds,
        "server_settings": {
            "application_name": "pepeunit",
            "jit": "off",
            "lock_timeout": str(int(limits.lock_wait_seconds * 1000)),
            "tcp_keepalives_idle": str(seconds),
            "tcp_keepalives_interval": str(max(1, seconds // 3)),
        },
    }
    pool: dict[str, Any] = (
        {
            "pool_size": limits.connections_max,
            "max_overflow": 0,
            "pool_timeout": limits.pool_wait_seconds,
        }
        if is_pooled
        else {"poolclass": NullPool}
    )
    engine = create_async_engine(
        _driver_url(url), connect_args=arguments, hide_parameters=True, **pool
    )
    event.listen(engine.sync_engine, "connect", _read_plain_uuids)
    if is_pooled:
        _, address = engine.dialect.create_connect_args(engine.url)
        readers = Readers({**address, **arguments}, limits.readers_max, limits.pool_wait_seconds)
        event.listen(engine.sync_engine, "engine_disposed", readers.end)
        _readers[engine] = readers
    return engine


def _driver_url(url: str) -> URL:
    """The URL with our driver and with its name for libpq's ``sslmode``."""
    parsed = make_url(url).set(drivername=DRIVER)
    if mode := parsed.query.get("sslmode"):
        return parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return parsed


def _read_plain_uuids(connection: Any, _: object) -> None:
    """The driver's own UUID class is one that orjson refuses."""
    connection.run_async(set_uuid_codec)


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection; what is not committed at the end is rolled back. Raises ``Unavailable``."""
    async with AsyncExitStack() as stack:
        with border():
            connection = await stack.enter_async_context(engine.connect())
        yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine, recent: Recent | None = None) -> AsyncIterator[Statements]:
    """Statements in a transaction, committed on clean exit."""
    async with connected(engine) as connection:

        async def opened() -> AsyncConnection:
            return connection

        statements = Statements(opened, True, _readers.get(engine), recent)
        yield statements
        if statements.is_broken:
            raise RuntimeError("a conflict was swallowed: the transaction is rolled back")
        try:
            with border():
                await connection.commit()
        finally:
            statements.forget()


@asynccontextmanager
async def reading(engine: AsyncEngine, recent: Recent | None = None) -> AsyncIterator[Statements]:
    """Statements that may not write, each a transaction of its own."""
    async with AsyncExitStack() as stack:
        found: AsyncConnection | None = None

        async def opened() -> AsyncConnection:
            nonlocal found
            if found is None:
                found = await stack.enter_async_context(connected(autocommitting(engine)))
            return found

        yield Statements(opened, False, _readers.get(engine), recent)


def autocommitting(engine: AsyncEngine) -> AsyncEngine:
    """The same pool without BEGIN and COMMIT around every read; made once for each engine."""
    found = _autocommitting.get(engine)
    if found is None:
        found = engine.execution_options(isolation_level="AUTOCOMMIT")
        _autocommitting[engine] = found
    return found


_autocommitting: WeakKeyDictionary[AsyncEngine, AsyncEngine] = WeakKeyDictionary()
_readers: WeakKeyDictionary[AsyncEngine, Readers] = WeakKeyDictionary()


def advisory_key(kind: str, name: str) -> int:
    """The 64-bit number that stands for a named lock."""
    digest = hashlib.sha256(f"{kind}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
