"""How fast a new version reaches 10 000 units, with one command.

    python benchmarks/updates.py [--units N] [--clients N]

The platform runs as ``serve`` does, with embedded PostgreSQL and a git host on loopback. Every unit
follows one repo; a second process holds real MQTT connections of some of them. A tag is pushed and
synchronised: seconds until every unit is built and its command queued, until the last connected
device has received its ``Update``, and the growth of the platform's resident memory. A second run
of the same update shows what units cost that have it already.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import socket
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from pepeunit.adapters.embedded.installation import Installation
from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import VERSION_3
from pepeunit.domain.access.agent import BACKEND, Agent
from pepeunit.domain.access.tokens import UnitClaims
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, RegistryId, RepoId, UnitId, UserId
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.registry import GitPlatform
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.lifespan import Running, running
from pepeunit.usecases.repos.create_repo import RepoSettings

MIB = 1024 * 1024
HOST = "127.0.0.1"
PROJECT = "bench/fleet"
BATCH = 500
QOS = 1
WAIT_SECONDS_MAX = 120.0
SCHEMA = {
    "input_base_topic": ["update/pepeunit"],
    "output_base_topic": ["state/pepeunit"],
    "input_topic": ["led/pepeunit", "mode/pepeunit"],
    "output_topic": ["a/pepeunit", "b/pepeunit", "c/pepeunit"],
}
NAMES = [
    *((NodeType.INPUT, name) for name in SCHEMA["input_topic"]),
    *((NodeType.OUTPUT, name) for name in SCHEMA["output_topic"]),
]


def resident_bytes() -> int:
    """Of this process, without PostgreSQL."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


# the other process


async def _device(port: int, domain: str, unit: str, token: str) -> float:
    """When the unit's ``Update`` came; it is acknowledged."""
    reader, writer = await asyncio.open_connection(HOST, port)
    connect = p.Connect(p.CONNECT, VERSION_3, unit, True, 0, token, b"", None, {})
    writer.write(e.encode_connect(connect))
    assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
    topic = f"{domain}/input_base_topic/{unit}/update/pepeunit"
    writer.write(e.encode_subscribe(1, [p.Filter(topic, QOS)]))
    assert (await reader.readexactly(5))[0] == 0x90
    DEVICES.append(writer)
    decoder = Decoder(1 << 20, from_client=False, version=VERSION_3)
    packets: list[p.Packet] = []
    while not packets:
        packets = decoder.feed(await reader.read(65_536))
    _, _, _, packet_id, _ = cast(p.Publish, packets[0])
    writer.write(e.encode_ack(p.PUBACK, packet_id))
    return time.monotonic()


DEVICES: list[asyncio.StreamWriter] = []


async def _clients(port: int, domain: str, tokens: dict[str, str], pipe: Pipe) -> None:
    waiting = [
        asyncio.create_task(_device(port, domain, unit, token)) for unit, token in tokens.items()
    ]
    while len(DEVICES) < len(tokens):
        await asyncio.sleep(0.05)
        for task in waiting:
            if task.done() and task.exception():
                task.result()
    pipe.send("connected")
    done, late = await asyncio.wait(waiting, timeout=WAIT_SECONDS_MAX)
    pipe.send((sorted(task.result() for task in done), len(late)))


def clients(port: int, domain: str, tokens: dict[str, str], pipe: Pipe) -> None:
    asyncio.run(_clients(port, domain, tokens, pipe))


# the platform


def _files(version: str) -> dict[str, bytes]:
    return {
        "schema_example.json": json.dumps(SCHEMA).encode(),
        "env_example.json": b'{"WIFI": ""}',
        "main.py": f"print({version!r})".encode(),
    }


async def _fleet(
    use: UseCases, forge: Forge, units: int
) -> tuple[RegistryId, RepoId, list[UnitId]]:
    """A repo with units that run and report its first tag."""
    await forge.create(PROJECT)
    commit = await forge.commit(PROJECT, _files("v1"), "first", tag="v1")
    user = await use.sign_up()(BACKEND, "bench", "Correct-horse1", UserRole.USER)
    owner = Agent.user(user.uuid, user.role)
    registry = await use.register_registry()(
        owner, GitPlatform.GITLAB, forge.url(PROJECT), True, None
    )
    settings = RepoSettings(
        name="fleet",
        visibility_level=Visibility.PUBLIC,
        default_branch="main",
        is_compilable_repo=False,
    )
    repo = await use.create_repo()(owner, registry.uuid, settings)
    made: list[UnitId] = []
    while len(made) < units:
        batch = [_unit(repo.uuid, user.uuid, commit) for _ in range(BATCH)]
        async with use.database().begin() as tx:
            await tx.units.put_many(batch)
            await tx.nodes.put([node for unit in batch for node in _nodes(unit)])
        made += [unit.uuid for unit in batch]
    return registry.uuid, repo.uuid, made


