"""How fast the journal stores and replays: ``python benchmarks/journal.py [folder]``."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pepeunit.adapters.embedded.journal import FileJournal

RECORD = b"\x00" * 60
"""About a node's message: topic, receive time, a short value."""
SECONDS = 1.5


async def sequential(journal: FileJournal, batch: int) -> list[float]:
    """Latencies of one caller that waits for each append."""
    records = [RECORD] * batch
    latencies = []
    deadline = time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < deadline:
        end = await journal.append(records)
        latencies.append(time.perf_counter() - start)
        await release_now_and_then(journal, end, len(latencies))
    return latencies


async def concurrent(journal: FileJournal, callers: int) -> list[float]:
    """Latencies of callers that append single records at the same time."""
    latencies: list[float] = []
    deadline = time.perf_counter() + SECONDS

    async def caller() -> None:
        while (start := time.perf_counter()) < deadline:
            end = await journal.append([RECORD])
            latencies.append(time.perf_counter() - start)
            await release_now_and_then(journal, end, len(latencies))

    await asyncio.gather(*(caller() for _ in range(callers)))
    return latencies


async def release_now_and_then(journal: FileJournal, end: int, appends: int) -> None:
    if appends % 1000 == 0:
        await journal.release(end)


def row(what: str, records: int, latencies: list[float], flushes: int) -> str:
    quantiles = statistics.quantiles(latencies, n=100)
    rate = records * len(latencies) / SECONDS
    return (
        f"| {what} | {rate:,.0f} | {quantiles[49] * 1e3:.2f} | {quantiles[98] * 1e3:.2f} "
        f"| {flushes / SECONDS:,.0f} |"
    )


async def replay(folder: Path) -> str:
    journal = await FileJournal.open(folder)
    for _ in range(500):
        await journal.append([RECORD] * 1000)
    await journal.close()
    start = time.perf_counter()
    journal = await FileJournal.open(folder)
    opened = time.perf_counter()
    count = 0
    async for _ in journal.read(0):
        count += 1
    seconds = time.perf_counter() - opened
    await journal.close()
    return f"open {opened - start:.2f} s, replay {count / seconds:,.0f} records/s"


async def main(folder: Path) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, {folder}, {len(RECORD)}-byte records")
    print("| appends | records/s | p50 ms | p99 ms | flushes/s |")
    print("|---|---|---|---|---|")
    for batch in (1, 100, 1000, 10_000):
        journal = await FileJournal.open(folder / f"batch-{batch}")
        latencies = await sequential(journal, batch)
        print(row(f"one caller, batches of {batch}", batch, latencies, journal.flushes))
        await journal.close()
    for callers in (10, 100, 1000):
        journal = await FileJournal.open(folder / f"callers-{callers}")
        latencies = await concurrent(journal, callers)
        print(row(f"{callers} callers, single records", 1, latencies, journal.flushes))
        await journal.close()
    print(await replay(folder / "replay"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        asyncio.run(main(Path(name)))
