"""A device's whole life over the public interfaces: what the demo shows and the tests repeat.

Every step first looks for what an earlier, perhaps interrupted journey left, so that it can be
run again and again on the same platform.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import field, frozen

from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.cli.device_process import DeviceProcess, run_device, unpack_firmware
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.narrator import Narrator
from pepeunit.entrypoints.cli.program import program_files, release_of
from pepeunit.entrypoints.cli.rest_client import RestClient, refused

INPUT: Final = "set_point/pepeunit"
OUTPUT: Final = "temperature/pepeunit"
SET_POINT: Final = "23.5"
STEP_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.1
NAMES_TRIED_MAX: Final = 50

T = TypeVar("T")
Row = dict[str, Any]


@frozen
class Journey:
    """``folder`` holds the device's files; ``api`` becomes the demo user once signed in.

    Project, repo and unit share one ``name``.
    """

    forge: Forge
    api: RestClient
    folder: Path
    login: str
    password: str = field(repr=False)
    tell: Narrator
    name: str = "thermometer"

    @property
    def project(self) -> str:
        return f"demo/{self.name}"

    @asynccontextmanager
    async def walked(self) -> AsyncIterator[Row]:
        """Walk it from end to end; the unit as it is then. The device runs on meanwhile. Raises
        ``Unavailable`` naming the step that failed, with the reason."""
        first = await self._first_version()
        await self._sign_in()
        registry = await self._register()
        repo = await self._make_repo(registry)
        unit = await self._make_unit(repo)
        await self._download(unit)
        program = self.folder / "program"
        self.tell.step(f"The device starts from its archive: python main.py in {program}")
        async with run_device(program, self.tell.device) as device:
            await device.says("connected", STEP_SECONDS_MAX)
            await self._reports(unit, first)
            await self._set_input(unit, device)
            await self._obey(unit, device)
            newest = await self._push(registry, device)
            await self._updated(unit, device, newest)
            await self._newest_value(unit)
            yield await self._unit(unit)

    async def _first_version(self) -> str:
        """The newest tag's commit; one is pushed when there is none."""
        await self.forge.create(self.project)
        tags = await self.forge.tags(self.project)
        self.tell.step(f"A code host on this machine serves {self.forge.url(self.project)}")
        if tags:
            newest = max(tags, key=release_of)
            self.tell.fact(f"its newest tag is {newest}")
            return tags[newest]
        commit = await self.forge.commit(
            self.project, program_files(1), "The first version", tag="v1"
        )
        self.tell.fact(f"git push: the program of a thermometer, tag v1 on commit {commit[:8]}")
        return commit

    async def _sign_in(self) -> None:
        self.tell.step(f"A person signs up and in: {self.login}")
        account = {"login": self.login, "password": self.password}
        status, answer = await self.api.ask("POST", "users", account)
        if status >= 400 and status != 422:
            raise refused("POST", "users", status, answer)
        answer = await self.api.call(
            "POST", "users/auth", {"credentials": self.login, "password": self.password}
        )
        self.api.token = answer["token"]

    async def _register(self) -> str:
        url = self.forge.url(self.project)
        self.tell.step("The repository is registered and mirrored")
        listed = await self.api.call("GET", "repository_registry", params={"search_string": url})
        known = [r for r in listed["repositories_registry"] if r["repository_url"] == url]
        row = (
            known[0]
            if known
            else await self.api.call(
                "POST",
                "repository_registry",
                {"platform": "Gitlab", "repository_url": url, "is_public_repository": True},
            )
        )
        uuid = str(row["uuid"])
        if known:
            await self._announce_push(uuid)

        async def mirrored() -> Row | None:
            row: Row = await self.api.call("GET", f"repository_registry/{uuid}")
            if row["sync_status"] == "Error" and not known:
                raise Unavailable("mirror", row["sync_error"])
            return row if row["sync_status"] == "Updated" and row["branches"] else None

        done = await within(STEP_SECONDS_MAX, "the mirror is not up to date", mirrored)
        self.tell.fact(f"branches {', '.join(done['branches'])}, {done['local_repository_size']} B")
        return uuid

    async def _make_repo(self, registry: str) -> str:
        self.tell.step("A repo follows the newest tag of branch main")
        listed = await self.api.call("GET", "repos", params={"repository_registry_uuid": registry})
        repo = (
            listed["repos"][0]
            if listed["repos"]
            else await self._named(
                "repos",
                repository_registry_uuid=registry,
                default_branch="main",
                visibility_level="Public",
                is_compilable_repo=False,
            )
        )
        self.tell.fact(f"repo {repo['name']}")
        return str(repo["uuid"])

    async def _make_unit(self, repo: str) -> str:
        self.tell.step("A unit of that repo is made: one device")
        listed = await self.api.call("GET", "units", params={"repo_uuid": repo})
        unit = (
            listed["units"][0]
            if listed["units"]
            else await self._named(
                "units",
                repo_uuid=repo,
                visibility_level="Public",
                is_auto_update_from_repo_unit=True,
            )
        )
        self.tell.fact(f"unit {unit['name']} {unit['uuid']}")
        return str(unit["uuid"])

    async def _named(self, path: str, **wanted: Any) -> Row:
        """Create it under the first free name."""
        for number in range(1, NAMES_TRIED_MAX + 1):
            wanted["name"] = self.name if number == 1 else f"{self.name}-{number}"
            status, answer = await self.api.ask("POST", path, wanted)
            if status < 400:
                return dict(answer)
            if "name" not in str(answer):
                break
        raise refused("POST", path, status, answer)

    async def _download(self, unit: str) -> None:
        self.tell.step("Its archive is downloaded and unpacked as a small device does it")
        archive = await self.api.call(
            "GET", f"units/firmware/tgz/{unit}", params={"wbits": 9, "level": 9}
        )
        names = await asyncio.to_thread(unpack_firmware, archive, self.folder / "program")
        self.tell.fact(f"{len(archive)} B, decoded with a 9-bit window: {', '.join(sorted(names))}")

    async def _reports(self, unit: str, commit: str) -> None:
        async def reported() -> bool:
            row = await self._unit(unit)
            return bool(
                row["is_online"]
                and row["unit_state"]
                and row["current_commit_version"] == row["built_commit"]
            )

        await within(STEP_SECONDS_MAX, "the unit is not online with a state", reported)
        row = await self._unit(unit)
        self.tell.fact(
            f"the platform sees it online, its state reported on commit "
            f"{row['current_commit_version'][:8]}"
            + (" (the newest tag)" if row["current_commit_version"] == commit else "")
        )

    async def _set_input(self, unit: str, device: DeviceProcess) -> None:
        self.tell.step(f"A person sets the input {INPUT} to {SET_POINT}")
        node = await self._node(unit, INPUT)
        path = f"unit_nodes/set_state_input/{node['uuid']}"
        await self.api.call("PATCH", path, {"state": SET_POINT})
        await device.says(f"input {INPUT} = {SET_POINT}", STEP_SECONDS_MAX)
        self.tell.fact("the device has it")

    async def _obey(self, unit: str, device: DeviceProcess) -> None:
        self.tell.step("The commands EnvUpdate, SchemaUpdate and LogSync are sent")
        for command, answer in (
            ("EnvUpdate", "env.json is up to date"),
            ("SchemaUpdate", "schema.json is up to date"),
            ("LogSync", None),
        ):
            path = f"units/send_command_to_input_base_topic/{unit}"
            await self.api.call("POST", path, params={"command": command})
            if answer is not None:
                await device.says(answer, STEP_SECONDS_MAX)

        async def logged() -> int:
            listed = await self.api.call("GET", "units/log_list/", params={"uuid": unit})
            return int(listed["count"])

        count = await within(STEP_SECONDS_MAX, "no log entry arrived", logged)
        self.tell.fact(f"the platform holds {count} log entries of the device")

    async def _push(self, registry: str, device: DeviceProcess) -> str:
        release = max(map(release_of, await self.forge.tags(self.project)), default=0) + 1
        self.tell.step(f"git push: a new tag v{release}; the code host calls the push webhook")
        device.forget()
        commit = await self.forge.commit(
            self.project, program_files(release), f"Version {release}", tag=f"v{release}"
        )
        await self._announce_push(registry)
        self.tell.fact(f"commit {commit[:8]}")
        await device.says(f"update to commit {commit[:8]}", STEP_SECONDS_MAX)
        return commit

    async def _announce_push(self, registry: str) -> None:
        """What the code host does after a push; the poll each minute is the net below it."""
        told = await self.api.call("GET", f"repository_registry/webhook/{registry}")
        await self.api.call_as_host(
            f"repository_registry/webhook/{registry}",
            {"X-Gitlab-Token": told["secret"], "X-Gitlab-Event": "Tag Push Hook"},
            {"object_kind": "tag_push"},
        )

    async def _updated(self, unit: str, device: DeviceProcess, commit: str) -> None:
        self.tell.step("The device was told, updates itself and reports the new version")
        await device.says(f", commit {commit[:8]}", STEP_SECONDS_MAX)

        async def succeeded() -> bool:
            row = await self._unit(unit)
            if row["firmware_update_status"] == "Error":
                raise Unavailable("update", row["firmware_update_error"])
            return bool(
                row["firmware_update_status"] == "Success"
                and row["current_commit_version"] == commit == row["built_commit"]
            )

        await within(STEP_SECONDS_MAX, "the update did not end in Success", succeeded)
        self.tell.fact(f"firmware_update_status is Success on commit {commit[:8]}")

    async def _newest_value(self, unit: str) -> None:
        self.tell.step("The newest value of the output, over REST")
        began = (await self._node(unit, OUTPUT))["state"]

        async def moved() -> str | None:
            value = (await self._node(unit, OUTPUT))["state"]
            return str(value) if value is not None and value != began else None

        value = await within(STEP_SECONDS_MAX, "no new value of the output arrived", moved)
        self.tell.fact(f"{OUTPUT} = {value}")

    async def _unit(self, unit: str) -> Row:
        return dict(await self.api.call("GET", f"units/{unit}"))

    async def _node(self, unit: str, topic_name: str) -> Row:
        listed = await self.api.call("GET", "unit_nodes", params={"unit_uuid": unit})
        for node in listed["unit_nodes"]:
            if node["topic_name"] == topic_name:
                return dict(node)
        raise Unavailable("unit", f"it has no node {topic_name}")


async def within(seconds: float, complaint: str, condition: Callable[[], Awaitable[T | None]]) -> T:
    """Ask until the answer is true. Raises ``Unavailable`` with the complaint when time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := await condition()):
        if time.monotonic() > deadline:
            raise Unavailable("demo", f"{complaint} after {seconds:g} s")
        await asyncio.sleep(POLL_SECONDS)
    return answer
