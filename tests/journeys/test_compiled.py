"""A compiled program of a private repository, from its release to the device (O11, O40, W32)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import queue
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from attrs import define, field

from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.entrypoints.cli.demo_journey import within
from pepeunit.entrypoints.cli.device_process import unpack_firmware
from pepeunit.entrypoints.cli.rest_client import RestClient, rest_client
from tests.doubles.github import GitHub
from tests.doubles.gitlab import GitLab
from tests.journeys.conftest import Served

PROJECT = "field/meter"
SECRET = GitCredentials("fielder", "pat_s3cret")
PLATFORM = "linux-amd64"
WAIT_SECONDS_MAX = 30.0
SCHEMA = {
    "input_base_topic": ["update/pepeunit"],
    "output_base_topic": ["state/pepeunit"],
    "input_topic": [],
    "output_topic": ["meter/pepeunit"],
}
Stand = GitLab | GitHub

pytestmark = pytest.mark.timeout(120)


def binary(tag: str) -> bytes:
    return f"{PLATFORM} of {tag}".encode() * 20_000


async def release(forge: Stand, tag: str, *platforms: str) -> str:
    files = {
        "schema_example.json": json.dumps(SCHEMA).encode(),
        "env_example.json": b"{}",
        "main.go": f"// {tag}".encode(),
    }
    commit = await forge.commit(PROJECT, files, tag, tag=tag)
    forge.publish(PROJECT, tag, {name: binary(tag) for name in platforms})
    return commit


@define(eq=False)
class CompiledDevice:
    """Updates in the documented order: archive, binary beside the old one, check, rename (O40)."""

    folder: Path
    commands: queue.Queue[dict[str, Any]] = field(factory=queue.Queue)
    refused: list[str] = field(factory=list)

    @property
    def env(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "env.json").read_text()))

    @property
    def schema(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "schema.json").read_text()))

    @contextlib.contextmanager
    def connected(self) -> Iterator[paho.Client]:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.username_pw_set(self.env["PU_AUTH_TOKEN"], "")
        client.on_connect = self._listen
        client.on_message = lambda *heard: self.commands.put(json.loads(heard[2].payload))
        client.connect(self.env["PU_MQTT_HOST"], self.env["PU_MQTT_PORT"])
        client.loop_start()
        try:
            yield client
        finally:
            client.disconnect()
            client.loop_stop()

    def _listen(self, client: paho.Client, *_: Any) -> None:
        self.report(client)
        client.subscribe(self.schema["input_base_topic"]["update/pepeunit"][0], qos=1)

    def report(self, client: paho.Client) -> None:
        state = {"pu_commit_version": self.env["PU_COMMIT_VERSION"]}
        client.publish(self.schema["output_base_topic"]["state/pepeunit"][0], json.dumps(state), 1)

    def get(self, url: str) -> bytes:
        """Every redirect is an error, and so is a body of another length than announced."""
        request = urllib.request.Request(url, headers={"x-auth-token": self.env["PU_AUTH_TOKEN"]})
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=10) as answer:
            body = bytes(answer.read())
            assert answer.status == 200
            assert int(answer.headers["Content-Length"]) == len(body)
            return body

    def update(self, api_url: str, unit: str, command: dict[str, Any]) -> None:
        archive = self.get(f"{api_url}/units/firmware/tgz/{unit}?wbits=9&level=9")
        fresh = self.get(command["COMPILED_FIRMWARE_LINK"])
        assert hashlib.sha256(fresh).hexdigest() == command["COMPILED_FIRMWARE_SHA256"]
        assert sorted(unpack_firmware(archive, self.folder)) == ["env.json", "schema.json"]
        (self.folder / "meter.new").write_bytes(fresh)
        (self.folder / "meter.new").replace(self.folder / "meter")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@pytest.fixture(params=[GitLab, GitHub])
async def forge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stand]:
    folder = tmp_path / "forge"
    folder.mkdir()
    stand = request.param(folder)
    await stand.start()
    yield stand
    await stand.stop()


async def signed_up(api: RestClient, login: str) -> str:
    await api.call("POST", "users", {"login": login, "password": "Correct4711"})
    signed_in = await api.call(
        "POST", "users/auth", {"credentials": login, "password": "Correct4711"}
    )
    return str(signed_in["token"])


@pytest.fixture
async def api(served: Served, forge: Stand) -> AsyncIterator[RestClient]:
    storage = f",{forge.storage}" if isinstance(forge, GitHub) else ""
    served.settings.update(
        PU_DOMAIN=f"127.0.0.1:{served.http_port}",
        PU_MQTT_HOST="127.0.0.1",
        PU_GIT_HOST_ALLOWLIST=f"{forge.authority}{storage}",
        PU_STATE_SEND_INTERVAL="5",
    )
    served.start()
    async with rest_client(served.api_url) as api:
        api.token = await signed_up(api, "fielder")
        yield api


async def unit_of(api: RestClient, forge: Stand) -> tuple[str, str]:
    registry = await api.call(
        "POST",
        "repository_registry",
        {
            "platform": type(forge).__name__.capitalize(),
            "repository_url": forge.url(PROJECT),
            "is_public_repository": False,
            "credentials": {"username": SECRET.username, "pat_token": SECRET.pat_token},
        },
    )
    assert registry["sync_status"] == "Updated", registry
    repo = await api.call(
        "POST",
        "repos",
        {
            "repository_registry_uuid": registry["uuid"],
            "default_branch": "main",
            "visibility_level": "Private",
            "name": "meter",
            "is_compilable_repo": True,
        },
    )
    platforms = await api.call("GET", f"repos/available_platforms/{repo['uuid']}")
    assert PLATFORM in [platform["name"] for platform in platforms]
    unit = await api.call(
        "POST",
        "units",
        {
            "repo_uuid": repo["uuid"],
            "visibility_level": "Private",
            "name": "meter",
            "is_auto_update_from_repo_unit": True,
            "target_firmware_platform": PLATFORM,
        },
    )
    return registry["uuid"], unit["uuid"]


async def pushed(api: RestClient, forge: Stand, registry: str) -> None:
    """The code host's webhook, in its own form."""
    path = f"repository_registry/webhook/{registry}"
    secret = (await api.call("GET", path))["secret"]
    digest = hmac.new(secret.encode(), b"{}", hashlib.sha256).hexdigest()
    headers = {"X-Gitlab-Token": secret}
    if isinstance(forge, GitHub):
        headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    await api.call_as_host(path, headers, {})


