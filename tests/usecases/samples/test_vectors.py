"""The stream vectors through the running pipeline: a ``restart`` is a crash, and what readers
see are the stores (spec datapipe.md 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.ports.series_reader import SeriesQuery
from tests.domain.pipes.making import STREAMS, close
from tests.usecases.samples.site import EPOCH, Site

ONE = "one"
EPOCH_MS = int(EPOCH.timestamp() * 1000)


@pytest.mark.parametrize("crash_after_each", [False, True], ids=["calm", "crashing"])
@pytest.mark.parametrize("vector", STREAMS, ids=lambda vector: vector["id"])
async def test_streams_end_as_the_vectors_say(
    vector: Mapping[str, Any], *, crash_after_each: bool
) -> None:
    site = Site(series=MemorySeries())
    configs = vector.get("nodes") or {ONE: vector["config"]}
    await site.furnish(**configs)
    await site.start()
    try:
        for message in vector["messages"]:
            site.clock.at(message["t"])
            await _do(site, message)
            if crash_after_each:
                await site.crash()
                await site.start()
        site.clock.at(vector.get("until", vector["messages"][-1]["t"]))
        await site.windows_over()
        if not crash_after_each and not any(m.get("op") == "restart" for m in vector["messages"]):
            assert site.ingest.counters.accepted == len(vector["expect"]["accepted"])
        for name in configs:
            await _check(site, name, vector["expect"].get(name, vector["expect"]))
    finally:
        await site.crash()


async def _do(site: Site, message: Mapping[str, Any]) -> None:
    name = message.get("node", ONE)
    match message.get("op"):
        case None:
            hexed = message.get("payload_hex")
            payload = bytes.fromhex(hexed) if hexed is not None else message["payload"]
            await site.send(name, payload)
        case "set_config":
            await site.configure(name, message["config"])
        case "activate" | "deactivate" as word:
            await site.configure(name, active=word == "activate")
        case "delete_data":
            await site.purge(name)
        case "restart":
            await site.crash()
            await site.start()


async def _check(site: Site, name: str, expected: Mapping[str, Any]) -> None:
    node = await site.node(name)
    if "last_value" in expected:
        value = expected["last_value"]
        assert node.state == (None if value is None else value["state"])
        if value is not None:
            assert node.state_datetime is not None
            received = node.state_datetime.timestamp() - EPOCH.timestamp()
            assert abs(received - value["t"]) <= 1
    if "rows" in expected:
        found = await _visible(site, name)
        assert close(found, expected["rows"]), found


async def _visible(site: Site, name: str) -> list[dict[str, Any]]:
    async with MemoryDatabase.read(site.database) as rows:
        series = await rows.pipes.series(site.nodes[name])
    assert series is not None
    found = []
    now_ms = int(site.clock().timestamp() * 1000)
    for policy in ("NRecords", "TimeWindow", "Aggregation"):
        query = SeriesQuery(series, policy, now_ms, newest_first=False)
        for row in (await site.series.find(query)).items:
            found.append(_named(policy, row))
    return found


def _named(policy: str, row: Any) -> dict[str, Any]:
    if policy == "Aggregation":
        _, _, state, function, window, _, start, end, _ = row
        return {
            "state": state,
            "fn": function,
            "window": window,
            "start": _seconds(start),
            "end": _seconds(end),
        }
    _, _, _, state, kind, created, last, size = row
    named = {"state": state, "state_type": kind, "t": _seconds(created), "size": size}
    return named | ({"max_count": last} if policy == "NRecords" else {"expires": _seconds(last)})


def _seconds(ms: int) -> float:
    return (ms - EPOCH_MS) / 1000
