"""An embedded engine in a process of its own: ``write FOLDER`` until killed, ``count FOLDER``."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from uuid import UUID

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.series_reader import ClickHouseSeriesReader
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.series import Series
from pepeunit.ports.series_reader import SeriesQuery
from pepeunit.ports.series_writer import SeriesBatch

NODE = NodeId(UUID(int=7))
ROWS = 500


async def write(store: ClickHouse) -> None:
    writer, now = ClickHouseSeriesWriter(store), int(time.time() * 1000)
    found = await ClickHouseSeriesReader(store).find(SeriesQuery(Series(NODE), "TimeWindow", now))
    last = found.count
    while True:
        rows = [
            (NODE, 1, seq, "x", "Text", now, now + 3_600_000, 1)
            for seq in range(last + 1, last + ROWS + 1)
        ]
        await writer.write(SeriesBatch(f"t{last}-{now}", (), rows))
        last += ROWS
        print(last, flush=True)


async def count(store: ClickHouse) -> None:
    query = SeriesQuery(Series(NODE), "TimeWindow", 0)
    page = await ClickHouseSeriesReader(store).find(query)
    print(page.count, max((row[2] for row in page.items), default=0))


async def main(verb: str, folder: str) -> None:
    try:
        store = await ClickHouse.open(Address(Path(folder)))
    except Unavailable as outage:
        print("Unavailable", outage)
        return
    await {"write": write, "count": count}[verb](store)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
