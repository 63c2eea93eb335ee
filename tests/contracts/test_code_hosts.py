"""The web API of every code host, by strict hosts and hostile ones (devices.md 2; W15, W16)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.github.host import GitHubHost
from pepeunit.adapters.gitlab.host import GitLabHost
from pepeunit.adapters.web.checked_session import CheckedSession
from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.address import HostRule
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset
from pepeunit.ports.code_host import CodeHost
from pepeunit.ports.resolver import Resolve
from tests.doubles.github import GitHub
from tests.doubles.gitlab import GitLab

NAME = "group/user.github.io"
SECRET = GitCredentials("someone", "glpat-s3cret")
WRONG = GitCredentials("someone", "wrong")
TOKEN_HEADER = {"gitlab": "PRIVATE-TOKEN", "github": "Authorization"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Open = Callable[..., CodeHost]
Serve = Callable[[Handler], Awaitable[str]]
Stand = GitLab | GitHub


@pytest.fixture(params=["gitlab", "github"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def forge(kind: str, tmp_path: Path) -> AsyncIterator[Stand]:
    stand = (GitLab if kind == "gitlab" else GitHub)(tmp_path)
    await stand.start()
    yield stand
    await stand.stop()


def hosts(stand: Stand) -> tuple[str, ...]:
    """What an operator lists to reach it, its storage included."""
    return (stand.authority, stand.storage) if isinstance(stand, GitHub) else (stand.authority,)


@pytest.fixture
async def open_host(kind: str) -> AsyncIterator[Open]:
    opened: list[CheckedSession] = []

    def open_(*hosts: str, resolver: Resolve = resolve, **how: float) -> CodeHost:
        rule = HostRule.of(",".join(hosts))
        opened.append(CheckedSession(rule, resolver, **how))  # type: ignore[arg-type]
        return GitLabHost(opened[-1]) if kind == "gitlab" else GitHubHost(opened[-1])

    yield open_
    for session in opened:
        await session.close()


async def fetched(host: CodeHost, url: str, asset: Asset, who: GitCredentials | None) -> bytes:
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    await host.download(url, asset, who, write)
    return b"".join(pieces)


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


async def test_a_probe_tells_good_credentials_from_bad(forge: Stand, open_host: Open) -> None:
    host = open_host(forge.authority)
    await forge.create(NAME, SECRET)
    assert await host.probe(forge.url(NAME), SECRET)
    assert not await host.probe(forge.url(NAME), WRONG)
    assert not await host.probe(forge.url(NAME), None)
    assert not await host.probe(forge.url("group/absent"), SECRET)


async def test_o6_only_the_suffix_is_cut_from_the_projects_path(
    forge: Stand, open_host: Open
) -> None:
    await forge.create(NAME)
    await open_host(forge.authority).probe(forge.url(NAME), None)
    assert forge.requests in (
        ["GET /api/v4/projects/group%2Fuser.github.io"],
        ["GET /api/v3/repos/group/user.github.io"],
    )


async def test_the_size_of_a_private_repository_is_the_platforms(
    forge: Stand, open_host: Open
) -> None:
    host = open_host(forge.authority)
    await forge.create(NAME, SECRET)
    assert await host.repository_bytes(forge.url(NAME), SECRET) > 0
    with pytest.raises(Invalid) as refused:
        await host.repository_bytes(forge.url(NAME), WRONG)
    assert refused.value.topic is Topic.PLATFORM


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
async def test_o6_every_page_of_releases_is_read(forge: Stand, open_host: Open, count: int) -> None:
    await forge.create(NAME, SECRET)
    for number in range(count):
        forge.publish(NAME, f"v{number}", {"esp32": b"%d" % number})
    releases = await open_host(forge.authority).releases(forge.url(NAME), SECRET)
    assert list(releases) == [f"v{number}" for number in range(count)]
    assert all("esp32" in [asset.name for asset in assets] for assets in releases.values())
    pages = [asked for asked in forge.requests if "/releases?" in asked]
    assert len(pages) in (count // 100 + 1, -(-count // 100))


@pytest.mark.parametrize("private", [True, False])
async def test_o11_a_release_file_is_fetched_with_the_registrys_credentials(
    forge: Stand, open_host: Open, private: bool
) -> None:
    secret = SECRET if private else None
    await forge.create(NAME, secret)
    body = bytes(range(256)) * 2000
    forge.publish(NAME, "v1", {"esp32": body})
    host = open_host(*hosts(forge))
    assets = (await host.releases(forge.url(NAME), secret))["v1"]
    asset = next(one for one in assets if one.name == "esp32")
    assert asset.sha256 in (None, hashlib.sha256(body).hexdigest())
    assert await fetched(host, forge.url(NAME), asset, secret) == body
    for wrong in (None, WRONG) if private else ():
        with pytest.raises(Invalid) as refused:
            await fetched(host, forge.url(NAME), asset, wrong)
        assert refused.value.topic is Topic.PLATFORM


async def test_o11_a_file_elsewhere_is_fetched_without_the_token(
    forge: Stand, open_host: Open, serve: Serve
) -> None:
    headers: list[list[str]] = []

    async def elsewhere(request: web.Request) -> web.Response:
        headers.append(list(request.headers))
        return web.Response(body=b"firmware", content_type="application/octet-stream")

    at = await serve(elsewhere)
    await forge.create(NAME, SECRET)
    host = open_host(*hosts(forge), at)
    for source in (None, f"http://{at}/api/v3/repos/a/b/releases/assets/1"):
        asset = Asset("esp32", f"http://{at}/x.bin", source=source)
        assert await fetched(host, forge.url(NAME), asset, SECRET) == b"firmware"
    assert len(headers) == 2
    assert not {"PRIVATE-TOKEN", "Authorization"} & {name for sent in headers for name in sent}


async def test_w15_a_release_file_on_an_inner_host_is_never_fetched(
    forge: Stand, open_host: Open, serve: Serve
) -> None:
    asked = 0

    async def inner(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(body=b"secret of the network")

    at = await serve(inner)
    await forge.create(NAME)
    host = open_host(*hosts(forge))
    for link in (f"http://{at}/x", f"https://{at}/x", f"http://{at.replace('127.0.0.1', '[::1]')}"):
        with pytest.raises((Invalid, Unavailable)):
            await fetched(host, forge.url(NAME), Asset("esp32", link, source=link), None)
    assert asked == 0


async def test_o11_a_page_instead_of_the_file_is_refused(
    kind: str, open_host: Open, serve: Serve
) -> None:
    async def sign_in(request: web.Request) -> web.Response:
        return web.Response(text="<html>sign in</html>", content_type="text/html")

    at = await serve(sign_in)
    with pytest.raises(Invalid):
        await fetched(open_host(at), f"http://{at}/a/b.git", Asset("x", f"http://{at}/x"), None)


async def test_w32_a_file_that_breaks_off_is_no_file(open_host: Open, serve: Serve) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 500)
        if request.transport is not None:
            request.transport.close()
        return response

    at = await serve(half)
    with pytest.raises(Unavailable):
        await fetched(open_host(at), f"http://{at}/a/b.git", Asset("x", f"http://{at}/x"), None)


async def test_o1_releases_of_a_private_project_need_its_credentials(
    forge: Stand, open_host: Open
) -> None:
    await forge.create(NAME, SECRET)
    for wrong in (None, WRONG):
        with pytest.raises(Invalid) as refused:
            await open_host(forge.authority).releases(forge.url(NAME), wrong)
        assert refused.value.topic is Topic.PLATFORM


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
    ["", "not json", "[", "{}", '{"id": "1"}', '{"id": true}', "[" * 100_000, '"x"', "1"],
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
    [
        {},
        [1],
        [{}],
        [{"tag_name": 1}],
        [{"tag_name": "a", "assets": {"links": [{"name": "x"}]}}],
        [{"tag_name": "a", "assets": {"sources": [1]}}],
        [{"tag_name": "a", "assets": "x"}],
    ],
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
        await open_host(at).probe(f"http://{at}/a/b.git", None)
    assert sent < 100_000_000


async def test_w15_credentials_follow_a_redirect_only_within_their_origin(
    kind: str, open_host: Open, serve: Serve
) -> None:
    tokens: list[str | None] = []

    async def other(request: web.Request) -> web.Response:
        tokens.append(request.headers.get(TOKEN_HEADER[kind]))
        return web.json_response({"id": 1})

    elsewhere = await serve(other)

    async def moved(request: web.Request) -> web.Response:
        tokens.append(request.headers.get(TOKEN_HEADER[kind]))
        if request.path.startswith("/api"):
            raise web.HTTPMovedPermanently("/renamed")
        raise web.HTTPFound(f"http://{elsewhere}/x")

    at = await serve(moved)
    assert await open_host(at, elsewhere).probe(f"http://{at}/a/b.git", SECRET)
    assert [token and SECRET.pat_token in token for token in tokens] == [True, True, None]


async def test_w15_every_hop_is_checked_and_counted(
    forge: Stand, open_host: Open, serve: Serve
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
    forge: Stand, open_host: Open, host: str
) -> None:
    for scheme in ("http", "https"):
        with pytest.raises((Invalid, Unavailable)) as refused:
            await open_host().probe(f"{scheme}://{host}:{forge.port}/a/b.git", SECRET)
        assert isinstance(refused.value, Invalid) or host == "[::1]"
    assert forge.requests == []


async def test_w15_a_name_that_turns_inward_is_caught_where_it_is_used(
    forge: Stand, open_host: Open
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
    forge: Stand, open_host: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await forge.create(NAME, SECRET)
    host = open_host(*hosts(forge))
    await host.probe(forge.url(NAME), SECRET)
    forge.publish(NAME, "v1", {"esp32": b"x"})
    assets = (await host.releases(forge.url(NAME), SECRET))["v1"]
    await fetched(host, forge.url(NAME), assets[-1], SECRET)
    with pytest.raises(Invalid) as refused:
        await host.probe(forge.url(NAME), GitCredentials("x", "glpat-s3cret\r\nX: y"))
    told = [path for _, path, _ in forge.seen] if isinstance(forge, GitHub) else []
    for place in (*forge.requests, *told, caplog.text, str(refused.value), repr(host)):
        assert "s3cret" not in place
