"""CSV of a node's data over REST and the embedded engine: ``python -m benchmarks.csv_files``.

An argument gives the number of rows. The client that uploads and downloads runs in the same
process, so its work counts too. Rows are counted in the store.
"""

from __future__ import annotations

import asyncio
import platform
import resource
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO
from uuid import uuid4

import aiohttp
from aiohttp import web
from attrs import evolve

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.series_admin import ClickHouseSeriesAdmin
from pepeunit.adapters.clickhouse.series_reader import ClickHouseSeriesReader
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.pipeline import MemoryPipeline
from pepeunit.adapters.memory.throttle import MemoryThrottle
from pepeunit.codecs.pipe import dump_pipe_json
from pepeunit.codecs.pipe_csv import moment_text
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, RegistryId, RepoId, UnitId, UserId
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.pipes.config import (
    DEFAULT_PIPE,
    PAYLOAD_BYTES_MAX,
    Filters,
    InputType,
    PolicyType,
    ProcessingPolicy,
)
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.domain.registries.registry import GitPlatform, Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.entrypoints.http.app import make_app, make_runner
from pepeunit.entrypoints.http.pipes import PipeDoor
from pepeunit.entrypoints.http.site import HttpLimits, Site
from pepeunit.entrypoints.memory import spare_memory
from pepeunit.entrypoints.wiring.pipe_forms import pipe_forms
from pepeunit.ports.paging import Slice
from pepeunit.ports.series_reader import SeriesQuery
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.audit.recording import RecordingDatabase
from pepeunit.usecases.pipes.configure import CheckPipeConfig, GetPipeConfig, SetPipeConfig
from pepeunit.usecases.pipes.drops import ReadPipeDrops
from pepeunit.usecases.pipes.export_series import ExportSeries
from pepeunit.usecases.pipes.import_series import ImportSeries
from pepeunit.usecases.pipes.purge import PurgeSeries
from pepeunit.usecases.pipes.read_series import ReadSeries
from pepeunit.usecases.pipes.rules import PipeRules

ROWS = 1_000_000
ONE = Slice(0, 1)
STEP_MS = 50
CSV_BYTES_MAX = 256 * 1024 * 1024
DAY = ProcessingPolicy(PolicyType.TIME_WINDOW, time_window_size=86_400)
PIPE = evolve(DEFAULT_PIPE, filters=Filters(InputType.NUMBER), processing_policy=DAY)


def now() -> datetime:
    return datetime.now(UTC)


async def a_node(database: MemoryDatabase) -> tuple[Agent, NodeId]:
    """A node with the pipe, and its creator."""
    moment = now()
    user = User(
        UserId(uuid4()), "bench", UserRole.USER, UserStatus.VERIFIED, "hash", moment, "organisation"
    )
    registry = Registry(
        RegistryId(uuid4()), GitPlatform.GITLAB, "https://x/y.git", True, moment, moment, user.uuid
    )
    repo = Repo(
        RepoId(uuid4()), "repo", Visibility.PUBLIC, registry.uuid, user.uuid, moment, moment, "main"
    )
    unit = Unit(UnitId(uuid4()), "unit", Visibility.PUBLIC, repo.uuid, user.uuid, moment, moment)
    node = Node(
        uuid=NodeId(uuid4()),
        type=NodeType.OUTPUT,
        topic_name="temp/pepeunit",
        unit_uuid=unit.uuid,
        creator_uuid=user.uuid,
        visibility_level=Visibility.PUBLIC,
        create_datetime=moment,
        last_update_datetime=moment,
        is_data_pipe_active=True,
        data_pipe_yml=dump_pipe_json(PIPE),
    )
    async with database.begin() as tx:
        await tx.users.put(user)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        await tx.units.put(unit)
        await tx.nodes.put([node])
    return Agent.user(user.uuid, UserRole.USER), node.uuid


