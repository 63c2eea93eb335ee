"""What only GitHub's API does (spec devices.md 2, O6; access.md W16)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.github.host import PUBLIC_API, GitHubHost, api_root
from pepeunit.adapters.web.checked_session import CheckedSession
from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.address import HostRule
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset
from tests.doubles.github import GitHub

NAME = "owner/device"
SECRET = GitCredentials("someone", "ghp_s3cret")
WRONG = GitCredentials("someone", "ghp_wrong")
INSTANCE = GitCredentials("platform", "ghp_instance")


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[GitHub]:
    stand = GitHub(tmp_path, tokens={INSTANCE.pat_token})
    await stand.start()
    yield stand
    await stand.stop()


@pytest.fixture
async def session(github: GitHub) -> AsyncIterator[CheckedSession]:
    rule = HostRule.of(f"{github.authority},{github.storage}")
    session = CheckedSession(rule, resolve)
    yield session
    await session.close()


@pytest.fixture
def host(session: CheckedSession) -> GitHubHost:
    return GitHubHost(session)


async def body_of(host: GitHubHost, url: str, asset: Asset, who: GitCredentials | None) -> bytes:
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    await host.download(url, asset, who, write)
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://github.com/o/user.github.io.git", "https://api.github.com"),
        ("https://www.github.com/o/r.git", "https://api.github.com"),
        ("https://git.example.com/o/r.git", "https://git.example.com:443/api/v3"),
        ("https://git.example.com:8443/o/r.git", "https://git.example.com:8443/api/v3"),
        ("https://github.com.example.org/o/r.git", "https://github.com.example.org:443/api/v3"),
        ("https://firm.ghe.com/o/r.git", "https://api.firm.ghe.com"),
    ],
)
def test_o6_the_api_is_that_of_the_registrys_host(url: str, root: str) -> None:
    assert api_root(url) == root


@pytest.mark.parametrize("path", ["r", "a/b/c"])
async def test_a_url_that_names_no_owner_and_repository_is_refused(
    github: GitHub, host: GitHubHost, path: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await host.probe(github.url(path), None)
    assert refused.value.topic is Topic.PLATFORM
    assert github.requests == []


async def test_the_size_comes_in_kilobytes_for_public_repositories_too(
    github: GitHub, host: GitHubHost
) -> None:
    await github.create(NAME)
    assert await host.repository_bytes(github.url(NAME), None) == 12 * 1024


async def test_o6_a_renamed_repository_is_followed_with_its_credentials(
    github: GitHub, host: GitHubHost
) -> None:
    await github.create(NAME, SECRET)
    for number in range(150):
        github.publish(NAME, f"v{number}", {})
    github.renamed["owner/old"] = NAME
    assert await host.probe(github.url("owner/old"), SECRET)
    assert not await host.probe(github.url("owner/old"), None)
    assert len(await host.releases(github.url("owner/old"), SECRET)) == 150
    assert any("/repositories/" in asked for asked in github.requests)


async def test_drafts_and_unfinished_uploads_are_no_releases(
    github: GitHub, host: GitHubHost
) -> None:
    await github.create(NAME)
    github.publish(NAME, "v1", {"esp32": b"1"})
    github.publish(NAME, "v2", {"esp32": b"2"})
    github.drafts.add("v2")
    assert list(await host.releases(github.url(NAME), None)) == ["v1"]


async def test_w32_the_digest_is_githubs_where_it_tells_one(
    github: GitHub, host: GitHubHost
) -> None:
    await github.create(NAME)
    github.publish(NAME, "v1", {"esp32": b"firmware"})
    (asset,) = (await host.releases(github.url(NAME), None))["v1"]
    assert asset.sha256 == hashlib.sha256(b"firmware").hexdigest()
    github.tells_digests = False
    (asset,) = (await host.releases(github.url(NAME), None))["v1"]
    assert asset.sha256 is None


@pytest.mark.parametrize("who", [SECRET, WRONG])
async def test_a_used_up_rate_limit_is_unavailable_and_says_nothing_of_the_credentials(
    github: GitHub, host: GitHubHost, who: GitCredentials
) -> None:
    await github.create(NAME, SECRET)
    github.remaining = 0
    for call in (host.probe, host.repository_bytes, host.releases):
        with pytest.raises(Unavailable, match="rate limit"):
            await call(github.url(NAME), who)
    github.remaining = 1
    assert await host.probe(github.url(NAME), who) is (who is SECRET)


async def test_o11_the_storage_never_sees_the_token(github: GitHub, host: GitHubHost) -> None:
    await github.create(NAME, SECRET)
    github.publish(NAME, "v1", {"esp32": b"firmware"})
    (asset,) = (await host.releases(github.url(NAME), SECRET))["v1"]
    assert await body_of(host, github.url(NAME), asset, SECRET) == b"firmware"
    assert [sent for place, _, sent in github.seen if place == "storage"] == [None]
    assert {sent for place, _, sent in github.seen if place == "api"} == {
        f"Bearer {SECRET.pat_token}"
    }
    link_alone = Asset(asset.name, asset.link)
    with pytest.raises(Invalid):
        await body_of(host, github.url(NAME), link_alone, SECRET)


async def test_w16_the_instance_token_helps_public_repositories_of_its_own_host_alone(
    github: GitHub, session: CheckedSession
) -> None:
    await github.create(NAME)
    own = GitHubHost(session, INSTANCE, token_root=api_root(github.url(NAME)))
    assert await own.probe(github.url(NAME), None)
    stranger = GitHubHost(session, INSTANCE)
    assert stranger.token_root == PUBLIC_API
    assert await stranger.probe(github.url(NAME), None)
    assert [sent for _, _, sent in github.seen] == [f"Bearer {INSTANCE.pat_token}", None]


async def test_w16_the_instance_token_never_stands_in_for_a_users(
    github: GitHub, session: CheckedSession
) -> None:
    await github.create(NAME, SECRET)
    own = GitHubHost(session, INSTANCE, token_root=api_root(github.url(NAME)))
    assert await own.probe(github.url(NAME), SECRET)
    assert not await own.probe(github.url(NAME), WRONG)
    assert INSTANCE.pat_token not in str(github.seen)
    assert INSTANCE.pat_token not in repr(own)


@pytest.mark.parametrize("where", ["http://127.0.0.1:1/next", "http://u:p@127.0.0.1/x", "/next"])
async def test_w16_a_next_page_on_another_origin_gets_no_token(
    github: GitHub, host: GitHubHost, where: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response([], headers={"Link": f'<{where}>; rel="next"'})

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    at = f"127.0.0.1:{runner.addresses[0][1]}"
    session = CheckedSession(HostRule.of("127.0.0.1"), resolve)
    try:
        with pytest.raises(Invalid) as refused:
            await GitHubHost(session).releases(f"http://{at}/a/b.git", SECRET)
        assert refused.value.topic is Topic.PLATFORM
    finally:
        await session.close()
        await runner.cleanup()
