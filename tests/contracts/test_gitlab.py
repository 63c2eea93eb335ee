"""GitLab's API by a strict code host and hostile ones (spec devices.md 2; access.md W15)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from aiohttp import web

from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.gitlab.checked_session import CheckedSession
from pepeunit.adapters.gitlab.host import GitLabHost
from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.address import HostRule
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.ports.resolver import Resolve

NAME = "group/sub/user.github.io"
SECRET = GitCredentials("someone", "glpat-s3cret")
WRONG = GitCredentials("someone", "wrong")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Open = Callable[..., GitLabHost]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def open_host() -> AsyncIterator[Open]:
    opened: list[GitLabHost] = []

    def open_(*hosts: str, resolver: Resolve = resolve, **how: float) -> GitLabHost:
        rule = HostRule.of(",".join(hosts))
        opened.append(GitLabHost(CheckedSession(rule, resolver, **how)))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for host in opened:
        await host.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server that answers everything with one handler; its ``host:port``."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{rest:.*}", handler)
        runners.append(web.AppRunner(app, shutdown_timeout=1))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return f"127.0.0.1:{runners[-1].addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_a_probe_tells_good_credentials_from_bad(forge: Forge, open_host: Open) -> None:
    host = open_host(forge.authority)
    await forge.create(NAME, SECRET)
    assert await host.probe(forge.url(NAME), SECRET)
    assert not await host.probe(forge.url(NAME), WRONG)
    assert not await host.probe(forge.url(NAME), None)
    assert not await host.probe(forge.url("group/absent"), SECRET)


async def test_o6_only_the_suffix_is_cut_from_the_projects_path(
    forge: Forge, open_host: Open
) -> None:
    await forge.create(NAME)
    await open_host(forge.authority).probe(forge.url(NAME), None)
    assert forge.requests == ["GET /api/v4/projects/group%2Fsub%2Fuser.github.io"]


async def test_the_size_is_the_platforms_for_private_and_0_for_public(
    forge: Forge, open_host: Open
) -> None:
    host = open_host(forge.authority)
    await forge.create(NAME, SECRET)
    await forge.create("group/open")
    assert await host.repository_bytes(forge.url(NAME), SECRET) > 0
    assert await host.repository_bytes(forge.url("group/open"), None) == 0
    with pytest.raises(Invalid) as refused:
        await host.repository_bytes(forge.url(NAME), WRONG)
    assert refused.value.topic is Topic.PLATFORM
    with pytest.raises(Invalid):
        await host.repository_bytes(forge.url("group/open"), SECRET)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
async def test_every_page_of_releases_is_read(forge: Forge, open_host: Open, count: int) -> None:
    await forge.create(NAME, SECRET)
    for number in range(count):
        forge.release(NAME, f"v{number}", [("esp32", f"https://x/{number}")])
    releases = await open_host(forge.authority).releases(forge.url(NAME), SECRET)
    assert list(releases) == [f"v{number}" for number in range(count)]
    if count:
        source = ("zip", f"{forge.url(NAME)}/v0.zip")
        assert releases["v0"] == [source, ("esp32", "https://x/0")]
    pages = [asked for asked in forge.requests if "releases" in asked]
    assert len(pages) == count // 100 + 1


async def test_o1_releases_of_a_private_project_need_its_credentials(
    forge: Forge, open_host: Open
) -> None:
    await forge.create(NAME, SECRET)
    for wrong in (None, WRONG):
        with pytest.raises(Invalid) as refused:
            await open_host(forge.authority).releases(forge.url(NAME), wrong)
        assert refused.value.topic is Topic.PLATFORM
    assert await open_host(forge.authority).releases(forge.url(NAME), SECRET) == {}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_o3_a_platform_in_trouble_is_unavailable(
    open_host: Open, serve: Serve, status: int
) -> None:
    async def trouble(request: web.Request) -> web.Response:
        return web.Response(status=status, text="secret inner text")

    at = await serve(trouble)
    for call in (open_host(at).probe, open_host(at).releases):
        with pytest.raises(Unavailable) as refused:
            await call(f"http://{at}/a/b.git", SECRET)
        assert "inner" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    ["", "not json", "[", "[]", "{}", '{"id": "1"}', '{"id": true}', "[" * 100_000, '"x"', "1"],
)
async def test_o3_an_answer_of_another_shape_is_refused(
    open_host: Open, serve: Serve, body: str
) -> None:
    async def odd(request: web.Request) -> web.Response:
        return web.Response(text=body)

    at = await serve(odd)
    with pytest.raises(Invalid) as refused:
        await open_host(at).releases(f"http://{at}/a/b.git", None)
    assert refused.value.topic is Topic.PLATFORM


@pytest.mark.parametrize(
    "releases",
    [{}, [1], [{}], [{"tag_name": 1}], [{"tag_name": "a", "assets": {"links": [{"name": "x"}]}}]],
)
async def test_o3_releases_of_another_shape_are_refused(
    open_host: Open, serve: Serve, releases: object
) -> None:
    async def odd(request: web.Request) -> web.Response:
        found = releases if request.path.endswith("/releases") else {"id": 1}
        return web.Response(text=json.dumps(found))

    at = await serve(odd)
    with pytest.raises(Invalid):
        await open_host(at).releases(f"http://{at}/a/b.git", None)


async def test_o3_a_platform_that_never_answers_is_unavailable(
    open_host: Open, serve: Serve
) -> None:
    ended = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await ended.wait()
        return web.Response()

    at = await serve(silent)
    with pytest.raises(Unavailable):
        await open_host(at, answer_seconds_max=0.3).probe(f"http://{at}/a/b.git", None)
    ended.set()
    with pytest.raises(Unavailable):
        await open_host("127.0.0.1:1").probe("http://127.0.0.1:1/a/b.git", None)


async def test_w17_an_answer_without_end_is_cut(open_host: Open, serve: Serve) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            sent += 100_000
            await response.write(b" " * 100_000)

    at = await serve(endless)
    with pytest.raises(Invalid):
        await open_host(at, answer_bytes_max=1_000_000).probe(f"http://{at}/a/b.git", None)
    assert sent < 100_000_000


async def test_w15_credentials_follow_a_redirect_only_within_their_origin(
    open_host: Open, serve: Serve
) -> None:
    tokens: list[str | None] = []

    async def other(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("PRIVATE-TOKEN"))
        return web.json_response({"id": 1})

    elsewhere = await serve(other)

    async def moved(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("PRIVATE-TOKEN"))
        if request.path.startswith("/api"):
            raise web.HTTPMovedPermanently("/renamed")
        raise web.HTTPFound(f"http://{elsewhere}/x")

    at = await serve(moved)
    assert await open_host(at, elsewhere).probe(f"http://{at}/a/b.git", SECRET)
    assert tokens == [SECRET.pat_token, SECRET.pat_token, None]


async def test_w15_every_hop_is_checked_and_counted(
    forge: Forge, open_host: Open, serve: Serve
) -> None:
    hops = 0

    async def inward(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query.get("to", forge.url("x")))

    async def around(request: web.Request) -> web.Response:
        nonlocal hops
        hops += 1
        raise web.HTTPFound("/again")

    at = await serve(inward)
    with pytest.raises(Invalid) as refused:
        await open_host(at).probe(f"http://{at}/a/b.git", SECRET)
    assert refused.value.topic is Topic.PLATFORM
    assert forge.requests == []
    at = await serve(around)
    with pytest.raises(Invalid):
        await open_host(at).probe(f"http://{at}/a/b.git", SECRET)
    assert hops == 4


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_w15_an_unlisted_inner_host_is_never_called(
    forge: Forge, open_host: Open, host: str
) -> None:
    for scheme in ("http", "https"):
        with pytest.raises((Invalid, Unavailable)) as refused:
            await open_host().probe(f"{scheme}://{host}:{forge.port}/a/b.git", SECRET)
        assert isinstance(refused.value, Invalid) or host == "[::1]"
    assert forge.requests == []


async def test_w15_a_name_that_turns_inward_is_caught_where_it_is_used(
    forge: Forge, open_host: Open
) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",)

    with pytest.raises(Invalid):
        await open_host(resolver=rebinding).probe("https://git.invalid/a/b.git", SECRET)
    assert asked == ["git.invalid"]
    listed = open_host(f"git.invalid:{forge.port}", resolver=rebinding)
    assert not await listed.probe(f"http://git.invalid:{forge.port}/a/b.git", None)
    assert len(forge.requests) == 1


async def test_w16_the_token_is_in_no_url_and_no_log(
    forge: Forge, open_host: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await forge.create(NAME, SECRET)
    host = open_host(forge.authority)
    await host.probe(forge.url(NAME), SECRET)
    await host.releases(forge.url(NAME), SECRET)
    with pytest.raises(Invalid) as refused:
        await host.probe(forge.url(NAME), GitCredentials("x", "glpat-s3cret\r\nX: y"))
    for place in (*forge.requests, caplog.text, str(refused.value), repr(host)):
        assert "s3cret" not in place
