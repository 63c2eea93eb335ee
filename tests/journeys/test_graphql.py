"""A person and three devices over GraphQL alone, on a real platform (issue 5).

The person's client does what the reference's user interface does in a browser: one document with
every field for each operation, variables that it does not declare, files by the multipart
convention, the token in a header. The devices are real MQTT clients with their units' tokens.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import paho.mqtt.client as paho
import pytest
from attrs import define, field
from graphql import build_schema
from paho.mqtt.enums import CallbackAPIVersion

from pepeunit.entrypoints.cli.demo_journey import within
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.graphql.binder import read_sdl
from tests.doors.graphql.generating import everything, operations
from tests.doors.graphql.platform import form_of
from tests.doors.http.piping import LAST, windowed
from tests.journeys.conftest import Served

DOMAIN = "browser.example"
PROJECT = "field/lamp"
PASSWORD = "Correct-horse1"
NAMES = ("lamp", "dial", "heater")
WAIT_SECONDS_MAX = 60.0
SCHEMA = build_schema(read_sdl())
KINDS = {name: kind for kind, name in operations(SCHEMA)}
PROGRAM = {
    "schema_example.json": json.dumps(
        {
            "input_base_topic": ["update/pepeunit", "env_update/pepeunit"],
            "output_base_topic": ["state/pepeunit", "log/pepeunit"],
            "input_topic": ["led/pepeunit"],
            "output_topic": ["temp/pepeunit"],
        }
    ).encode(),
    "env_example.json": b'{"WIFI": ""}',
}

pytestmark = pytest.mark.timeout(240)


@define(eq=False)
class Browser:
    """One person's page; ``say`` gives the value of the one root field."""

    session: aiohttp.ClientSession
    origin: str
    token: str | None = field(default=None, repr=False)

    async def ask(
        self, name: str, files: Mapping[str, bytes] | None = None, **given: Any
    ) -> dict[str, Any]:
        document = {
            "operationName": name,
            "query": everything(SCHEMA, KINDS[name], name),
            "variables": given | {"isShown": True, "page": {"size": 10}},
        }
        headers = {"Accept": "*/*", "Origin": self.origin, "Referer": f"{self.origin}/"}
        if self.token is not None:
            headers["x-auth-token"] = self.token
        sent: dict[str, Any] = {"json": document}
        if files is not None:
            sent = {"data": form_of(document, files)}
        url = f"{self.origin}/pepeunit/graphql"
        async with self.session.post(url, headers=headers, **sent) as response:
            assert response.status == 200, await response.text()
            answer: dict[str, Any] = await response.json()
            return answer

    async def say(self, name: str, **given: Any) -> Any:
        answer = await self.ask(name, **given)
        assert "errors" not in answer, answer
        return answer["data"][name]

    async def sign_in(self, login: str) -> str:
        """The uuid of a new person."""
        user = await self.say("createUser", user={"login": login, "password": PASSWORD})
        signed = {"credentials": login, "password": PASSWORD}
        self.token = await self.say("getToken", data=signed)
        return str(user["uuid"])

    async def until(
        self, complaint: str, holds: Callable[[Any], Any], name: str, **given: Any
    ) -> Any:
        async def answered() -> Any:
            answer = await self.say(name, **given)
            return answer if holds(answer) else None

        return await within(WAIT_SECONDS_MAX, complaint, answered)


@define(eq=False)
class Device:
    """paho in its own thread; told to update, it reports the new version."""

    unit: str
    token: str = field(repr=False)
    version: str
    heard: list[tuple[str, bytes]] = field(factory=list)
    subscribed: int = 0
    paho: paho.Client = field(init=False, repr=False)

    def start(self, port: int, *topics: str) -> None:
        self.paho = paho.Client(CallbackAPIVersion.VERSION2, self.unit)
        self.paho.username_pw_set(self.token, "")
        update = f"{DOMAIN}/input_base_topic/{self.unit}/update/pepeunit"
        self.paho.on_connect = lambda *_: [self.paho.subscribe(one, 1) for one in (update, *topics)]
        self.paho.on_subscribe = self._subscribed
        self.paho.on_message = self._obey
        self.paho.connect("127.0.0.1", port)
        self.paho.loop_start()

    def stop(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()

    def tell(self, name: str, document: Any) -> None:
        topic = f"{DOMAIN}/output_base_topic/{self.unit}/{name}/pepeunit"
        self.paho.publish(topic, json.dumps(document), 1)

    def _subscribed(self, *_: Any) -> None:
        self.subscribed += 1
        self.tell("state", {"pu_commit_version": self.version, "millis": 5})

    def _obey(self, _client: Any, _state: Any, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload))
        if "/update/" in message.topic:
            self.version = json.loads(message.payload)["PU_COMMIT_VERSION"]
            self.tell("state", {"pu_commit_version": self.version})


