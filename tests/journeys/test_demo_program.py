"""The demo's program in a process of its own, against a real endpoint (rulings 22)."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from attrs import define, field, frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.messaging.topic import ParsedTopic
from pepeunit.entrypoints.cli.device_process import DeviceProcess, run_device
from pepeunit.entrypoints.cli.program import program_files
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.platform import Platform as EndpointPlatform
from pepeunit.usecases.messages.authorize_topic import MqttAction
from tests.contracts.broker.world import ROOMY
from tests.usecases.platform import Platform

WAIT_SECONDS_MAX = 20.0
TOLD = ("schema_example.json", "env_example.json")
FILES = {name: program_files(1)[name].decode() for name in TOLD} | {"main.py": "print('hi')"}

pytestmark = pytest.mark.timeout(120)


def tgz(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as members:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            members.addfile(member, io.BytesIO(body))
    squeeze = zlib.compressobj(wbits=9)
    return squeeze.compress(packed.getvalue()) + squeeze.flush()


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@define(eq=False)
class Downloads:
    """The two downloads of a device over HTTP; the archive waits for ``may_go``. What is
    ``broken`` is answered first, each once, in place of what was asked for."""

    platform: Platform
    owner: Agent
    unit: UnitId
    mqtt_port: int
    asked: asyncio.Event = field(factory=asyncio.Event)
    may_go: asyncio.Event = field(factory=asyncio.Event)
    domain: str = ""
    broken: list[bytes] = field(factory=list)

    async def env(self) -> bytes:
        """The unit's own, but for where this test listens."""
        env = await self.platform.get_env(self.owner, self.unit)
        places = {"PU_HTTP_TYPE": "http", "PU_DOMAIN": self.domain, "PU_MQTT_HOST": "127.0.0.1"}
        return json.dumps({**env, **places, "PU_MQTT_PORT": self.mqtt_port}).encode()

    async def files(self) -> dict[str, bytes]:
        schema = await self.platform.get_schema(self.owner, self.unit)
        own = {"env.json": await self.env(), "schema.json": json.dumps(schema).encode()}
        return program_files(1) | own

    async def get_env(self, _: web.Request) -> web.Response:
        return web.Response(body=self.broken.pop(0) if self.broken else await self.env())

    async def get_archive(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self.may_go.wait()
        return web.Response(body=self.broken.pop(0) if self.broken else tgz(await self.files()))


@frozen
class Scene:
    platform: Platform
    exchange: Exchange
    owner: Agent
    unit: UnitId
    downloads: Downloads
    device: DeviceProcess


@asynccontextmanager
async def started(folder: Path, may_subscribe: asyncio.Event | None = None) -> AsyncIterator[Scene]:
    """The program on a real endpoint, whose verdicts on inputs wait for the event."""
    exchange = Exchange()
    platform = Platform(broker=exchange)
    platform.remote.push(FILES, tag="v1")
    owner = await platform.user("owner")
    unit = await platform.unit(owner, await platform.repo(owner))

    async def authorize(agent: Agent, action: MqttAction, topic: str) -> ParsedTopic | None:
        is_input = action is MqttAction.SUBSCRIBE and "/input_base_topic/" not in topic
        if may_subscribe is not None and is_input:
            await may_subscribe.wait()
        return await platform.authorize(agent, action, topic)

    ports = EndpointPlatform(platform.admit, authorize, platform.receive, platform.presence)
    endpoint = Endpoint(exchange, ports, ROOMY)
    await endpoint.start("127.0.0.1", 0)
    downloads = Downloads(platform, owner, unit, endpoint.port)
    app = web.Application()
    app.router.add_get("/pepeunit/api/v1/units/env/{unit}", downloads.get_env)
    app.router.add_get("/pepeunit/api/v1/units/firmware/tgz/{unit}", downloads.get_archive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    downloads.domain = f"127.0.0.1:{runner.addresses[0][1]}"
    for name, body in (await downloads.files()).items():
        (folder / name).write_bytes(body)
    try:
        async with run_device(folder, print) as device:
            yield Scene(platform, exchange, owner, unit, downloads, device)
    finally:
        downloads.may_go.set()
        await runner.cleanup()
        await endpoint.stop()
        await platform.close()


async def test_rulings_22_what_came_while_the_device_restarts_for_an_update_is_done_after_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    async with started(folder) as scene:
        await scene.device.says("connected", WAIT_SECONDS_MAX)
        scene.platform.remote.push({**FILES, "more.txt": "x"}, tag="v2")
        await scene.platform.poll()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await scene.downloads.asked.wait()
        scene.device.forget()
        await scene.platform.send_command(scene.owner, scene.unit, CommandKind.ENV_UPDATE)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while scene.exchange.counters.delivered_messages < 2:
                await asyncio.sleep(0.01)
        scene.downloads.may_go.set()
        await scene.device.says("restart", WAIT_SECONDS_MAX)
        await scene.device.says("env.json is up to date", WAIT_SECONDS_MAX)


async def test_the_program_says_connected_when_it_hears_its_topics(tmp_path: Path) -> None:
    """Before that an input that is set reaches nobody."""
    may_subscribe = asyncio.Event()
    async with started(tmp_path, may_subscribe) as scene:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not scene.exchange.is_online(scene.unit):
                await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await scene.device.says("connected", 0.5)
        may_subscribe.set()
        await scene.device.says("connected", WAIT_SECONDS_MAX)
        node = await scene.platform.node(scene.unit, "set_point/pepeunit")
        await scene.platform.set_input(scene.owner, node.uuid, "23.5")
        await scene.device.says("input set_point/pepeunit = 23.5", WAIT_SECONDS_MAX)


async def test_o41_a_page_in_place_of_a_file_replaces_nothing_on_the_device(tmp_path: Path) -> None:
    async with started(tmp_path) as scene:
        await scene.device.says("connected", WAIT_SECONDS_MAX)
        before = files_in(tmp_path)
        scene.downloads.broken.append(b"<html>the server is being mended</html>")
        await scene.platform.send_command(scene.owner, scene.unit, CommandKind.ENV_UPDATE)
        await scene.device.says("env_update/pepeunit: JSONDecodeError", WAIT_SECONDS_MAX)
        assert files_in(tmp_path) == before
        await scene.platform.send_command(scene.owner, scene.unit, CommandKind.ENV_UPDATE)
        await scene.device.says("env.json is up to date", WAIT_SECONDS_MAX)


async def test_o45_a_version_is_checked_beside_the_running_one_which_is_kept(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    async with started(folder) as scene:
        await scene.device.says("connected", WAIT_SECONDS_MAX)
        running = files_in(folder)
        fresh = await scene.downloads.files()
        scene.platform.remote.push({**FILES, "more.txt": "x"}, tag="v2")
        repo = await scene.platform.repo_row((await scene.platform.row(scene.unit)).repo_uuid)
        await scene.platform.synchronise(repo.repository_registry_uuid)
        scene.downloads.may_go.set()
        for body, said in (
            (tgz(fresh)[:-20], "the archive is incomplete"),
            (tgz({name: body for name, body in fresh.items() if name != "schema.json"}), "lacks"),
            (tgz({**fresh, "main.py": b"def ("}), "update/pepeunit: SyntaxError"),
            (tgz({**fresh, "../env.json": b"{}"}), "leads out of the folder"),
        ):
            scene.downloads.broken.append(body)
            await scene.platform.send_command(scene.owner, scene.unit, CommandKind.UPDATE)
            await scene.device.says(said, WAIT_SECONDS_MAX)
            assert files_in(folder) == running
            assert not (tmp_path / "env.json").exists()
        scene.device.forget()
        await scene.platform.send_command(scene.owner, scene.unit, CommandKind.UPDATE)
        await scene.device.says("connected", WAIT_SECONDS_MAX)
        version = (await scene.platform.row(scene.unit)).built_commit
        assert json.loads((folder / "env.json").read_text())["PU_COMMIT_VERSION"] == version
        assert files_in(tmp_path / "program.previous") == running


async def test_o43_a_value_the_program_cannot_use_ends_neither_it_nor_its_commands(
    tmp_path: Path,
) -> None:
    async with started(tmp_path) as scene:
        await scene.device.says("connected", WAIT_SECONDS_MAX)
        node = await scene.platform.node(scene.unit, "set_point/pepeunit")
        await scene.platform.set_input(scene.owner, node.uuid, "warm")
        await scene.device.says("ValueError: could not convert", WAIT_SECONDS_MAX)
        await scene.platform.send_command(scene.owner, scene.unit, CommandKind.ENV_UPDATE)
        await scene.device.says("env.json is up to date", WAIT_SECONDS_MAX)
