"""Copies of the column store for backups: out while others write, in over what is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.copying import copy_series_in, copy_series_out
from pepeunit.adapters.clickhouse.tables import TABLES
from pepeunit.domain.ids import UnitId
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.ports.logs import LogQuery
from pepeunit.ports.series_writer import SeriesBatch
from tests.contracts.series_stores import SeriesStore, of_clickhouse
from tests.contracts.test_series import aggregate, asked, entry, new_node, record, token
from tests.doubles.clickhouse import ClickHouseServer

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


@pytest.fixture
async def stores(
    clickhouse_folder: Path, clickhouse_server: ClickHouseServer
) -> AsyncIterator[dict[str, SeriesStore]]:
    embedded = await ClickHouse.open(Address(clickhouse_folder))
    remote = await ClickHouse.open(Address.of(clickhouse_server.url))
    yield {"embedded": of_clickhouse(embedded), "server": of_clickhouse(remote)}
    await embedded.close()
    await remote.close()


@pytest.mark.parametrize(("source", "target"), [("embedded", "server"), ("server", "embedded")])
async def test_a_copy_comes_back_elsewhere_row_by_row(
    stores: dict[str, SeriesStore], source: str, target: str, tmp_path: Path
) -> None:
    old, new, node, unit = stores[source], stores[target], new_node(), UnitId(new_node())
    batch = SeriesBatch(
        token(),
        [record(node, n) for n in range(1, 3_000)],
        [entry(node, n) for n in range(1, 20_000)],
        [aggregate(node, n) for n in range(50)],
    )
    log = UnitLog(unit, LogLevel.ERROR, "a\ttext\n", LATER, LATER)
    await old.writer.write(batch)
    await old.writer.write(SeriesBatch(token(), batch.n_records))
    await old.logs.append([log])
    assert old.store is not None and new.store is not None
    rows = await copy_series_out(old.store, tmp_path)
    assert sorted(rows) == sorted(table.name for table in TABLES)
    assert rows["window_entry"] >= 19_999
    for _ in range(2):  # a restore that is tried again
        await copy_series_in(new.store, [*rows], tmp_path)
    for policy in ("NRecords", "TimeWindow", "Aggregation"):
        query = asked(node, policy, limit=1024)
        assert (await new.reader.find(query)) == (await old.reader.find(query))
    found = await new.logs.find(LogQuery(unit, LATER - timedelta(minutes=1)))
    assert list(found.items) == [log]


async def test_a_copy_is_of_one_moment_and_holds_nobody_up(
    stores: dict[str, SeriesStore], tmp_path: Path
) -> None:
    """Rows written meanwhile are in or not, never half."""
    series, node = stores["embedded"], new_node()
    assert series.store is not None
    await series.writer.write(SeriesBatch(token(), (), [entry(node, n) for n in range(1, 60_001)]))
    copying = asyncio.create_task(copy_series_out(series.store, tmp_path))
    written = 60_000
    while not copying.done():
        rows = [entry(node, n) for n in range(written + 1, written + 101)]
        await series.writer.write(SeriesBatch(token(), (), rows))
        written += 100
    await copying
    await series.admin.delete([(node, 1)])
    assert (await series.reader.find(asked(node, "TimeWindow"))).count == 0
    other = stores["server"]
    assert other.store is not None
    await copy_series_in(other.store, ["window_entry"], tmp_path)
    back = (await other.reader.find(asked(node, "TimeWindow"))).count
    assert 60_000 <= back <= written and back % 100 == 0
