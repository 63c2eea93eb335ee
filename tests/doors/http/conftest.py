from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from attrs import frozen

from pepeunit.domain.access.agent import BACKEND
from pepeunit.domain.access.tokens import BackendClaims, UnitClaims
from pepeunit.domain.ids import UnitId
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.http.site import Site
from tests.doors.http.platform import Platform
from tests.doors.http.serving import FACTS, SITE, Client, Reply, serving

PASSWORD = "Correct-horse1"


@frozen
class Life:
    """One served platform with people, and a device made on request."""

    platform: Platform
    client: Client
    tokens: dict[str, str | None]

    async def ask(self, method: str, path: str, who: str = "none", **options: object) -> Reply:
        return await self.client.ask(method, path, self.tokens[who], **options)

    async def done(self, method: str, path: str, who: str, **options: object) -> dict:
        """The JSON of a call that must succeed."""
        reply = await self.ask(method, path, who, **options)
        assert reply.status in (200, 201, 204), reply.content
        return reply.json if reply.content else {}

    async def sign_in(self, login: str) -> str:
        body = {"credentials": login, "password": PASSWORD}
        return (await self.done("POST", "/users/auth", "none", json=body))["token"]

    async def registry(self, who: str = "alice", name: str = "program", **more: object) -> dict:
        body = {
            "platform": "Gitlab",
            "repository_url": f"https://forge.example/{name}.git",
            "is_public_repository": True,
        }
        return await self.done("POST", "/repository_registry", who, json=body | more)

    async def repo(self, registry: str, who: str = "alice", **more: object) -> dict:
        body = {
            "repository_registry_uuid": registry,
            "default_branch": "main",
            "visibility_level": "Public",
            "name": "blinker",
            "is_compilable_repo": False,
        }
        return await self.done("POST", "/repos", who, json=body | more)

    async def unit(self, repo: str, who: str = "alice", **more: object) -> dict:
        body = {
            "repo_uuid": repo,
            "visibility_level": "Public",
            "name": "lamp",
            "is_auto_update_from_repo_unit": True,
        }
        unit = await self.done("POST", "/units", who, json=body | more)
        claims = UnitClaims(UnitId(UUID(unit["uuid"]))).as_mapping()
        self.tokens[unit["name"]] = self.platform.tokens.sign(claims)
        return unit

    async def device(self, **more: object) -> dict:
        """A unit of alice's, with all it needs."""
        registry = await self.registry()
        repo = await self.repo(registry["uuid"])
        return await self.unit(repo["uuid"], **more)


@pytest.fixture
async def life() -> AsyncIterator[Life]:
    async with lived(Platform()) as life:
        yield life


@pytest.fixture
async def life_without_pipes() -> AsyncIterator[Life]:
    async with lived(Platform(pipes_enabled=False)) as life:
        yield life


@asynccontextmanager
async def lived(platform: Platform, site: Site = SITE) -> AsyncIterator[Life]:
    doors = platform.doors()
    sign_up = platform.sign_up
    try:
        async with serving(doors, platform.authenticate, site, platform.acts) as client:
            backend = platform.tokens.sign(BackendClaims(FACTS.domain).as_mapping())
            tokens = {"none": None, "empty": "", "garbage": "a.b.c", "backend": backend}
            life = Life(platform, client, tokens)
            for login, role in (
                ("alice", UserRole.USER),
                ("bert", UserRole.USER),
                ("root", UserRole.ADMIN),
            ):
                await sign_up(BACKEND, login, PASSWORD, role)
                tokens[login] = await life.sign_in(login)
            yield life
    finally:
        await platform.close()
