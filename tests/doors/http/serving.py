"""The real application on a real socket of this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from attrs import frozen
from yarl import URL

from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.http.app import make_app, make_runner
from pepeunit.entrypoints.http.endpoint import Authentication
from pepeunit.entrypoints.http.route import Door
from pepeunit.entrypoints.http.site import Site
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.audit.recording import RecordingDatabase

FACTS = InstanceFacts(
    domain="iot.example", is_secure=False, mqtt_host="iot.example", mqtt_port=1883
)
SITE = Site(FACTS)
API = "/pepeunit/api/v1"


@frozen
class Reply:
    """An answer read whole; ``detail`` is that of a refusal."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def detail(self) -> Any:
        return self.json["detail"]


@frozen
class Client:
    session: aiohttp.ClientSession
    port: int

    async def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> Reply:
        """``path`` below the API prefix unless it starts with the application's."""
        if not path.startswith("/pepeunit"):
            path = API + path
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["X-Auth-Token"] = token
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.session.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as response:
            if response.content_type == "text/event-stream":  # it has no end
                content = await response.content.readuntil(b"event: ready\n")
                response.close()
            else:
                content = await response.read()
            return Reply(response.status, response.headers.copy(), content)


def unread_acts() -> RecordActs:
    """An audit log of its own, for tests that ask for none."""
    now = lambda: datetime.now(UTC)  # noqa: E731
    return RecordActs(RecordingDatabase(MemoryDatabase(), now, uuid4))


@asynccontextmanager
async def serving(
    doors: Sequence[Door],
    authenticate: Authentication,
    site: Site = SITE,
    acts: RecordActs | None = None,
) -> AsyncIterator[Client]:
    acts = acts or unread_acts()
    runner = make_runner(make_app(doors, authenticate, site, "1.2.3", acts))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Client(session, port)
    finally:
        await runner.cleanup()
