"""Rollouts on a real platform, whose devices are real MQTT connections (issue 3).

Over 50 devices of which five never come up with the new version it stops by itself, and return
works. Devices that are away stop nothing and get the version when they come back (decision 0109).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.wire import VERSION_3
from pepeunit.entrypoints.cli.demo_journey import within
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.rest_client import RestClient, rest_client
from pepeunit.usecases.updates.advance_rollout import OFFLINE_AFTER_SECONDS
from tests.journeys.conftest import Served

DOMAIN = "rollout.example"
PROJECT = "field/fleet"
INTERVAL_SECONDS = 1
WAIT_SECONDS_MAX = 60.0
FAULTY = (1, 4, 8, 12, 20)
"""Positions in the order of ids: three in the first stage, two in the second."""
PROGRAM = {
    "schema_example.json": json.dumps(
        {
            "input_base_topic": ["update/pepeunit"],
            "output_base_topic": ["state/pepeunit"],
            "input_topic": [],
            "output_topic": ["temp/pepeunit"],
        }
    ).encode(),
    "env_example.json": b"{}",
}
AWAY = (0, 2, 3)
FAULTY_LATER = 2
"""One of those that are away, and comes back to fail."""
SECONDS_TO_BE_AWAY = OFFLINE_AFTER_SECONDS + 30.0

pytestmark = pytest.mark.timeout(240)


@define(eq=False)
class Device:
    """Reports what it runs; told to update it reports the new version, unless it is faulty."""

    unit: str
    token: str = field(repr=False)
    version: str
    is_faulty: bool = False
    told: list[str] = field(factory=list)
    is_listening: bool = False

    async def run(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        connect = p.Connect(p.CONNECT, VERSION_3, self.unit, True, 0, self.token, b"", None, {})
        writer.write(e.encode_connect(connect))
        topic = f"{DOMAIN}/input_base_topic/{self.unit}/update/pepeunit"
        writer.write(e.encode_subscribe(1, [p.Filter(topic, 0)]))
        self._report(writer)
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        assert (await reader.readexactly(5))[0] == 0x90
        self.is_listening = True
        try:
            while True:
                self._obey(await _publish_payload(reader), writer)
        finally:
            writer.close()

    def _obey(self, payload: bytes, writer: asyncio.StreamWriter) -> None:
        commit = json.loads(payload)["PU_COMMIT_VERSION"]
        self.told.append(commit)
        if not self.is_faulty:
            self.version = commit
        self._report(writer)

    def _report(self, writer: asyncio.StreamWriter) -> None:
        topic = f"{DOMAIN}/output_base_topic/{self.unit}/state/pepeunit"
        state = json.dumps({"pu_commit_version": self.version})
        writer.write(e.encode_publish(topic.encode(), state.encode()))


async def _publish_payload(reader: asyncio.StreamReader) -> bytes:
    """The payload of the next message, QoS 0."""
    assert (await reader.readexactly(1))[0] >> 4 == 3
    length = shift = 0
    while True:
        (digit,) = await reader.readexactly(1)
        length |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            break
    body = await reader.readexactly(length)
    return body[2 + int.from_bytes(body[:2], "big") :]


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    (tmp_path / "forge").mkdir()
    forge = Forge(tmp_path / "forge")
    await forge.start()
    yield forge
    await forge.stop()


@define(eq=False)
class Fleet:
    """``devices`` in the order of their ids, which is the order a rollout takes them in."""

    api: RestClient
    forge: Forge
    size: int
    stages: list[str]
    failures_max: int
    faulty: Collection[int]
    registry: str = ""
    repo: str = ""
    devices: list[Device] = field(factory=list)

    async def build(self) -> str:
        await self.forge.create(PROJECT)
        first = await self.forge.commit(PROJECT, PROGRAM, "first", tag="v1")
        account = {"login": "keeper", "password": "Correct-horse1"}
        await self.api.call("POST", "users", account)
        credentials = {"credentials": "keeper", "password": "Correct-horse1"}
        self.api.token = (await self.api.call("POST", "users/auth", credentials))["token"]
        body: dict[str, Any] = {
            "platform": "Gitlab",
            "repository_url": self.forge.url(PROJECT),
            "is_public_repository": True,
        }
        self.registry = (await self.api.call("POST", "repository_registry", body))["uuid"]
        body = {
            "repository_registry_uuid": self.registry,
            "default_branch": "main",
            "visibility_level": "Public",
            "name": "fleet",
            "is_compilable_repo": False,
        }
        self.repo = (await self.api.call("POST", "repos", body))["uuid"]
        units = sorted([await self._unit(number) for number in range(self.size)])
        for place, unit in enumerate(units):
            env = await self.api.call("GET", f"units/env/{unit}")
            self.devices.append(Device(unit, env["PU_AUTH_TOKEN"], first, place in self.faulty))
        return str(first)

    async def _unit(self, number: int) -> str:
        body = {
            "repo_uuid": self.repo,
            "visibility_level": "Public",
            "name": f"device-{number:02}",
            "is_auto_update_from_repo_unit": True,
        }
        return str((await self.api.call("POST", "units", body))["uuid"])

    async def push(self, tag: str) -> str:
        """A new version; the code host tells the platform."""
        rule = (
            f"[rollout]\nstages = {json.dumps(self.stages)}\nfailures_max = {self.failures_max}\n"
        )
        files = PROGRAM | {"pepeunit.toml": rule.encode(), "main.py": tag.encode()}
        commit = await self.forge.commit(PROJECT, files, tag, tag=tag)
        hook = await self.api.call("GET", f"repository_registry/webhook/{self.registry}")
        headers = {"X-Gitlab-Token": hook["secret"]}
        path = f"repository_registry/webhook/{self.registry}"
        await self.api.call_as_host(path, headers, {})
        return str(commit)

    async def rollout(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self.api.call("GET", f"repos/rollout/{self.repo}")
        return answer

    async def all_report(self, commit: str) -> None:
        async def reported() -> bool:
            units = await self.units()
            return all(unit["current_commit_version"] == commit for unit in units.values())

        await within(WAIT_SECONDS_MAX, "not every device reports", reported)

    async def reaches(self, state: str, wait_seconds: float = WAIT_SECONDS_MAX) -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            answer = await self.rollout()
            return answer if (answer["latest"] or {}).get("state") == state else None

        return await within(wait_seconds, f"the rollout is not {state}", reached)

    async def units(self) -> dict[str, dict[str, Any]]:
        listed = await self.api.call("GET", "units", params={"repo_uuid": self.repo})
        return {unit["uuid"]: unit for unit in listed["units"]}


async def start(served: Served, forge: Forge) -> None:
    served.settings = {
        "PU_DOMAIN": DOMAIN,
        "PU_GIT_HOST_ALLOWLIST": forge.authority,
        "PU_STATE_SEND_INTERVAL": str(INTERVAL_SECONDS),
        "PU_MQTT_MAX_CLIENT_CONNECTION_RATE": "1000/s",
    }
    await asyncio.to_thread(served.start)


async def test_a_rollout_stops_by_itself_and_returns(served: Served, forge: Forge) -> None:
    await start(served, forge)
    async with rest_client(served.api_url) as api, asyncio.TaskGroup() as running:
        fleet = Fleet(api, forge, 50, ["10", "50%"], len(FAULTY), FAULTY)
        first = await fleet.build()
        tasks = [running.create_task(one.run(served.mqtt_port)) for one in fleet.devices]
        await fleet.all_report(first)
        second = await fleet.push("v2")

        stopped = await fleet.reaches("Stopped")
        assert stopped["latest"]["rule_source"] == "File"
        assert stopped["latest"]["reason"] == "5 units failed, the limit is 5"
        assert [stage["units"] for stage in stopped["stages"]] == [10, 15, 25]
        assert [stage["failed"] for stage in stopped["stages"]] == [3, 2, 0]
        assert [stage["waiting"] for stage in stopped["stages"]] == [0, 0, 25]
        faulty = {device.unit for device in fleet.devices if device.is_faulty}
        assert {failure["unit_uuid"] for failure in stopped["failures"]} == faulty
        units = await fleet.units()
        touched, rest = fleet.devices[:25], fleet.devices[25:]
        assert {units[one.unit]["built_commit"] for one in touched} == {second}
        assert {units[one.unit]["built_commit"] for one in rest} == {first}
        assert Counter(one.version for one in fleet.devices) == {second: 20, first: 30}
        assert all(not one.told for one in rest)

        await api.call("POST", f"repos/rollout/{fleet.repo}/return")

        async def returned() -> bool:
            units = await fleet.units()
            return all(
                unit["built_commit"] == first == unit["current_commit_version"]
                for unit in units.values()
            )

        await within(WAIT_SECONDS_MAX, "not every device is back", returned)
        after = await fleet.reaches("Returned")
        assert [stage["returned"] for stage in after["stages"]] == [10, 15, 0]
        assert {one.version for one in fleet.devices} == {first}
        assert all(one.told == [second, first] or one.is_faulty for one in touched)
        for task in tasks:
            task.cancel()


async def test_devices_that_are_away_stop_nothing_and_catch_up(
    served: Served, forge: Forge
) -> None:
    await start(served, forge)
    async with rest_client(served.api_url) as api, asyncio.TaskGroup() as running:
        fleet = Fleet(api, forge, 12, ["4", "50%"], 2, [FAULTY_LATER])
        first = await fleet.build()
        tasks = [running.create_task(one.run(served.mqtt_port)) for one in fleet.devices]
        await fleet.all_report(first)
        away = [fleet.devices[place] for place in AWAY]
        for place in AWAY:
            tasks[place].cancel()

        async def gone() -> bool:
            units = await fleet.units()
            return not any(units[one.unit]["is_online"] for one in away)

        await within(WAIT_SECONDS_MAX, "devices that left are online", gone)
        second = await fleet.push("v2")

        finished = await fleet.reaches("Finished", SECONDS_TO_BE_AWAY)
        assert [stage["offline"] for stage in finished["stages"]] == [3, 0, 0]
        assert [stage["succeeded"] for stage in finished["stages"]] == [1, 2, 6]
        assert [stage["failed"] for stage in finished["stages"]] == [0, 0, 0]
        assert all(one.told == [] and one.version == first for one in away)

        tasks += [running.create_task(one.run(served.mqtt_port)) for one in away]

        async def answered() -> dict[str, Any] | None:
            report = await fleet.rollout()
            return report if report["stages"][0]["offline"] == 0 else None

        answer = await within(WAIT_SECONDS_MAX, "devices that are back did not answer", answered)
        assert answer["latest"]["state"] == "Finished"
        assert (answer["stages"][0]["succeeded"], answer["stages"][0]["failed"]) == (3, 1)
        assert answer["failures"][0]["unit_uuid"] == fleet.devices[FAULTY_LATER].unit
        assert Counter(one.version for one in fleet.devices) == {second: 11, first: 1}
        for task in tasks:
            task.cancel()
