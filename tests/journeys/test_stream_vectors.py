"""The stream vectors from a device to REST, on the platform as it starts by default (spec
datapipe.md 12).

``pepeunit serve`` runs as people run it, with its own engines; only its clock stands until it is
set. Every vector has a unit and a day of its own, days that are yet to come: what lies in the past
ClickHouse deletes by the real clock. A ``restart`` is ``kill -9``.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from attrs import define

from pepeunit.codecs.mqtt import packets as p
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.rest_client import rest_client
from tests.contracts.broker.clients import BareClient
from tests.domain.pipes.making import STREAMS, close
from tests.doors.http.piping import EPOCH
from tests.doors.http.test_pipe_csv import shown
from tests.journeys.conftest import Served, free_port
from tests.journeys.fault_witness import PROGRAM, Owner

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE = "one"
OUTPUTS = (ONE, "A", "B")
POLICIES = ("NRecords", "TimeWindow", "Aggregation")
DAY = timedelta(days=1)
SEEN_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.05
DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T)")
SCHEMA = json.loads(PROGRAM["schema_example.json"]) | {
    "output_topic": [f"{name}/pepeunit" for name in OUTPUTS]
}


@define(eq=False)
class Steered(Served):
    """Its clock stands where it was set."""

    epoch: datetime = EPOCH

    @property
    def _clock(self) -> Path:
        return self.data_dir.with_name("clock")

    def at(self, seconds: float) -> None:
        """So long after the epoch, to the millisecond."""
        ms = int(self.epoch.timestamp()) * 1000 + int(seconds * 1000 + 1e-6)
        new = self._clock.with_suffix(".new")
        new.write_text(str(ms))
        new.replace(self._clock)


@define(eq=False)
class Bench:
    """A platform, its owner and a repo whose program has the outputs of every vector."""

    served: Steered
    owner: Owner
    repo: str

    async def restart(self) -> None:
        await asyncio.to_thread(self.served.end, signal.SIGKILL)
        await asyncio.to_thread(self.served.start)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("vectors")
    (folder / "forge").mkdir()
    forge = Forge(folder / "forge")
    await forge.start()
    program = (sys.executable, "-m", "tests.journeys.steered")
    served = Steered(folder / "data", free_port(), free_port(), program=program)
    served.settings = {
        "STEERED_CLOCK": str(folder / "clock"),
        "PU_GIT_HOST_ALLOWLIST": forge.authority,
    }
    served.epoch = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    served.at(0)
    try:
        await asyncio.to_thread(served.start)
        async with rest_client(served.api_url) as api:
            owner = Owner(api, "owner", "Vectors4711")
            files = PROGRAM | {"schema_example.json": json.dumps(SCHEMA).encode()}
            yield Bench(served, owner, await owner.make_repo(forge, "vectors", files))
    finally:
        await asyncio.to_thread(served.end, signal.SIGTERM)
        await forge.stop()


@define(eq=False)
class Journey:
    """One vector's device."""

    bench: Bench
    env: Mapping[str, str]
    nodes: Mapping[str, str]
    _line: BareClient | None = None

    @property
    def owner(self) -> Owner:
        return self.bench.owner

    async def configure(self, name: str, config: Mapping[str, Any]) -> None:
        by = self.bench.served.epoch - EPOCH
        moved = DATE.sub(lambda found: _later(found[0], by), json.dumps(config))
        await self.owner.set_pipe(self.nodes[name], moved.encode())

    async def send(self, name: str, payload: bytes) -> None:
        """Acknowledged when it returns."""
        topic = f"{self.env['PU_DOMAIN']}/{self.nodes[name]}/pepeunit"
        await asyncio.to_thread(self._publish, topic, payload)

    def _publish(self, topic: str, payload: bytes) -> None:
        if self._line is None:
            self._line = BareClient(self.bench.served.mqtt_port)
            assert self._line.connect("vector", self.env["PU_AUTH_TOKEN"]).code == 0
        self._line.publish(topic, payload, qos=1)
        assert isinstance(self._line.next(), p.Ack)

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.socket.close()
        self._line = None

    async def do(self, message: Mapping[str, Any]) -> None:
        name = message.get("node", ONE)
        match message.get("op"):
            case None:
                hexed = message.get("payload_hex")
                sent = message["payload"].encode() if hexed is None else bytes.fromhex(hexed)
                await self.send(name, sent)
            case "set_config":
                await self.configure(name, message["config"])
            case "activate" | "deactivate" as word:
                await self.owner.switch(self.nodes[name], is_active=word == "activate")
            case "delete_data":
                await self.owner.api.call(
                    "DELETE", f"unit_nodes/delete_data_pipe_data/{self.nodes[name]}"
                )
            case "restart":
                self.hang_up()
                await self.bench.restart()

    async def found(self, name: str) -> dict[str, Any]:
        """What the owner reads, in the words of the vectors."""
        node, epoch = self.nodes[name], self.bench.served.epoch
        kept = [row for policy in POLICIES for row in await self.owner.kept(node, policy)]
        values = []
        for row in await self.owner.kept(node, "LastValue"):
            received = datetime.fromisoformat(row["last_update_datetime"]).replace(tzinfo=UTC)
            values.append({"state": row["state"], "t": (received - epoch).total_seconds()})
        ends = await self.owner.api.call("GET", f"unit_nodes/data_pipe_drops/{node}")
        return {
            "rows": [shown(row, epoch) for row in kept],
            "last_value": values[0] if values else None,
            "accepted": ends["accepted"],
        }


def _later(date: str, by: timedelta) -> str:
    return (datetime.fromisoformat(date) + by).date().isoformat()


def _wanted(expect: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What each node is to hold; a single one is not named."""
    told = {name: expect.get(name, expect) for name in names}
    return {
        name: {key: one[key] for key in ("rows", "last_value") if key in one}
        for name, one in told.items()
    }


@pytest.mark.parametrize("vector", STREAMS, ids=lambda vector: vector["id"])
async def test_a_stream_ends_on_the_default_platform_as_the_vector_says(
    bench: Bench, vector: Mapping[str, Any]
) -> None:
    served, messages, expected = bench.served, vector["messages"], vector["expect"]
    served.epoch += DAY
    served.at(0)
    await bench.owner.sign_in()
    env, nodes = await bench.owner.make_unit(bench.repo, vector["id"][:20])
    journey = Journey(bench, env, nodes)
    configs = vector.get("nodes") or {ONE: vector["config"]}
    for name, config in configs.items():
        await bench.owner.switch(nodes[name], is_active=True)
        await journey.configure(name, config)
    try:
        for message in messages:
            served.at(message["t"])
            await journey.do(message)
    finally:
        journey.hang_up()
    served.at(vector.get("until", messages[-1]["t"]))
    wanted = _wanted(expected, configs)
    seen: dict[str, Any] = {}
    deadline = time.monotonic() + SEEN_SECONDS_MAX
    while time.monotonic() < deadline:
        seen = {name: await journey.found(name) for name in configs}
        accepted = sum(found["accepted"] for found in seen.values())
        if accepted == len(expected["accepted"]) and close(seen, wanted):
            return
        await asyncio.sleep(LOOK_SECONDS)
    pytest.fail(f"wanted {expected}, found {seen}")