async def row_with(api: RestClient, unit: str, **wanted: str) -> dict[str, Any]:
    async def fits() -> dict[str, Any] | None:
        row = dict(await api.call("GET", f"units/{unit}"))
        return row if wanted.items() <= row.items() else None

    return await within(WAIT_SECONDS_MAX, f"the unit is not {wanted}", fits)


async def test_o11_o40_a_private_compiled_program_reaches_its_device_and_verifies(
    served: Served, api: RestClient, forge: Stand, tmp_path: Path
) -> None:
    await forge.create(PROJECT, SECRET)
    await release(forge, "v1", PLATFORM, "linux-arm")
    registry, unit = await unit_of(api, forge)
    device = CompiledDevice(tmp_path / "device")
    query = {"wbits": 9, "level": 9}
    unpack_firmware(
        await api.call("GET", f"units/firmware/tgz/{unit}", params=query), device.folder
    )
    link = f"{api.api_url}/units/firmware_asset/{unit}"
    assert await asyncio.to_thread(device.get, link) == binary("v1")

    with device.connected() as client:
        await release(forge, "v2", "linux-arm")
        await pushed(api, forge, registry)
        paused = await row_with(api, unit, firmware_update_status="Error")
        assert PLATFORM in paused["firmware_update_error"]
        assert paused["built_commit"] == device.env["PU_COMMIT_VERSION"]
        assert await asyncio.to_thread(device.get, link) == binary("v1")

        third = await release(forge, "v3", PLATFORM)
        await pushed(api, forge, registry)
        command = await asyncio.to_thread(device.commands.get, timeout=WAIT_SECONDS_MAX)
        assert command == {
            "COMMAND": "Update",
            "PU_COMMIT_VERSION": third,
            "COMPILED_FIRMWARE_LINK": link,
            "COMPILED_FIRMWARE_SHA256": hashlib.sha256(binary("v3")).hexdigest(),
        }
        await asyncio.to_thread(device.update, api.api_url, unit, command)
        assert (device.folder / "meter").read_bytes() == binary("v3")
        device.report(client)
        await row_with(api, unit, firmware_update_status="Success", current_commit_version=third)

    api.token = ""
    api.token = await signed_up(api, "stranger")
    status, _ = await api.ask("GET", f"units/firmware_asset/{unit}")
    assert status == 422
    if isinstance(forge, GitHub):
        assert {sent for place, _, sent in forge.seen if place == "storage"} == {None}
        assert SECRET.pat_token not in str([path for _, path, _ in forge.seen])
    assert SECRET.pat_token not in (served.data_dir / "stderr").read_text()