@define(eq=False)
class Home:
    """What the person has made so far."""

    page: Browser
    forge: Forge
    mqtt_port: int
    registry: str = ""
    repo: str = ""
    units: dict[str, str] = field(factory=dict)
    nodes: dict[tuple[str, str], str] = field(factory=dict)
    devices: dict[str, Device] = field(factory=dict)

    async def build(self) -> None:
        await self.forge.create(PROJECT)
        first = await self.forge.commit(PROJECT, PROGRAM, "first", tag="v1")
        asked = {
            "platform": "GITLAB",
            "repositoryUrl": self.forge.url(PROJECT),
            "isPublicRepository": True,
        }
        made = await self.page.say("createRepositoryRegistry", repositoryRegistry=asked)
        self.registry = made["uuid"]
        await self.page.until(
            "the registry is not mirrored",
            lambda one: one["syncStatus"] == "UPDATED",
            "getRepositoryRegistry",
            uuid=self.registry,
        )
        branch = {"repoBranch": "main", "onlyTag": True}
        commits = await self.page.say("getBranchCommits", uuid=self.registry, filters=branch)
        assert [(one["commit"], one["tag"]) for one in commits] == [(first, "v1")]
        repo = {
            "repositoryRegistryUuid": self.registry,
            "defaultBranch": "main",
            "visibilityLevel": "PUBLIC",
            "name": "lamps",
            "isCompilableRepo": False,
        }
        self.repo = (await self.page.say("createRepo", repo=repo))["uuid"]
        for name in NAMES:
            unit = {
                "repoUuid": self.repo,
                "visibilityLevel": "PRIVATE",
                "name": name,
                "isAutoUpdateFromRepoUnit": True,
            }
            self.units[name] = (await self.page.say("createUnit", unit=unit))["uuid"]
        listed = await self.page.say("getUnits", filters={"repoUuid": self.repo, "limit": 10})
        assert listed["count"] == len(NAMES)
        for unit in listed["units"]:
            for node in unit["unitNodes"]:
                self.nodes[unit["name"], node["type"]] = node["uuid"]

    def topic(self, name: str, kind: str) -> str:
        return f"{DOMAIN}/{self.nodes[name, kind]}/pepeunit"

    async def env(self) -> None:
        unit = self.units["lamp"]
        env = json.loads(await self.page.say("getUnitEnv", uuid=unit))
        assert env["WIFI"] == "" and env["PU_DOMAIN"] == DOMAIN
        changed = json.dumps(env | {"WIFI": "home"})
        await self.page.say("updateUnitEnv", uuid=unit, envJsonStr=changed)
        assert json.loads(await self.page.say("getUnitEnv", uuid=unit))["WIFI"] == "home"

    async def connect(self, stack: ExitStack) -> None:
        for name, unit in self.units.items():
            env = json.loads(await self.page.say("getUnitEnv", uuid=unit))
            target = await self.page.say("getTargetVersion", uuid=unit)
            device = Device(unit, env["PU_AUTH_TOKEN"], target["commit"])
            device.start(self.mqtt_port, self.topic(name, "INPUT"))
            stack.callback(device.stop)
            self.devices[name] = device

        def all_report(units: Any) -> bool:
            return all(
                one["isOnline"] and one["currentCommitVersion"] == self.devices[one["name"]].version
                for one in units["units"]
            )

        await self.page.until("not every device reports", all_report, "getUnits", filters={})

    async def node_values(self) -> None:
        told = await self.page.say(
            "setStateUnitNodeInput",
            uuid=self.nodes["lamp", "INPUT"],
            unitNode={"state": "on"},
        )
        assert told["state"] == "on"
        heard = self.devices["lamp"].heard
        await _until("the input is not told", lambda: (self.topic("lamp", "INPUT"), b"on") in heard)
        output = self.topic("dial", "OUTPUT")
        self.devices["dial"].paho.publish(output, "21.5", 1)
        await self.page.until(
            "the output has no value",
            lambda node: node["state"] == "21.5",
            "getUnitNode",
            uuid=self.nodes["dial", "OUTPUT"],
        )

    async def edge(self) -> None:
        """Linked, the lamp may hear the private output of the dial."""
        ends = {
            "nodeOutputUuid": self.nodes["dial", "OUTPUT"],
            "nodeInputUuid": self.nodes["lamp", "INPUT"],
        }
        await self.page.say("createUnitNodeEdge", unitNodeEdge=ends)
        links = await self.page.say("getLinkCheck", format="MERMAID")
        assert links["edgeCount"] == 1 and "dial" in links["picture"]
        access = await self.page.say(
            "getNodeAccess",
            uuid=self.nodes["dial", "OUTPUT"],
            agentUuid=self.units["lamp"],
            agentType="UNIT",
        )
        verdicts = {one["verb"]: one for one in access["access"]["verdicts"]}
        assert [one["ground"] for one in verdicts["MQTT_SUBSCRIBE"]["reasons"]] == ["LINK"]
        lamp, topic = self.devices["lamp"], self.topic("dial", "OUTPUT")
        subscribed = lamp.subscribed
        lamp.paho.subscribe(topic, 1)
        await _until("no answer to SUBSCRIBE", lambda: lamp.subscribed > subscribed)
        every = json.dumps(LAST).encode()
        await self.page.say(
            "setDataPipeConfig", uuid=self.nodes["dial", "OUTPUT"], files={"file": every}
        )
        self.devices["dial"].paho.publish(topic, "22", 1)
        await _until("the edge carries nothing", lambda: (topic, b"22") in lamp.heard)
        await self.page.until(
            "the value is not stored",
            lambda node: node["state"] == "22",
            "getUnitNode",
            uuid=self.nodes["dial", "OUTPUT"],
        )

    async def permission(self, friend: Browser, friend_uuid: str) -> None:
        unit = self.units["heater"]
        refused = await friend.ask("getUnit", uuid=unit)
        assert refused["errors"][0]["message"] == "422: 2: Validation Error: unit not found"
        ends = {"agentUuid": friend_uuid, "resourceUuid": unit}
        kinds = {"agentType": "USER", "resourceType": "UNIT"}
        await self.page.say("createPermission", permission=ends | kinds)
        assert (await friend.say("getUnit", uuid=unit))["name"] == "heater"
        await self.page.say("deletePermission", **ends)
        assert "errors" in await friend.ask("getUnit", uuid=unit)

    async def pipe(self) -> None:
        node = self.nodes["dial", "OUTPUT"]
        changed = await self.page.say(
            "updateUnitNode", uuid=node, unitNode={"isDataPipeActive": True}
        )
        assert changed["isDataPipeActive"]
        wrong, right = (json.dumps(windowed(seconds)).encode() for seconds in (0, 86_400))
        found = await self.page.say("checkDataPipeConfig", files={"file": wrong})
        assert [one["stage"] for one in found] == ["PROCESSING_POLICY"]
        assert await self.page.say("checkDataPipeConfig", files={"file": right}) == []
        await self.page.say("setDataPipeConfig", uuid=node, files={"file": right})
        assert "TimeWindow" in await self.page.say("getDataPipeConfig", uuid=node)
        start = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(hours=1)
        lines = [f"{count},{start + timedelta(seconds=count)}\n" for count in range(100)]
        table = "".join(["state,create_datetime\n", *lines]).encode()
        await self.page.say("setDataPipeDataCsv", uuid=node, files={"file": table})
        asked = {"uuid": node, "type": "TIME_WINDOW", "limit": 2, "relativeTime": "2h"}
        told = await self.page.say("getPipeData", filters=asked)
        assert told["count"] == 100
        assert [row["TimeWindowType_state"] for row in told["pipeData"]] == ["99", "98"]
        refused = await self.page.ask(
            "setDataPipeDataCsv", uuid=node, files={"file": table + b"x,yesterday\n"}
        )
        assert ": Row 101: " in refused["errors"][0]["message"]
        await self.page.until(
            "the newest value is not told",
            lambda told: [one["LastValueType_state"] for one in told["pipeData"]] == ["22"],
            "getPipeData",
            filters=asked | {"type": "LAST_VALUE"},
        )
        assert (await self.page.say("getPipeDrops", uuid=node))["unitNodeUuid"] == node
        await self.page.say("deleteDataPipeData", uuid=node)
        assert (await self.page.say("getPipeData", filters=asked))["count"] == 0

    async def logs(self) -> None:
        entries = [{"level": "Info", "text": "up"}, {"level": "error", "text": "no sensor"}]
        self.devices["heater"].tell("log", entries)
        told = await self.page.until(
            "the logs are not there",
            lambda logs: logs["count"] == len(entries),
            "getUnitLogs",
            filters={"uuid": self.units["heater"], "orderByCreateDate": "asc"},
        )
        assert [(one["level"], one["text"]) for one in told["unitLogs"]] == [
            ("INFO", "up"),
            ("ERROR", "no sensor"),
        ]
        errors = {"uuid": self.units["heater"], "level": ["ERROR"]}
        assert (await self.page.say("getUnitLogs", filters=errors))["count"] == 1

    async def rollout(self) -> None:
        rule = {"stages": ["1"], "failuresMax": 1}
        report = await self.page.say("setRolloutRule", uuid=self.repo, rule=rule)
        assert report["rule"]["stages"] == ["1"]
        files = PROGRAM | {"main.py": b"second"}
        second = str(await self.forge.commit(PROJECT, files, "second", tag="v2"))
        await within(WAIT_SECONDS_MAX, "no second sync", self._synced)

        async def is_mirrored() -> bool:
            branch = {"repoBranch": "main", "limit": 1}
            commits = await self.page.say("getBranchCommits", uuid=self.registry, filters=branch)
            return bool(commits[0]["commit"] == second)

        await within(WAIT_SECONDS_MAX, "the second version is not mirrored", is_mirrored)
        await self.page.say("updateUnitsFirmware", uuid=self.repo)
        report = await self.page.until(
            "the rollout does not finish",
            lambda told: (told["latest"] or {}).get("state") == "FINISHED",
            "getRollout",
            uuid=self.repo,
        )
        assert [stage["units"] for stage in report["stages"]] == [1, 2]
        assert [stage["succeeded"] for stage in report["stages"]] == [1, 2]
        assert {device.version for device in self.devices.values()} == {second}
        units = (await self.page.say("getUnits", filters={}))["units"]
        assert {unit["firmwareUpdateStatus"] for unit in units} == {"SUCCESS"}

    async def _synced(self) -> bool:
        """A sync soon after another is refused, with the seconds to wait."""
        answer = await self.page.ask("updateLocalRepository", uuid=self.registry)
        for error in answer.get("errors", ()):
            assert error["extensions"]["retryAfter"] > 0, error
        return "errors" not in answer

    async def delete(self) -> None:
        await self.page.say(
            "deleteUnitNodeEdge",
            inputUuid=self.nodes["lamp", "INPUT"],
            outputUuid=self.nodes["dial", "OUTPUT"],
        )
        for unit in self.units.values():
            await self.page.say("deleteUnit", uuid=unit)
        await self.page.say("deleteRepo", uuid=self.repo)
        await self.page.say("deleteRepositoryRegistry", uuid=self.registry)
        metrics = await self.page.say("getBaseMetrics")
        left = {key for key, count in metrics.items() if count and key != "__typename"}
        assert left == {"userCount"}


async def _until(complaint: str, holds: Callable[[], bool]) -> None:
    async def held() -> bool:
        return holds()

    await within(WAIT_SECONDS_MAX, complaint, held)


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    (tmp_path / "forge").mkdir()
    forge = Forge(tmp_path / "forge")
    await forge.start()
    yield forge
    await forge.stop()


async def test_a_device_lives_its_whole_life_in_a_browser(served: Served, forge: Forge) -> None:
    served.settings = {
        "PU_DOMAIN": DOMAIN,
        "PU_GIT_HOST_ALLOWLIST": forge.authority,
        "PU_STATE_SEND_INTERVAL": "5",
    }
    await asyncio.to_thread(served.start)
    origin = f"http://127.0.0.1:{served.http_port}"
    async with aiohttp.ClientSession() as session:
        page, friend = Browser(session, origin), Browser(session, origin)
        await page.sign_in("keeper")
        friend_uuid = await friend.sign_in("friend")
        with ExitStack() as stack:
            home = Home(page, forge, served.mqtt_port)
            await home.build()
            await home.env()
            await home.connect(stack)
            await home.node_values()
            await home.edge()
            await home.permission(friend, friend_uuid)
            await home.pipe()
            await home.logs()
            await home.rollout()
            await home.delete()
