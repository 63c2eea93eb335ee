"""From accept to ClickHouse on the real journal, checkpoint and embedded engine, over crashes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.series_admin import ClickHouseSeriesAdmin
from pepeunit.adapters.clickhouse.series_reader import ClickHouseSeriesReader
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.adapters.embedded.checkpoint import SqliteCheckpoint, copy_checkpoint
from pepeunit.adapters.embedded.journal import FileJournal
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.domain.errors import Unavailable
from pepeunit.ports.series_reader import SeriesQuery
from pepeunit.ports.series_writer import SeriesBatch
from tests.usecases.samples.site import LAST_VALUE, QUICK, RECORDS, SUMS, Site, until


class ClickHouseSeries:
    """Writer and housekeeping in one, with a switch."""

    def __init__(self, store: ClickHouse) -> None:
        self.writer = ClickHouseSeriesWriter(store)
        self.admin = ClickHouseSeriesAdmin(store)
        self.is_down = False
        self.known, self.delete = self.admin.known, self.admin.delete
        self.numbers = self.admin.numbers

    async def write(self, batch: SeriesBatch) -> None:
        if self.is_down:
            raise Unavailable("ClickHouse", "down")
        await self.writer.write(batch)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ClickHouse]:
    opened = await ClickHouse.open(Address(tmp_path / "engine"))
    yield opened
    await opened.close()


@asynccontextmanager
async def process(site: Site, folder: Path) -> AsyncIterator[None]:
    """A process over the files; at the end it is gone without a word."""
    site.journal = journal = await FileJournal.open(folder / "journal")  # type: ignore[assignment]
    site.checkpoint = checkpoint = await SqliteCheckpoint.open(folder / "checkpoint.sqlite")
    try:
        await site.start()
        yield
    finally:
        await site.crash()
        await checkpoint.close()
        await journal.close()  # type: ignore[attr-defined]


async def rows(site: Site, store: ClickHouse, name: str, policy: str) -> list[Any]:
    async with MemoryDatabase.read(site.database) as tx:
        series = await tx.pipes.series(site.nodes[name])
    assert series is not None
    now_ms = int(site.clock().timestamp() * 1000)
    query = SeriesQuery(series, policy, now_ms, newest_first=False)
    return list((await ClickHouseSeriesReader(store).find(query)).items)


async def test_what_was_acknowledged_is_read_once_after_crashes(
    store: ClickHouse, tmp_path: Path
) -> None:
    series = ClickHouseSeries(store)
    site = Site(series=series)
    await site.furnish(value=LAST_VALUE, records=RECORDS, sums=SUMS)
    for life in range(4):
        async with process(site, tmp_path):
            series.is_down = life % 2 == 1
            for number in range(10):
                site.clock.at(life * 10 + number)
                await site.send("records", f"{life}.{number}")
                await site.send("value", f"{life}.{number}")
                await site.send("sums", "1")
            if life == 0:
                await site.stored()
    async with process(site, tmp_path):
        series.is_down = False
        site.clock.at(60)
        await site.windows_over()
        found = await rows(site, store, "records", "NRecords")
        assert [row[3] for row in found] == [f"{m}.{n}" for m in range(4) for n in range(10)]
        assert [row[2] for row in found] == list(range(1, 41))
        assert [row[2] for row in await rows(site, store, "sums", "Aggregation")] == [40.0]
        assert await site.value("value") == "3.9"
        assert await site.stop()
        assert site.journal.waiting_bytes == 0


async def test_a_purge_empties_the_series_and_what_was_on_its_way(
    store: ClickHouse, tmp_path: Path
) -> None:
    series = ClickHouseSeries(store)
    site = Site(series=series)
    await site.furnish(records=RECORDS, sums=SUMS)
    async with process(site, tmp_path):
        await site.send("records", "stored")
        await site.stored()
        series.is_down = True
        await site.send("records", "waiting")
        await site.send("sums", "1")
        await site.purge("records")
        await site.purge("sums")
        await site.send("records", "after")
        await site.send("sums", "2")
    async with process(site, tmp_path):
        series.is_down = False
        site.clock.at(60)
        await site.windows_over()
        assert [row[3] for row in await rows(site, store, "records", "NRecords")] == ["after"]
        assert [row[2] for row in await rows(site, store, "sums", "Aggregation")] == [2.0]
        tenure = site.ingest.tenure
        assert tenure is not None
        await tenure._sweep.delete_orphans()
        known = {node for node, generation in await series.known() if generation == 1}
        assert site.nodes["records"] not in known


@pytest.mark.parametrize("loss", ["checkpoint", "journal", "segments", "both", "later rows"])
async def test_no_row_that_clickhouse_has_is_replaced_when_what_numbers_it_is_lost(
    store: ClickHouse, tmp_path: Path, loss: str
) -> None:
    folder, copy = tmp_path / "data", tmp_path / "copy"
    folder.mkdir()
    site = Site(series=ClickHouseSeries(store))
    await site.furnish(records=RECORDS)
    async with process(site, folder):
        await site.send("records", "a", "b")
        await site.stored()
        assert await site.stop()
    site.limits = evolve(QUICK, checkpoint_seconds_min=3600.0)
    async with process(site, folder):
        site.clock.at(1)
        await site.send("records", "c")
        await site.stored()
        checkpointer = site.ingest.tenure.checkpointer  # type: ignore[union-attr]
        await until(lambda: checkpointer.due_at not in (None, 0.0))
        if loss == "later rows":
            shutil.copytree(folder / "journal", copy / "journal")
            assert copy_checkpoint(folder / "checkpoint.sqlite", copy / "checkpoint.sqlite")
        site.clock.at(2)
        await site.send("records", "d", "e")
        await site.stored()
    site.limits = QUICK
    if loss == "later rows":  # a copy that was made while the platform ran
        folder = copy
    if loss in ("checkpoint", "both"):
        for file in folder.glob("checkpoint.sqlite*"):
            file.unlink()
    if loss in ("journal", "both"):
        shutil.rmtree(folder / "journal")
    if loss == "segments":
        for file in (folder / "journal").glob("*.segment"):
            file.unlink()
    async with process(site, folder):
        site.clock.at(3)
        await site.send("records", "f")
        await site.stored()
    async with process(site, folder):
        site.clock.at(4)
        await site.send("records", "g")
        await site.stored()
        found = await rows(site, store, "records", "NRecords")
        assert [row[2:4] for row in found] == list(enumerate("abcdefg", start=1))
