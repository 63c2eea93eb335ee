"""The whole graph of use cases on memory ports, served with every door on one socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from attrs import define, field
from dependency_injector import providers
from yarl import URL

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
from pepeunit.domain.registries.registry import GitPlatform
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.doors import rest_runner
from pepeunit.entrypoints.settings import Settings
from pepeunit.ports.database import Database
from tests.doors.http.platform import MovingClock
from tests.doors.http.serving import Reply
from tests.doubles.archives import RememberingArchives

PATH = "/pepeunit/graphql"
PASSWORD = "Correct-horse1"
KEY = base64.b64encode(b"k" * 32).decode()
PAT = "glpat-right"
TRIES = 10
CHECKS = 60
SCHEMA = {
    "input_base_topic": ["update/pepeunit", "env_update/pepeunit", "schema_update/pepeunit"],
    "output_base_topic": ["state/pepeunit"],
    "input_topic": ["led/pepeunit"],
    "output_topic": ["temp/pepeunit"],
}
FILES = {
    "schema_example.json": json.dumps(SCHEMA),
    "env_example.json": '{"WIFI": ""}',
    "main.py": "",
}


class Remotes(dict[str, MemoryRemote]):
    """Every URL is a repository with one tagged version; a name with ``private`` is private."""

    def __missing__(self, url: str) -> MemoryRemote:
        remote = MemoryRemote(frozenset({PAT}) if "private" in url else None)
        remote.push(FILES, tag="v1")
        self[url] = remote
        return remote

    def get(self, url: str, default: Any = None) -> MemoryRemote:
        return self[url]


@define
class Gql:
    """A client of the one path, and what lies behind it."""

    use: UseCases
    database: MemoryDatabase
    tokens: JwtTokens
    remotes: Remotes
    session: aiohttp.ClientSession
    port: int
    signed: dict[str, str | None] = field(factory=lambda: {"none": None})

    async def send(self, method: str = "POST", path: str = PATH, **options: Any) -> Reply:
        who = options.pop("who", "none")
        headers = dict(options.pop("headers", {}))
        token = self.signed.get(who, who)
        if token is not None:
            headers["x-auth-token"] = token
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.session.request(method, url, headers=headers, **options) as response:
            return Reply(response.status, response.headers.copy(), await response.read())

    async def ask(
        self, query: str, who: str = "none", files: Mapping[str, bytes] | None = None, **given: Any
    ) -> dict[str, Any]:
        """The JSON of an answer; ``files`` go up as variables."""
        document: dict[str, Any] = {"query": query, "variables": given}
        if files is None:
            reply = await self.send(who=who, json=document)
        else:
            reply = await self.send(who=who, data=form_of(document, files))
        assert reply.status == 200, reply.content
        assert reply.headers["Content-Type"].startswith("application/json")
        return reply.json

    async def done(self, query: str, who: str = "none", **given: Any) -> Any:
        """The value of the first root field of what must succeed."""
        answer = await self.ask(query, who, **given)
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    async def refused(self, query: str, who: str = "none", **given: Any) -> str:
        """The message of the one error of what must fail."""
        answer = await self.ask(query, who, **given)
        (error,) = answer["errors"]
        assert error["message"].startswith(f"{error['extensions']['code']}: ")
        return error["message"]

    async def sign_up(self, login: str) -> str:
        """The uuid of a new person, who can be named from here on."""
        user = await self.done(
            "mutation($u: UserCreateInput!) { createUser(user: $u) { uuid } }",
            u={"login": login, "password": PASSWORD},
        )
        self.signed[login] = await self.done(
            "query($d: UserAuthInput!) { getToken(data: $d) }",
            d={"credentials": login, "password": PASSWORD},
        )
        return user["uuid"]


def form_of(document: Any, files: Mapping[str, bytes]) -> aiohttp.FormData:
    """The multipart request convention."""
    document = document | {"variables": document["variables"] | dict.fromkeys(files)}
    form = aiohttp.FormData()
    form.add_field("operations", json.dumps(document))
    form.add_field("map", json.dumps({str(i): [f"variables.{n}"] for i, n in enumerate(files)}))
    for i, content in enumerate(files.values()):
        form.add_field(str(i), content, filename="any", content_type="application/octet-stream")
    return form


@asynccontextmanager
async def served(stored: Database | None = None, **environment: str) -> AsyncIterator[Gql]:
    """``stored`` instead of a database in memory."""
    settings, _ = Settings.load(
        {"PU_LOGIN_TRIES_MAX": str(TRIES), "PU_DOMAIN": "iot.example"} | environment,
        {"PU_SECRET_KEY": KEY, "PU_ENCRYPT_KEY": KEY, "PU_STATIC_SALT": KEY},
    )
    facts = InstanceFacts(
        domain="iot.example",
        is_secure=settings.site.secure,
        mqtt_host="iot.example",
        mqtt_port=1883,
    )
    database, clock, exchange, remotes = MemoryDatabase(), MovingClock(), Exchange(), Remotes()
    series = MemorySeries()
    tokens = JwtTokens(KEY)
    passwords = Argon2Passwords("salt", Argon2Cost(1, 8, 1))
    ports = {
        "database": stored or database,
        "leases": MemoryLeases(),
        "logs": MemoryLogs(),
        "series_writer": series,
        "series_reader": series,
        "series_admin": series,
        "journal": MemoryJournal(),
        "journal_id": uuid4(),
        "checkpoint": MemoryCheckpoint(),
        "mirrors": MemoryMirrors(remotes),
        "archives": RememberingArchives(),
        "firmware_files": MemoryFirmware(),
        "code_hosts": {GitPlatform.GITLAB: MemoryCodeHost(remotes)},
        "cipher": AesGcmCipher({"k1": bytes(32)}, 1_000_000),
        "tokens": tokens,
        "passwords": passwords,
        "throttle": MemoryThrottle(TRIES, 300, clock),
        "check_throttle": MemoryThrottle(CHECKS, 60, clock),
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
    pipes = asyncio.create_task(use.ingest().run())
    assert await use.ingest().ready()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=jar) as session:
            yield Gql(use, database, tokens, remotes, session, runner.addresses[0][1])
    finally:
        await runner.cleanup()
        await use.background().stop()
        pipes.cancel()
        await asyncio.wait([pipes])
        passwords.close()
