"""How many GraphQL requests a second ``serve`` answers: ``python -m benchmarks.graphql``.

The data, the load and the processes are those of ``benchmarks.control_plane``: one server process
with the embedded PostgreSQL, 10 000 units and 50 000 nodes in it, 16 connections from this process.
Two nodes of each unit are shown. The list of 1 000 is asked over one connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import control_plane
from benchmarks.control_plane import Measured, fill, load, resident_mib, serving

PATH = "/pepeunit/graphql"
MANY = 1000
METRICS = "{ getBaseMetrics { userCount repoCount unitCount unitNodeCount unitNodeEdgeCount } }"
UNITS = """
query getUnitsWithUnitNodes($filters: UnitFilterInput!) {
  getUnits(filters: $filters) {
    __typename
    count
    units {
      __typename uuid visibilityLevel name createDatetime isAutoUpdateFromRepoUnit
      targetFirmwarePlatform repoBranch repoCommit currentCommitVersion lastUpdateDatetime
      creatorUuid repoUuid firmwareUpdateStatus firmwareUpdateError lastFirmwareUpdateDatetime
      unitState { ifconfig millis memFree memAlloc freq statvfs puCommitVersion }
      unitNodes {
        __typename uuid type visibilityLevel isRewritableInput topicName lastUpdateDatetime
        isDataPipeActive dataPipeStatus createDatetime state unitUuid creatorUuid
      }
    }
  }
}
"""


def post(token: str, query: str, **variables: Any) -> bytes:
    body = json.dumps({"query": query, "variables": variables}).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-auth-token: {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def one_by_one(port: int, pid: int, request: Callable[[], bytes]) -> Measured:
    connections, control_plane.CONNECTIONS = control_plane.CONNECTIONS, 1
    try:
        return await load(port, pid, request)
    finally:
        control_plane.CONNECTIONS = connections


async def shown_nodes(port: int, request: bytes) -> tuple[int, int]:
    """How many units, and nodes in them, an answer has."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(b"content-length:") + 15
    answer = json.loads(await reader.readexactly(int(head[at : head.index(b"\r", at)])))
    writer.close()
    assert "errors" not in answer, answer
    units = answer["data"]["getUnits"]["units"]
    return len(units), sum(len(unit["unitNodes"]) for unit in units)


async def measure(port: int, token: str, pid: int) -> bool:
    dice = Random(1)
    words = ["00", "unit", "7", "unit 1", ""]

    def units() -> bytes:
        filters = {
            "limit": 10,
            "offset": dice.randrange(200),
            "searchString": dice.choice(words),
            "unitNodeType": ["INPUT"],
        }
        return post(token, UNITS, filters=filters)

    def many() -> bytes:
        return post(token, UNITS, filters={"limit": MANY, "unitNodeType": ["INPUT"]})

    counted = await shown_nodes(port, many())
    rows: list[tuple[str, Measured, str, bool]] = []
    seen = await load(port, pid, lambda: post(token, METRICS))
    rows.append(("`getBaseMetrics`", seen, ">= 1000/s", seen.per_second >= 1000))
    seen = await load(port, pid, units)
    rows.append(("`getUnits`, 10 with 2 nodes each", seen, ">= 400/s", seen.per_second >= 400))
    seen = await one_by_one(port, pid, many)
    name = f"`getUnits`, {counted[0]} with {counted[1]} nodes"
    rows.append((name, seen, "<= 150 ms", seen.p99_ms <= 150))
    print("| what | requests/s | p50 ms | p99 ms | CPU ms | database CPU ms | wanted | |")
    print("|---|---|---|---|---|---|---|---|")
    for name, seen, wanted, fits in rows:
        verdict = "yes" if fits else "**no**"
        print(
            f"| {name} | {seen.per_second:.0f} | {seen.p50_ms:.1f} | {seen.p99_ms:.1f} "
            f"| {seen.cpu_ms:.2f} | {seen.children_cpu_ms:.2f} | {wanted} | {verdict} |"
        )
    print(f"| resident, MiB | {resident_mib(pid):.0f} | | | | | | |")
    return all(fits for *_, fits in rows)


async def main() -> None:
    with TemporaryDirectory() as folder:
        data_dir = Path(folder, "data")
        token = await fill(data_dir)
        async with serving(data_dir, PU_MAX_PAGINATION_SIZE=str(MANY)) as up:
            print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors")
            print(f"load average {os.getloadavg()[0]:.1f}, {time.strftime('%F')}\n")
            await measure(up.port, token, up.pid)


if __name__ == "__main__":
    asyncio.run(main())
