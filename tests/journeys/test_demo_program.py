"""The demo's program in a process of its own, against a real endpoint (rulings 22)."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
import zlib
from pathlib import Path

import pytest
from aiohttp import web
from attrs import define, field

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.entrypoints.cli.device_process import run_device
from pepeunit.entrypoints.cli.program import program_files
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.platform import Platform as EndpointPlatform
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


@define(eq=False)
class Downloads:
    """The two downloads of a device over HTTP; the archive waits for ``may_go``."""

    platform: Platform
    owner: Agent
    unit: UnitId
    mqtt_port: int
    asked: asyncio.Event = field(factory=asyncio.Event)
    may_go: asyncio.Event = field(factory=asyncio.Event)
    domain: str = ""

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
        return web.Response(body=await self.env())

    async def get_archive(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self.may_go.wait()
        return web.Response(body=tgz(await self.files()))


async def test_rulings_22_what_came_while_the_device_restarts_for_an_update_is_done_after_it(
    tmp_path: Path,
) -> None:
    exchange = Exchange()
    platform = Platform(broker=exchange)
    platform.remote.push(FILES, tag="v1")
    owner = await platform.user("owner")
    unit = await platform.unit(owner, await platform.repo(owner))
    ports = EndpointPlatform(
        platform.admit, platform.authorize, platform.receive, platform.presence
    )
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
    folder = tmp_path / "program"
    folder.mkdir()
    for name, body in (await downloads.files()).items():
        (folder / name).write_bytes(body)
    try:
        async with run_device(folder, print) as device:
            await device.says("connected", WAIT_SECONDS_MAX)
            platform.remote.push({**FILES, "more.txt": "x"}, tag="v2")
            await platform.poll()
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await downloads.asked.wait()
            device.forget()
            await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while exchange.counters.delivered_messages < 2:
                    await asyncio.sleep(0.01)
            downloads.may_go.set()
            await device.says("restart", WAIT_SECONDS_MAX)
            await device.says("env.json is up to date", WAIT_SECONDS_MAX)
    finally:
        downloads.may_go.set()
        await runner.cleanup()
        await endpoint.stop()
        await platform.close()
