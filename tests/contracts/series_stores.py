"""The stores of series the contracts are held to: memory, the embedded engine, a server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse, open_client
from pepeunit.adapters.clickhouse.logs import ClickHouseLogs
from pepeunit.adapters.clickhouse.series_admin import ClickHouseSeriesAdmin
from pepeunit.adapters.clickhouse.series_reader import ClickHouseSeriesReader
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.ports.logs import Logs
from pepeunit.ports.series_admin import SeriesAdmin
from pepeunit.ports.series_reader import SeriesReader
from pepeunit.ports.series_writer import SeriesWriter
from tests.doubles.clickhouse import ClickHouseServer
from tests.doubles.ports import free_port

COLUMN_STORES = ("memory", "embedded", "server")


@frozen
class SeriesStore:
    writer: SeriesWriter
    reader: SeriesReader
    admin: SeriesAdmin
    logs: Logs
    store: ClickHouse | None = None


def of_clickhouse(store: ClickHouse) -> SeriesStore:
    return SeriesStore(
        ClickHouseSeriesWriter(store),
        ClickHouseSeriesReader(store),
        ClickHouseSeriesAdmin(store),
        ClickHouseLogs(store),
        store,
    )


def require_engine() -> None:
    if find_spec("chdb") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chdb-core-lite is not installed")
        pytest.skip("chdb-core-lite is not installed")


@pytest.fixture(scope="package")
def clickhouse_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for these tests: a process has one engine, and the engine one folder; the
    journeys that come later open their own."""
    require_engine()
    folder = tmp_path_factory.mktemp("clickhouse") / "embedded"
    kept_open = open_client(Address(folder))
    yield folder
    kept_open.close()


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    require_engine()
    server = ClickHouseServer(tmp_path_factory.mktemp("clickhouse") / "server", free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=COLUMN_STORES)
async def series(request: pytest.FixtureRequest) -> AsyncIterator[SeriesStore]:
    if request.param == "memory":
        memory = MemorySeries()
        yield SeriesStore(memory, memory, memory, MemoryLogs())
        return
    address: Any
    if request.param == "embedded":
        address = Address(request.getfixturevalue("clickhouse_folder"))
    else:
        server = request.getfixturevalue("clickhouse_server")
        address = Address.of(server.url)
    store = await ClickHouse.open(address)
    yield of_clickhouse(store)
    await store.close()
