"""From a publish to a broker of its own to a stored row, with one command.

    python -m benchmarks.broker [qos0] [qos1] [--seconds N] [--rate N]

Three processes: one publisher, mosquitto, and the platform: the inbox, journal and checkpoint on
disk, the pipes, and the embedded ClickHouse engine. Rows are counted in the store, never
publishes. Pipes come from a table in memory, so that PostgreSQL takes no part.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from benchmarks.ingest import (
    KEPT_A_DAY,
    NODES,
    PipeTable,
    Publisher,
    Watched,
    _cpu_seconds,
    publish_qos_0,
    publish_qos_1,
    resident_bytes,
    run,
    until,
)
from tests.doubles.mosquitto import SETTINGS, Mosquitto

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.series_admin import ClickHouseSeriesAdmin
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.adapters.embedded.checkpoint import SqliteCheckpoint
from pepeunit.adapters.embedded.journal import FileJournal
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.codecs import records
from pepeunit.entrypoints.pipeline.inbox import Inbox
from pepeunit.entrypoints.pipeline.link import Broker
from pepeunit.entrypoints.pipeline.topics import NodeTopics
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.limits import IngestLimits

MIB = 1024 * 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def process_cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def reading(
    folder: Path, port: int
) -> AsyncIterator[tuple[Inbox, Ingest, Watched, ClickHouse]]:
    journal = await FileJournal.open(folder / "journal")
    checkpoint = await SqliteCheckpoint.open(folder / "checkpoint.sqlite")
    store = await ClickHouse.open(Address(folder / "clickhouse"))
    watched = Watched(ClickHouseSeriesWriter(store))

    def clock() -> datetime:
        return datetime.now(UTC)

    parts = IngestParts(
        database=PipeTable(NODES, KEPT_A_DAY),
        journal=journal,
        journal_id=uuid4(),
        checkpoint=checkpoint,
        codec=records,
        series_writer=watched,
        series_admin=ClickHouseSeriesAdmin(store),
        logs=MemoryLogs(),
        clock=clock,
        new_uuid=uuid4,
        limits=IngestLimits(),
        payload_bytes_max=256 * 1024,
        reread_seconds=60,
    )
    ingest = Ingest(parts, MemoryLeases())
    running = asyncio.create_task(ingest.run())
    assert await ingest.ready(60)
    broker = Broker("127.0.0.1", port, "pepeunit-pipeline-here", lambda: "nobody")
    inbox = Inbox(broker, NodeTopics({"here"}, 100_000), ingest, clock)
    taking = asyncio.create_task(inbox.run())
    await until(lambda: inbox.is_connected, 10)
    try:
        yield inbox, ingest, watched, store
    finally:
        taking.cancel()
        await asyncio.wait([taking])
        await ingest.stop()
        running.cancel()
        await asyncio.wait([running])
        await checkpoint.close()
        await journal.close()
        await store.close()


async def through_mosquitto(qos: int, rate: int, seconds: float) -> str:
    work = publish_qos_1 if qos else publish_qos_0
    with tempfile.TemporaryDirectory() as place:
        mosquitto = Mosquitto(Path(place) / "mosquitto", free_port())
        mosquitto.start()
        try:
            async with reading(Path(place), mosquitto.port) as (inbox, ingest, watched, store):
                cpu = _cpu_seconds()
                publisher = Publisher(work, mosquitto.port, rate, seconds)
                assert await until(lambda: inbox.received > 0, 10) is not None
                begun = time.perf_counter()
                sent = await publisher.sent()
                published = time.perf_counter() - begun
                after = await until(lambda: watched.rows >= sent, 20 if qos else 5)
                took = time.perf_counter() - begun if after else published
                used = _cpu_seconds() - cpu
                between = process_cpu_seconds(mosquitto.pid)
                stored = await store.read(
                    lambda c: int(str(c.command("SELECT count() FROM window_entry FINAL")))
                )
                publisher.close()
                return (
                    f"mosquitto, QoS {qos}: {stored:,} rows in {took:.1f} s = "
                    f"{stored / took:,.0f} rows/s (published {sent:,} in {published:.1f} s, "
                    f"dropped by us {ingest.counters.shed:,}, by the broker "
                    f"{sent - inbox.received:,}; CPU s a million rows: platform "
                    f"{used / stored * 1e6:.1f}, mosquitto {between / stored * 1e6:.1f}, publisher "
                    f"{publisher.cpu_seconds / sent * 1e6:.1f}; "
                    f"{resident_bytes() / MIB:.0f} MiB resident)"
                )
        finally:
            mosquitto.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", nargs="*", choices=("qos0", "qos1", []), default=[])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=int, default=50_000, help="of QoS 0, messages a second")
    chosen = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}; mosquitto with "
        + ", ".join(f"{name} {value}" for name, value in SETTINGS.items()),
        flush=True,
    )
    for name in chosen.which or ("qos0", "qos1"):
        qos = int(name[-1])
        rate = 0 if qos else chosen.rate
        print(run(through_mosquitto(qos, rate, chosen.seconds)), flush=True)


if __name__ == "__main__":
    main()
