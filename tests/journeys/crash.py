"""Kill ``pepeunit serve`` at random moments of the demo's journey and look at what is left.

``python tests/journeys/crash.py --kills 50 --seed 7`` prints a table in Markdown; it ends with 1
when an invariant is broken or a journey does not complete. Every round carries a new repository
through the journey, so each step is met both as a beginner and as somebody who goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from attrs import define, field, frozen

from pepeunit.adapters.embedded.postgres_processes import server_processes
from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.cli.demo_journey import Journey, within
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.cli.narrator import Narrator
from pepeunit.entrypoints.cli.rest_client import Params, RestClient, rest_client
from tests.journeys.conftest import Served, free_port

LOGIN, PASSWORD = "crasher", "Crash4711"
RECOVERY_SECONDS_MAX = 20.0
JOURNEY_SECONDS_MAX = 120.0

PARTIAL = {
    "every unit has its two nodes": """
        select uuid from units u
        where (select count(*) from nodes n where n.unit_uuid = u.uuid) <> 2""",
    "every unit has its sealed env": """
        select uuid from units u where not exists (
            select 1 from sealed_texts s where s.unit_uuid = u.uuid and s.kind = 'env')""",
    "every unit has its three permissions": """
        select uuid from units u where (
            select count(*) from permissions p
            where p.resource_uuid = u.uuid and p.agent_uuid in (u.uuid, u.creator_uuid)
               or p.resource_uuid = u.repo_uuid and p.agent_uuid = u.uuid) <> 3""",
    "every node has its two permissions": """
        select uuid from nodes n where (
            select count(*) from permissions p
            where p.resource_uuid = n.uuid
              and p.agent_uuid in (n.unit_uuid, n.creator_uuid)) <> 2""",
    "every repo has its creator's permission": """
        select uuid from repos r where not exists (
            select 1 from permissions p
            where p.resource_uuid = r.uuid and p.agent_uuid = r.creator_uuid)""",
    "no permission dangles": """
        select uuid from permissions p where
            not exists (select 1 from users where uuid = p.agent_uuid
                        union all select 1 from units where uuid = p.agent_uuid)
            or not exists (select 1 from repos where uuid = p.resource_uuid
                           union all select 1 from units where uuid = p.resource_uuid
                           union all select 1 from nodes where uuid = p.resource_uuid)""",
    "no node, edge, repo or command dangles": """
        select uuid from nodes n where not exists (select 1 from units where uuid = n.unit_uuid)
        union all select uuid from edges e where
            not exists (select 1 from nodes where uuid = e.node_output_uuid)
            or not exists (select 1 from nodes where uuid = e.node_input_uuid)
        union all select uuid from repos r where
            not exists (select 1 from registries where uuid = r.repository_registry_uuid)
        union all select uuid from outbox o where
            not exists (select 1 from units where uuid = o.unit_uuid)""",
}
PROCESSING = "select uuid from registries where sync_status = 'Processing'"
BUILT = """
    select u.uuid, u.built_commit, r.repository_registry_uuid as registry
    from units u join repos r on r.uuid = u.repo_uuid"""
OTHER = (
    "what was answered with 201 is still there",
    "built commits are in their mirrors",
    "nothing is left Processing",
    "secrets decrypt",
    "exactly one PostgreSQL",
    "the journey completes",
)


class Witness(RestClient):
    """A caller that keeps what it was told had been created."""

    created: list[str]

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        params: Params | None = None,
        headers: Any = None,
    ) -> tuple[int, Any]:
        status, answer = await super().ask(method, path, body, params, headers)
        if status == 201:
            self.created.append(answer["uuid"])
        return status, answer


@frozen
class Round:
    number: int
    moment: float
    step: str
    recovery: float
    broken: Sequence[str]


@define(eq=False)
class Crash:
    """``created`` grows with every acknowledged creation, over all rounds."""

    served: Served
    forge: Forge
    folder: Path
    dice: random.Random
    created: list[str] = field(factory=list)
    journey_seconds: float = 0.0

    async def measure(self) -> None:
        """One undisturbed journey, so that moments are spread over a whole one."""
        began = time.monotonic()
        await asyncio.to_thread(self.served.launch)
        await self._journey(0, io.StringIO())
        self.journey_seconds = time.monotonic() - began

    async def round(self, number: int) -> Round:
        moment = self.dice.uniform(0, self.journey_seconds)
        await asyncio.to_thread(self.served.end, signal.SIGTERM)
        await asyncio.to_thread(self.served.launch)
        told = io.StringIO()
        attempt = asyncio.create_task(self._journey(number, told))
        await asyncio.wait([attempt], timeout=moment)
        await asyncio.to_thread(self.served.end, signal.SIGKILL)
        attempt.cancel()
        await asyncio.wait([attempt])
        steps = [line for line in told.getvalue().splitlines() if " s  " in line[:12]]
        step = steps[-1][10:].strip().partition(" http")[0] if steps else "start-up"
        recovery = await asyncio.to_thread(self.served.start)
        broken = [name async for name in self._broken()]
        try:
            await self._journey(number, io.StringIO(), is_up=True)
        except (Unavailable, TimeoutError, AssertionError) as failure:
            broken.append(f"the journey completes ({failure})")
        return Round(number, moment, step, recovery, broken)

    async def _journey(self, number: int, out: io.StringIO, *, is_up: bool = False) -> None:
        if not is_up:
            await asyncio.to_thread(self.served.wait_until_up)
        async with asyncio.timeout(JOURNEY_SECONDS_MAX), self._witness() as api:
            device, name = self.folder / "device", f"thermo-{number}"
            await Journey(self.forge, api, device, LOGIN, PASSWORD, Narrator(out), name).run()

    @contextlib.asynccontextmanager
    async def _witness(self) -> AsyncIterator[Witness]:
        async with rest_client(self.served.api_url) as plain:
            witness = Witness(plain.api_url, plain._session)
            witness.created = self.created
            yield witness

    async def _broken(self) -> AsyncIterator[str]:
        """The invariants that do not hold, by name with the rows that break them."""
        keys = json.loads((self.served.data_dir / "keys.json").read_text())
        cluster = self.served.data_dir / "postgres"
        rows = await asyncpg.connect(
            host=str(cluster),
            user="pepeunit",
            password=keys["postgres_password"],
            database="postgres",
        )
        try:
            for name, query in PARTIAL.items():
                if found := await rows.fetch(query):
                    yield f"{name} ({[str(row['uuid']) for row in found]})"
            if missing := await self._missing(rows):
                yield f"what was answered with 201 is still there ({missing})"
            for row in await rows.fetch(BUILT):
                if not self._has(row["registry"], row["built_commit"]):
                    yield f"built commits are in their mirrors ({row['uuid']})"
            try:
                await within(RECOVERY_SECONDS_MAX, "Processing", lambda: _none(rows, PROCESSING))
            except Unavailable:
                yield "nothing is left Processing"
            if closed := await self._undecryptable(
                [row["uuid"] for row in await rows.fetch(BUILT)]
            ):
                yield f"secrets decrypt ({closed})"
        finally:
            await rows.close()
        servers = [pid for pid in server_processes(cluster) if b"-D" in _arguments(pid)]
        if len(servers) != 1:
            yield f"exactly one PostgreSQL ({servers})"

    async def _missing(self, rows: asyncpg.Connection[Any]) -> list[str]:
        query = """select uuid from users union all select uuid from registries
            union all select uuid from repos union all select uuid from units"""
        stored = {str(row["uuid"]) for row in await rows.fetch(query)}
        return [uuid for uuid in self.created if uuid not in stored]

    def _has(self, registry: object, commit: str) -> bool:
        mirror = self.served.data_dir / "mirrors" / f"{registry}.git"
        command = ["git", "-C", str(mirror), "cat-file", "-e", f"{commit}^{{commit}}"]
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_COUNT": "1"} | {
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        return subprocess.run(command, env=environment, check=False).returncode == 0

    async def _undecryptable(self, units: Sequence[object]) -> list[str]:
        """Units whose env cannot be read; none before the first user signed up."""
        if not units:
            return []
        async with rest_client(self.served.api_url) as api:
            account = {"credentials": LOGIN, "password": PASSWORD}
            api.token = (await api.call("POST", "users/auth", account))["token"]
            answers = [(unit, await api.ask("GET", f"units/env/{unit}")) for unit in units]
        return [
            str(unit)
            for unit, (status, env) in answers
            if status != 200 or len(env["PU_SECRET_KEY"]) != 44
        ]


async def _none(rows: asyncpg.Connection[Any], query: str) -> bool:
    return not await rows.fetch(query)


def _arguments(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


async def crash(kills: int, seed: int) -> int:
    """The exit code; the table goes to stdout as it grows."""
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        (folder / "forge").mkdir()
        forge = Forge(folder / "forge")
        await forge.start()
        served = Served(folder / "data", free_port(), free_port())
        served.settings = {
            "PU_DOMAIN": f"127.0.0.1:{served.http_port}",
            "PU_MQTT_HOST": "127.0.0.1",
            "PU_GIT_HOST_ALLOWLIST": forge.authority,
            "PU_STATE_SEND_INTERVAL": "5",
        }
        crash = Crash(served, forge, folder, random.Random(seed))
        failed = []
        try:
            await crash.measure()
            print(f"{kills} kills, seed {seed}, {platform.machine()}, {os.cpu_count()} cores; an")
            print(f"undisturbed start and journey took {crash.journey_seconds:.1f} s.\n")
            print("Checked after every restart: " + ", ".join((*PARTIAL, *OTHER)) + ".\n")
            print("| kill | at s | during | up again in s | broken |\n|---|---|---|---|---|")
            for number in range(1, kills + 1):
                done = await crash.round(number)
                told = "; ".join(done.broken) or "none"
                print(
                    f"| {number} | {done.moment:.2f} | {done.step} | {done.recovery:.1f} | {told} |"
                )
                sys.stdout.flush()
                failed += done.broken
            print(
                f"\n{len(failed)} broken invariants, {len(crash.created)} acknowledged creations."
            )
        finally:
            await asyncio.to_thread(served.end, signal.SIGTERM)
            await forge.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(crash(chosen.kills, chosen.seed)))