def write_file(file: BinaryIO, rows: int) -> int:
    """A file as an export has it; its size."""
    start = to_ms(now() - timedelta(milliseconds=rows * STEP_MS))
    file.write(b"state,create_datetime\r\n")
    for first in range(0, rows, 10_000):
        lines = (
            f"{index * 0.7919 % 100:.4f},{moment_text(start + index * STEP_MS)}\r\n"
            for index in range(first, min(first + 10_000, rows))
        )
        file.write("".join(lines).encode())
    size = file.tell()
    file.seek(0)
    return size


def doors(database: RecordingDatabase, store: ClickHouse) -> PipeDoor:
    rules = PipeRules(pipe_forms(PAYLOAD_BYTES_MAX))
    reader, pipeline = ClickHouseSeriesReader(store), MemoryPipeline()
    writer, admin = ClickHouseSeriesWriter(store), ClickHouseSeriesAdmin(store)
    return PipeDoor(
        check_config=CheckPipeConfig(rules, MemoryThrottle(60, 60, now), 60),
        set_config=SetPipeConfig(database, rules, pipeline, now),
        get_config=GetPipeConfig(database, rules),
        read_data=ReadSeries(database, rules, reader, now),
        export_data=ExportSeries(database, rules, reader, now),
        import_data=ImportSeries(database, rules, writer, admin, pipeline, now),
        purge_data=PurgeSeries(database, rules, pipeline),
        read_drops=ReadPipeDrops(database, rules, pipeline),
    )


def resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(rows: int, folder: Path) -> None:
    stored = MemoryDatabase()
    agent, node = await a_node(stored)
    store = await ClickHouse.open(Address(folder / "clickhouse"))
    database = RecordingDatabase(stored, now, uuid4)

    async def authenticate(token: str | None) -> Agent:
        return agent

    facts = InstanceFacts("iot.example", is_secure=False, mqtt_host="h", mqtt_port=1883)
    site = Site(facts, limits=HttpLimits(spooled_bytes_max=CSV_BYTES_MAX))
    app = make_app([doors(database, store)], authenticate, site, "0", RecordActs(database))
    runner = make_runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/pepeunit/api/v1/unit_nodes"
    timeout = aiohttp.ClientTimeout(total=None)
    print(f"{platform.python_implementation()} {platform.python_version()}, {rows} rows")
    async with aiohttp.ClientSession(timeout=timeout) as session:
        with TemporaryFile() as file:
            size = write_file(file, rows)
            before, cpu = resident_mib(), time.process_time()
            form = aiohttp.FormData()
            form.add_field("data", file, filename="any.csv")
            began = time.perf_counter()
            path = f"{url}/set_data_pipe_data_csv?uuid={node}"
            async with session.post(path, data=form) as reply:
                assert reply.status == 204, await reply.text()
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        async with stored.read() as read:
            series = await read.pipes.series(node)
        assert series is not None
        query = SeriesQuery(series, "TimeWindow", to_ms(now()))
        count = (await ClickHouseSeriesReader(store).find(evolve(query, slice=ONE))).count
        assert count == rows, count
        tell("import", count, (seconds, cpu), f"{size / 2**20:.1f} MiB", before)
        before, cpu = resident_mib(), time.process_time()
        with TemporaryFile() as file:
            began = time.perf_counter()
            async with session.get(f"{url}/get_data_pipe_data_csv/{node}") as reply:
                assert reply.status == 200, await reply.text()
                async for piece in reply.content.iter_chunked(256 * 1024):
                    file.write(piece)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            size = file.tell()
            lines = count_lines(file)
        assert lines == rows + 1, lines
        tell("export", rows, (seconds, cpu), f"{size / 2**20:.1f} MiB", before)
    await runner.cleanup()
    await store.close()


def count_lines(file: BinaryIO) -> int:
    with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as content:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: content.read(2**20), b""))


def tell(what: str, rows: int, times: tuple[float, float], size: str, before: float) -> None:
    seconds, cpu = times
    print(
        f"{what}: {rows / seconds:,.0f} rows/s in {seconds:.1f} s ({cpu:.1f} s of processor,"
        f" {rows / cpu:,.0f} rows a processor second), {size},"
        f" memory +{resident_mib() - before:.0f} MiB at most"
    )


async def main() -> None:
    spare_memory()  # as the service does
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with TemporaryDirectory() as folder:
        await measure(rows, Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