def _unit(repo: RepoId, user: UserId, commit: Sha) -> Unit:
    uuid, now = UnitId(uuid4()), datetime.now(UTC)
    return Unit(
        uuid=uuid,
        name=f"unit-{uuid}",
        visibility_level=Visibility.PUBLIC,
        repo_uuid=repo,
        creator_uuid=user,
        create_datetime=now,
        last_update_datetime=now,
        built_commit=commit,
        built_tag="v1",
        current_commit_version=commit,
    )


def _nodes(unit: Unit) -> list[Node]:
    return [
        Node(
            uuid=NodeId(uuid4()),
            type=kind,
            topic_name=name,
            unit_uuid=unit.uuid,
            creator_uuid=unit.creator_uuid,
            visibility_level=Visibility.PUBLIC,
            create_datetime=unit.create_datetime,
            last_update_datetime=unit.create_datetime,
        )
        for kind, name in NAMES
    ]


async def _answer(pipe: Pipe, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not pipe.poll():
        if time.monotonic() > deadline:
            raise TimeoutError("the other process does not answer")
        await asyncio.sleep(0.02)
    return pipe.recv()


async def _all_online(use: UseCases, units: list[UnitId]) -> None:
    """Presence is written behind the connects."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        async with use.database().read() as rows:
            found = await rows.units.get_many(units)
        if all(unit.is_online for unit in found):
            return
        assert time.monotonic() < deadline, "not every device is marked online"
        await asyncio.sleep(0.5)


async def measure(up: Running, forge: Forge, units: int, connected: int) -> None:
    use = up.use
    registry, repo, fleet = await _fleet(use, forge, units)
    tokens = {
        str(unit): use.tokens().sign(UnitClaims(UnitId(UUID(str(unit)))).as_mapping())
        for unit in fleet[:connected]
    }
    ours, theirs = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(
        target=clients, args=(up.settings.mqtt.port, up.facts.domain, tokens, theirs)
    )
    other.start()
    try:
        await _answer(ours, WAIT_SECONDS_MAX)
        await forge.commit(PROJECT, _files("v2"), "second", tag="v2")
        await use.synchronise()(registry)
        await _all_online(use, fleet[:connected])
        before, peak = resident_bytes(), 0

        async def watch() -> None:
            nonlocal peak
            while True:
                peak = max(peak, resident_bytes())
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        began = time.monotonic()
        queued = await use.followers()(repo)
        took = time.monotonic() - began
        received, late = await _answer(ours, WAIT_SECONDS_MAX)
        watching.cancel()
        async with use.database().read() as rows:
            waiting = await rows.outbox.length()
        last = received[-1] - began
        print(f"{queued} units updated in {took:.1f} s: {queued / took:.0f} commands/s queued")
        print(
            f"{len(received)} of {connected} connected devices told after {last:.1f} s"
            f" ({late} missing): {len(received) / last:.0f} commands/s received"
        )
        print(f"{waiting} commands in the outbox then, {units - connected} of devices away")
        growth = (max(peak, resident_bytes()) - before) / MIB
        print(f"memory {before / MIB:.0f} MiB before, {growth:.0f} MiB more at the highest")
        began = time.monotonic()
        again = await use.followers()(repo)
        print(f"the same update again: {again} commands in {time.monotonic() - began:.2f} s")
    finally:
        other.terminate()
        other.join()


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--units", type=int, default=10_000)
    options.add_argument("--clients", type=int, default=1_000)
    chosen = options.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "forge").mkdir()
        forge = Forge(Path(folder) / "forge", HOST, 0)
        await forge.start()
        environment = {
            "PU_HTTP_HOST": HOST,
            "PU_HTTP_PORT": str(free_port()),
            "PU_MQTT_PORT": str(free_port()),
            "PU_DOMAIN": "bench.example",
            "PU_MQTT_MAX_CLIENT_CONNECTION_RATE": "100000/s",
            "PU_GIT_HOST_ALLOWLIST": forge.authority,
        }
        installation = Installation.open(Path(folder) / "data")
        try:
            async with running(installation, environment) as up:
                await measure(up, forge, chosen.units, chosen.clients)
        finally:
            installation.close()
            await forge.stop()


if __name__ == "__main__":
    asyncio.run(main())
