"""What the column store takes and gives: ``python benchmarks/store.py [--rows N] [--minutes N]``.

On the embedded engine in a temporary folder, or on the server ``PU_CLICKHOUSE_URL`` names.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.series_reader import ClickHouseSeriesReader
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.series import Series
from pepeunit.ports.paging import Slice
from pepeunit.ports.series_reader import SeriesQuery
from pepeunit.ports.series_writer import SeriesBatch

NODES = 50_000
BATCHES = (1_000, 10_000, 100_000)
SECONDS = 3.0
READS = 300
IDLE_SECONDS = 20.0
HOUR = 3_600_000
DICE = random.Random(1)


def now_ms() -> int:
    return int(time.time() * 1000)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def batch_of(policy: str, nodes: list[UUID], count: int, first: int) -> SeriesBatch:
    now, token = now_ms(), uuid4().hex
    chosen = DICE.choices(nodes, k=count)
    if policy == "NRecords":
        rows = [
            (node, 1, first + n, "21.500000", "Number", now, 100, 9)
            for n, node in enumerate(chosen)
        ]
        return SeriesBatch(token, rows)
    if policy == "TimeWindow":
        later = now + HOUR
        windows = [
            (node, 1, first + n, "21.500000", "Number", now, later, 9)
            for n, node in enumerate(chosen)
        ]
        return SeriesBatch(token, (), windows)
    aggregates = [
        (node, 1, 21.5, "Avg", 60, now, now - 60_000 - first - n, now, 7)
        for n, node in enumerate(chosen)
    ]
    return SeriesBatch(token, (), (), aggregates)


async def inserts(writer: ClickHouseSeriesWriter, nodes: list[UUID]) -> None:
    print(
        f"\n{'table':<12} {'batch':>8} {'rows/s':>10} {'p50 ms':>8} {'worst ms':>9} "
        f"{'rows/CPU s':>11}"
    )
    first = 1
    for policy in ("NRecords", "TimeWindow", "Aggregation"):
        for size in BATCHES:
            took: list[float] = []
            cpu = 0.0
            while sum(took) < SECONDS or len(took) < 3:
                batch = batch_of(policy, nodes, size, first)
                first += size
                start, used = time.perf_counter(), time.process_time()
                await writer.write(batch)
                took.append(time.perf_counter() - start)
                cpu += time.process_time() - used
            rate = size * len(took) / sum(took)
            print(
                f"{policy:<12} {size:>8,} {rate:>10,.0f} {1e3 * statistics.median(took):>8.1f} "
                f"{1e3 * max(took):>9.1f} {size * len(took) / cpu:>11,.0f}"
            )


async def reads(reader: ClickHouseSeriesReader, nodes: list[UUID], label: str) -> None:
    for policy in ("NRecords", "TimeWindow"):
        took, cpu = [], time.process_time()
        for node in DICE.choices(nodes, k=READS):
            query = SeriesQuery(Series(NodeId(node), 1, 100), policy, now_ms(), slice=Slice(0, 10))
            start = time.perf_counter()
            await reader.find(query)
            took.append(1e3 * (time.perf_counter() - start))
        cpu = 1e3 * (time.process_time() - cpu) / READS
        took.sort()
        print(
            f"10 {policy} rows of one node of {NODES:,}, {label}: p50 {took[len(took) // 2]:.1f} "
            f"ms, p99 {took[int(len(took) * 0.99)]:.1f} ms, "
            f"{cpu:.1f} ms of CPU"
        )


async def idle() -> None:
    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    share = (time.process_time() - cpu) / (time.perf_counter() - start)
    print(f"idle: {100 * share:.2f} % of a core, {resident_mib():.0f} MiB resident")


async def steady(writer: ClickHouseSeriesWriter, nodes: list[UUID], minutes: float) -> None:
    """20 000 rows twice a second, as the pipeline flushes."""
    first, ends = 10**9, time.monotonic() + 60 * minutes
    tells = time.monotonic()
    cpu, began = time.process_time(), time.perf_counter()
    while time.monotonic() < ends:
        due = time.monotonic() + 0.5
        await writer.write(batch_of("NRecords", nodes, 10_000, first))
        await writer.write(batch_of("TimeWindow", nodes, 10_000, first))
        first += 10_000
        if time.monotonic() >= tells:
            print(f"steady at 40 000 rows/s: {resident_mib():.0f} MiB resident")
            tells += 60
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    share = (time.process_time() - cpu) / (time.perf_counter() - began)
    print(f"steady: {first - 10**9:,} rows a table, {100 * share:.0f} % of a core")


async def main(rows: int, minutes: float, folder: str) -> None:
    url = os.environ.get("PU_CLICKHOUSE_URL")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    before, start = resident_mib(), time.perf_counter()
    store = await ClickHouse.open(Address.of(url) if url else Address(Path(folder)))
    print(
        f"open: {time.perf_counter() - start:.2f} s, {before:.0f} -> {resident_mib():.0f} MiB "
        "resident"
    )
    writer, reader = ClickHouseSeriesWriter(store), ClickHouseSeriesReader(store)
    nodes: list[UUID] = [uuid4() for _ in range(NODES)]
    try:
        await idle()
        await inserts(writer, nodes)
        if rows:
            start = time.perf_counter()
            for first in range(1, rows + 1, 100_000):
                policy = "NRecords" if first // 100_000 % 2 else "TimeWindow"
                await writer.write(batch_of(policy, nodes, 100_000, first))
            print(
                f"\n{rows:,} rows in {time.perf_counter() - start:.0f} s, {resident_mib():.0f} MiB"
            )
            await reads(reader, nodes, "just written")
            await idle()
            await reads(reader, nodes, f"{IDLE_SECONDS:g} s later")
        if minutes:
            await steady(writer, nodes, minutes)
            await reads(reader, nodes, "after steady inserts")
    finally:
        await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--minutes", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(arguments.rows, arguments.minutes, temporary))
