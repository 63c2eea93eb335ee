"""The journey with the device library that is in the field (issue 2, devices.md 15).

``pepeunit-client`` is installed into an environment of its own, kept in pytest's cache: it is
never a dependency of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import venv
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from pepeunit.entrypoints.cli.demo_journey import within
from pepeunit.entrypoints.cli.device_process import unpack_firmware
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.rest_client import RestClient, rest_client
from tests.journeys.conftest import Served

LIBRARY = "pepeunit-client[all]==1.3.0"
PROGRAM = Path(__file__).parent / "library_program"
PROJECT = "field/display"
WAIT_SECONDS_MAX = 40.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def library_python(pytestconfig: pytest.Config) -> Path:
    """The interpreter of an environment that has the library."""
    assert pytestconfig.cache is not None
    kept = pytestconfig.cache.mkdir("device-library")
    home = kept / f"{LIBRARY.partition('==')[2]}-{sys.version_info.major}.{sys.version_info.minor}"
    python = home / "bin" / "python"
    if (home / "complete").exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", LIBRARY],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if installed.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {LIBRARY}: {installed.stderr}")
    (home / "complete").touch()
    return python


@define(eq=False)
class LibraryDevice:
    """A started program; ``lines`` is what it printed."""

    process: subprocess.Popen[str]
    lines: list[str] = field(factory=list)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    async def says(self, text: str) -> str:
        async def said() -> str | None:
            ended = self.process.poll()
            assert ended is None, f"ended with {ended}: {self.lines[-20:]}"
            return next((line for line in self.lines if text in line), None)

        return await within(WAIT_SECONDS_MAX, f"no {text!r} in {self.lines[-20:]}", said)


@contextlib.contextmanager
def started(python: Path, folder: Path) -> Iterator[LibraryDevice]:
    process = subprocess.Popen(
        [python, "main.py"],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONUNBUFFERED": "1", "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    device = LibraryDevice(process)
    reader = threading.Thread(target=device.read)
    reader.start()
    try:
        yield device
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def files(release: int) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in PROGRAM.iterdir() if path.is_file()}
    found["main.py"] = found["main.py"].replace(b"RELEASE = 1\n", f"RELEASE = {release}\n".encode())
    return found


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    folder = tmp_path / "forge"
    folder.mkdir()
    forge = Forge(folder)
    await forge.start()
    yield forge
    await forge.stop()


@pytest.fixture
async def api(served: Served, forge: Forge) -> AsyncIterator[RestClient]:
    served.settings.update(
        PU_DOMAIN=f"127.0.0.1:{served.http_port}",
        PU_MQTT_HOST="127.0.0.1",
        PU_GIT_HOST_ALLOWLIST=forge.authority,
        PU_STATE_SEND_INTERVAL="5",
    )
    served.start()
    async with rest_client(served.api_url) as api:
        await api.call("POST", "users", {"login": "fielder", "password": "Correct4711"})
        signed_in = await api.call(
            "POST", "users/auth", {"credentials": "fielder", "password": "Correct4711"}
        )
        api.token = signed_in["token"]
        yield api


async def unit_of(api: RestClient, forge: Forge) -> tuple[str, str]:
    """A registry with the program's first version, and a unit that follows it."""
    await forge.create(PROJECT)
    await forge.commit(PROJECT, files(1), "One", tag="v1")
    registry = await api.call(
        "POST",
        "repository_registry",
        {
            "platform": "Gitlab",
            "repository_url": forge.url(PROJECT),
            "is_public_repository": True,
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
            "name": "display",
            "is_compilable_repo": False,
        },
    )
    unit = await api.call(
        "POST",
        "units",
        {
            "repo_uuid": repo["uuid"],
            "visibility_level": "Private",
            "name": "display",
            "is_auto_update_from_repo_unit": True,
        },
    )
    return registry["uuid"], unit["uuid"]


async def node(api: RestClient, unit: str, topic_name: str) -> dict[str, Any]:
    listed = await api.call("GET", "unit_nodes", params={"unit_uuid": unit})
    return next(found for found in listed["unit_nodes"] if found["topic_name"] == topic_name)


async def until(complaint: str, condition: Callable[[], Awaitable[object]]) -> None:
    await within(WAIT_SECONDS_MAX, complaint, condition)


async def test_a_device_on_the_published_library_lives_its_whole_life(
    library_python: Path, api: RestClient, forge: Forge, tmp_path: Path
) -> None:
    registry, unit = await unit_of(api, forge)
    archive = await api.call("GET", f"units/firmware/tgz/{unit}", params={"wbits": 9, "level": 9})
    folder = tmp_path / "device"
    unpack_firmware(archive, folder)

    async def row() -> dict[str, Any]:
        return dict(await api.call("GET", f"units/{unit}"))

    with started(library_python, folder) as device:
        await device.says("release 1")

        async def reported() -> bool:
            seen = await row()
            return bool(
                seen["unit_state"]
                and seen["is_online"]
                and seen["current_commit_version"] == seen["built_commit"]
            )

        await until("no state", reported)

        display = await node(api, unit, "display/pepeunit")
        path = f"unit_nodes/set_state_input/{display['uuid']}"
        await api.call("PATCH", path, {"state": "21 degrees"})
        await device.says(f"{display['uuid']}/pepeunit = 21 degrees")

        counter = await node(api, unit, "counter/pepeunit")

        async def counted() -> bool:
            return (await node(api, unit, "counter/pepeunit"))["state"] is not None

        await until("no value of the output", counted)

        env = json.dumps({"GREETING": "good morning"})
        await api.call("PATCH", f"units/env/{unit}", {"env_json_string": env})
        await command(api, unit, "EnvUpdate")
        await device.says("greeting good morning")

        await api.call(
            "POST",
            "unit_nodes/create_unit_node_edge",
            {"node_output_uuid": counter["uuid"], "node_input_uuid": display["uuid"]},
        )
        await device.says(f"input 127.0.0.1:{api_port(api)}/{counter['uuid']}/pepeunit = ")

        await command(api, unit, "LogSync")

        async def logged() -> int:
            listed = await api.call("GET", "units/log_list/", params={"uuid": unit})
            return sum("release 1 is up" in entry["text"] for entry in listed["unit_logs"])

        await until("no log entry", logged)

        commit = await forge.commit(PROJECT, files(2), "Two", tag="v2")
        told = await api.call("GET", f"repository_registry/webhook/{registry}")
        await api.call_as_host(
            f"repository_registry/webhook/{registry}", {"X-Gitlab-Token": told["secret"]}, {}
        )
        await device.says(f"release 2, commit {commit}")

        async def succeeded() -> bool:
            seen = await row()
            return seen["firmware_update_status"] == "Success"

        await until("no success", succeeded)
        seen = await row()
        assert (seen["current_commit_version"], seen["built_commit"]) == (commit, commit)


def api_port(api: RestClient) -> str:
    return api.api_url.split(":")[2].split("/")[0]


async def command(api: RestClient, unit: str, name: str) -> None:
    path = f"units/send_command_to_input_base_topic/{unit}"
    await api.call("POST", path, params={"command": name})
