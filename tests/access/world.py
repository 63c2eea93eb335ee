"""One instance on memory ports behind its real doors, with everybody the matrix speaks of.

The columns of the matrix are people and units of this world; its things exist once for each row:
a repo, a unit on it and the unit's nodes for every visibility level, and registries.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
from aiohttp import web
from attrs import define, field
from dependency_injector import providers

from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.adapters.crypto.passwords import Argon2Cost, Argon2Passwords
from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.memory.checkpoint import MemoryCheckpoint
from pepeunit.adapters.memory.code_host import MemoryCodeHost
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.firmware import MemoryFirmware
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.adapters.memory.mirrors import MemoryMirrors, MemoryRemote
from pepeunit.adapters.memory.pipeline_seat import MemoryPipelineSeat
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.adapters.memory.throttle import MemoryThrottle
from pepeunit.domain.access.agent import BACKEND
from pepeunit.domain.access.tokens import BackendClaims, UnitClaims
from pepeunit.domain.ids import RepoId, RolloutId, UnitId
from pepeunit.domain.registries.registry import GitPlatform
from pepeunit.domain.registries.version import Version
from pepeunit.domain.repos.rollout import Member, Rollout
from pepeunit.domain.repos.rollout_rule import ALL_AT_ONCE, RuleSource
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform
from pepeunit.entrypoints.doors import rest_runner
from pepeunit.entrypoints.settings import Settings
from tests.access.cells import read_matrix
from tests.doors.http.serving import Client, Reply
from tests.doubles.archives import RememberingArchives

DOMAIN, ALIAS = "iot.example", "old.example"
PASSWORD = "Correct-horse1"
LEVELS = ("Public", "Internal", "Private")
ROOMY = Limits(connects_per_second=0, messages_per_second=0, bytes_per_second=0)
KEY = base64.b64encode(b"k" * 32).decode()
PAT = "glpat-right"
SCHEMA = {
    "input_base_topic": [
        "update/pepeunit",
        "env_update/pepeunit",
        "schema_update/pepeunit",
        "log_sync/pepeunit",
    ],
    "output_base_topic": ["state/pepeunit", "log/pepeunit"],
    "input_topic": ["led/pepeunit", "dial/pepeunit", "bare"],
    "output_topic": ["temp/pepeunit", "raw"],
}
FILES = {
    "schema_example.json": json.dumps(SCHEMA),
    "env_example.json": '{"WIFI": ""}',
    "main.py": "",
}
COLUMNS = ("o", "a", "p", "u", "x", "n", "d", "q", "l", "e", "z", "b")
LOGINS = {"o": "owner", "a": "root", "p": "permitted", "u": "stranger", "x": "blocked"}


@define
class MovingClock:
    now: datetime = datetime(2026, 11, 23, 8, 39, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@define
class World:
    """``things`` of a row by name; ``token`` of a column, which for the unit itself depends on
    the row. ``client`` speaks REST, ``port`` MQTT."""

    use: UseCases
    database: MemoryDatabase
    tokens: JwtTokens
    clock: MovingClock
    remotes: dict[str, MemoryRemote]
    client: Client
    port: int
    signed: dict[str, str | None] = field(factory=dict)
    uuids: dict[str, str] = field(factory=dict)
    things: dict[str, dict[str, str]] = field(factory=dict)

    def token(self, column: str, row: str) -> str | None:
        if column == "d":
            return self.unit_token(self.things[row].get("unit", self.uuids["base unit"]))
        return self.signed[column]

    def unit_token(self, uuid: str) -> str:
        return self.tokens.sign(UnitClaims(UnitId(UUID(uuid))).as_mapping())

    def names(self, column: str, row: str) -> dict[str, str]:
        """What a call of this cell can name."""
        mine = self.things[row].get("unit", "") if column == "d" else self.uuids.get(column, "")
        return {
            "me": mine,
            "own_input": self.uuids.get(f"{column} dial", self.uuids["u dial"]),
            "own_output": self.uuids.get(f"{column} temp", self.uuids["u temp"]),
            "absent": self.uuids["absent"],
            "domain": DOMAIN,
            "alias": ALIAS,
            "friend": self.uuids["friend"],
            "owner": self.uuids["o"],
            "permitted": self.uuids["p"],
        } | self.things[row]

    async def ask(self, method: str, path: str, token: str | None, **options: Any) -> Reply:
        return await self.client.ask(method, path, token, **options)

    async def done(self, method: str, path: str, who: str, body: Any = None) -> Any:
        reply = await self.ask(method, path, self.signed[who], json=body)
        assert reply.status in (200, 201, 204), (method, path, who, reply.content)
        return reply.json if reply.content else None

    async def settle(self) -> None:
        """Wait for what requests started."""
        while self.use.background()._tasks:
            await asyncio.sleep(0)


@asynccontextmanager
async def the_world() -> AsyncIterator[World]:
    """Everything built, both doors open on ports of this machine."""
    settings, _ = Settings.load(
        {"PU_LOGIN_TRIES_MAX": "1000", "PU_DOMAIN": DOMAIN, "PU_DOMAIN_ALIASES": ALIAS},
        {"PU_SECRET_KEY": KEY, "PU_ENCRYPT_KEY": KEY, "PU_STATIC_SALT": KEY},
    )
    facts = InstanceFacts(domain=DOMAIN, is_secure=False, mqtt_host=DOMAIN, mqtt_port=1883)
    database, clock, exchange = MemoryDatabase(), MovingClock(), Exchange()
    tokens = JwtTokens(KEY)
    remotes = _Remotes()
    passwords = Argon2Passwords("salt", Argon2Cost(1, 8, 1))
    series = MemorySeries()
    ports = {
        "database": database,
        "leases": MemoryLeases(),
        "logs": MemoryLogs(),
        "series_writer": series,
        "series_reader": series,
        "series_admin": series,
        "journal": MemoryJournal(),
        "journal_id": UUID(int=1),
        "checkpoint": MemoryCheckpoint(),
        "mirrors": MemoryMirrors(remotes),
        "archives": RememberingArchives(),
        "firmware_files": MemoryFirmware(),
        "code_hosts": {GitPlatform.GITLAB: MemoryCodeHost(remotes)},
        "cipher": AesGcmCipher({"k1": bytes(32)}, 1_000_000),
        "tokens": tokens,
        "passwords": passwords,
        "throttle": MemoryThrottle(1000, 300, clock),
        "check_throttle": MemoryThrottle(1000, 300, clock),
        "pipeline_seat": MemoryPipelineSeat(),
        "publisher": exchange,
        "sessions": exchange,
        "clock": clock,
        "new_uuid": uuid4,
        "new_secret": lambda: KEY,
    }
    use = UseCases(
        settings=providers.Object(settings),
        facts=providers.Object(facts),
        ports=providers.DependenciesContainer(
            **{name: providers.Object(port) for name, port in ports.items()}
        ),
    )
    runner = rest_runner(use, settings, facts)
    platform = Platform(
        use.admit_device(), use.authorize_topic(), use.receive_messages(), use.presence()
    )
    endpoint = Endpoint(exchange, platform, ROOMY)
    await runner.setup()
    pipes = asyncio.create_task(use.ingest().run())
    assert await use.ingest().ready()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await endpoint.start("127.0.0.1", 0)
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            client = Client(session, runner.addresses[0][1])
            world = World(use, database, tokens, clock, remotes, client, endpoint.port)
            await _people(world)
            await _registries(world)
            await _units(world)
            await _things(world)
            await _report(world)
            await _roll_out(world)
            await world.done("PATCH", f"/users/block/{world.uuids['x']}", "a")
            clock.now += timedelta(hours=1)
            yield world
    finally:
        await endpoint.stop()
        await runner.cleanup()
        pipes.cancel()
        await asyncio.wait([pipes])
        await use.background().stop()
        passwords.close()


class _Remotes(dict[str, MemoryRemote]):
    """Every URL is a repository with one tagged version; a name with ``private`` is private."""

    def __missing__(self, url: str) -> MemoryRemote:
        remote = MemoryRemote(frozenset({PAT}) if "private" in url else None)
        remote.push(FILES, tag="v1")
        self[url] = remote
        return remote

    def get(self, url: str, default: Any = None) -> MemoryRemote:
        return self[url]


async def _people(world: World) -> None:
    sign_up = world.use.sign_up()
    for column, login in (*LOGINS.items(), ("friend", "friend"), ("neutral", "neutral")):
        role = UserRole.ADMIN if column == "a" else UserRole.USER
        user = await sign_up(BACKEND, login, PASSWORD, role)
        world.uuids[column] = str(user.uuid)
        body = {"credentials": login, "password": PASSWORD}
        reply = await world.ask("POST", "/users/auth", None, json=body)
        world.signed[column] = reply.json["token"]
    world.signed["n"] = None
    world.signed["b"] = world.tokens.sign(BackendClaims(DOMAIN).as_mapping())
    world.uuids["absent"] = str(uuid4())


async def _registry(world: World, name: str, who: str = "o", pat: str | None = None) -> str:
    credentials = {"username": "someone", "pat_token": pat} if pat else None
    body = {
        "platform": "Gitlab",
        "repository_url": f"https://forge.example/{name}.git",
        "is_public_repository": pat is None,
        "credentials": credentials,
    }
    return (await world.done("POST", "/repository_registry", who, body))["uuid"]


async def _registries(world: World) -> None:
    slot = {"username": "someone", "pat_token": PAT}
    for row, name, pat in (
        ("Public", "public", None),
        ("Private", "private-closed", PAT),
        ("Private, a repo seen", "private-grown", PAT),
        ("Private, no valid slot", "private-refused", "glpat-wrong"),
    ):
        things = world.things.setdefault(row, {})
        things["registry"] = uuid = await _registry(world, name, pat=pat)
        things["spare_registry"] = await _registry(world, f"{name}-spare", pat=pat)
        if row == "Private":
            await world.done("PATCH", f"/repository_registry/set_credentials/{uuid}", "p", slot)
        if row == "Private, a repo seen":
            await _repo(world, uuid, "grown", "Public")


async def _repo(world: World, registry: str, name: str, level: str, who: str = "o") -> str:
    body = {
        "repository_registry_uuid": registry,
        "default_branch": "main",
        "visibility_level": level,
        "name": name,
        "is_compilable_repo": False,
    }
    return (await world.done("POST", "/repos", who, body))["uuid"]


async def _unit(world: World, repo: str, name: str, level: str, who: str) -> dict[str, str]:
    """The unit and its nodes, each by the first level of its name."""
    body = {
        "repo_uuid": repo,
        "visibility_level": level,
        "name": name,
        "is_auto_update_from_repo_unit": True,
    }
    unit = (await world.done("POST", "/units", who, body))["uuid"]
    nodes = (await world.done("GET", f"/unit_nodes?unit_uuid={unit}", who))["unit_nodes"]
    found = {node["topic_name"].partition("/")[0]: node["uuid"] for node in nodes}
    await world.done("PATCH", f"/unit_nodes/{found['dial']}", who, {"is_rewritable_input": True})
    return {"unit": unit} | found


async def _units(world: World) -> None:
    """The units that are columns, and one for every person who links."""
    registry = world.things["Public"]["registry"]
    base = world.uuids["base repo"] = await _repo(world, registry, "base", "Public")
    for column, name, who in (
        ("q", "granted-unit", "neutral"),
        ("l", "linked-unit", "o"),
        ("e", "other-unit", "neutral"),
        ("z", "outlaw-unit", "x"),
    ):
        made = await _unit(world, base, name, "Public", who)
        world.uuids |= {f"{column} {key}": uuid for key, uuid in made.items()}
        world.uuids[column] = made["unit"]
        world.signed[column] = world.unit_token(made["unit"])
    for column in ("o", "a", "p", "u"):
        made = await _unit(world, base, f"of-{LOGINS[column]}", "Public", column)
        world.uuids |= {f"{column} {key}": uuid for key, uuid in made.items()}
    world.uuids["base unit"] = world.uuids["o unit"]
    world.things["any"] = {"unit": world.uuids["base unit"]} | world.things["Public"]


async def _things(world: World) -> None:
    registry = world.things["Public"]["registry"]
    for level in LEVELS:
        things = world.things.setdefault(level, {})
        for name in ("repo", "spare"):
            things[name] = await _repo(world, registry, f"{name}-{level}", level)
        things |= await _unit(world, things["repo"], f"unit-{level}", level, "o")
        await _open(world, things)
        await _fill(world, things["temp"])
        for output, input_ in (
            (things["temp"], world.uuids["l led"]),
            (world.uuids["l temp"], things["led"]),
            (world.uuids["l temp"], things["dial"]),
        ):
            edge = await _link(world, output, input_, "o")
            things.setdefault("edge", edge)
        things["linked"] = world.uuids["l led"]
    await _mixed(world)
    await _far_link(world)


async def _fill(world: World, node: str) -> None:
    """A pipe that keeps rows, and one row."""
    calls = {call.name: call for call in read_matrix().calls}
    for name in ("setDataPipeConfig", "setDataPipeDataCsv"):
        call, form = calls[name], aiohttp.FormData()
        form.add_field(call.part, call.file or "", filename="any")
        path = call.path.format(temp=node)
        reply = await world.ask(call.method, path, world.signed["o"], data=form)
        assert reply.status == 204, reply.content


async def _link(world: World, output: str, input_: str, who: str) -> str:
    body = {"node_output_uuid": output, "node_input_uuid": input_}
    return (await world.done("POST", "/unit_nodes/create_unit_node_edge", who, body))["uuid"]


async def _open(world: World, things: Mapping[str, str]) -> None:
    """Permissions for the permitted user and unit, and for the blocked ones."""
    kinds = {"repo": "Repo", "spare": "Repo", "unit": "Unit"}
    nodes = dict.fromkeys(("led", "dial", "bare", "temp", "raw"), "UnitNode")
    for thing, kind in (kinds | nodes).items():
        for column in ("p", "x", "q", "z"):
            body = {
                "agent_uuid": world.uuids[column],
                "agent_type": "User" if column in LOGINS else "Unit",
                "resource_uuid": things[thing],
                "resource_type": kind,
            }
            await world.done("POST", "/permission", "o", body)


async def _mixed(world: World) -> None:
    """A public unit whose nodes are at each level, opened at the unit alone."""
    for level in LEVELS:
        made = await _unit(world, world.uuids["base repo"], f"mixed-{level}", "Public", "o")
        changes = {"visibility_level": level}
        await world.done("PATCH", f"/unit_nodes/{made['temp']}", "o", changes)
        things = world.things[f"{level} node of a public unit"] = made
        for column, kind in (("p", "User"), ("q", "Unit")):
            body = {
                "agent_uuid": world.uuids[column],
                "agent_type": kind,
                "resource_uuid": things["unit"],
                "resource_type": "Unit",
            }
            await world.done("POST", "/permission", "o", body)


async def _far_link(world: World) -> None:
    """The owner's output feeds an input of the permitted user's."""
    things = world.things["Public, to another's input"] = dict(world.things["Public"])
    things["linked"] = world.uuids["p led"]
    things["edge"] = await _link(world, things["temp"], things["linked"], "p")


async def _report(world: World) -> None:
    """Every unit of a level says where it is."""
    state = json.dumps({"pu_commit_version": "a" * 40, "ifconfig": ["192.168.0.7"]}).encode()
    for level in LEVELS:
        await world.use.store_state()(UnitId(UUID(world.things[level]["unit"])), state)


async def _roll_out(world: World) -> None:
    """The target of the owner's repo of each level is on its way to its unit."""
    (commit,) = world.remotes["https://forge.example/public.git"].commits
    now = world.clock()
    async with world.database.begin() as tx:
        for level in LEVELS:
            rollout = Rollout(
                uuid=RolloutId(uuid4()),
                repo_uuid=RepoId(UUID(world.things[level]["repo"])),
                version=Version(commit, "v1"),
                rule=ALL_AT_ONCE,
                source=RuleSource.DEFAULT,
                ends=(1,),
                create_datetime=now,
                last_update_datetime=now,
                counted_from_datetime=now,
            )
            await tx.rollouts.put(rollout)
            unit = UnitId(UUID(world.things[level]["unit"]))
            await tx.rollouts.put_members(rollout.uuid, [Member(unit, 0)])
