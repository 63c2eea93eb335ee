"""What only GitLab's API does (spec devices.md 2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.gitlab.host import GitLabHost
from pepeunit.adapters.web.checked_session import CheckedSession
from pepeunit.domain.errors import Invalid
from pepeunit.domain.registries.address import HostRule
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset
from tests.doubles.gitlab import GitLab

NAME = "group/sub/device"
SECRET = GitCredentials("someone", "glpat-s3cret")


class Listening(GitLab):
    """Answers everything else with what it was asked, and with which token."""

    def add_api(self, app: web.Application) -> None:
        GitLab.add_api(self, app)
        self.heard: list[tuple[str, bool]] = []
        for path in ("/api/v4/{rest:.*}", "/group/{rest:(?!.*\\.git/).*}", "/-/{rest:.*}"):
            app.router.add_get(path, self._hear)

    async def _hear(self, request: web.Request) -> web.Response:
        self.heard.append((request.raw_path, "PRIVATE-TOKEN" in request.headers))
        return web.Response(body=b"x", content_type="application/octet-stream")


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[Listening]:
    stand = Listening(tmp_path)
    await stand.start()
    yield stand
    await stand.stop()


@pytest.fixture
async def host(gitlab: GitLab) -> AsyncIterator[GitLabHost]:
    session = CheckedSession(HostRule.of(gitlab.authority), resolve)
    yield GitLabHost(session)
    await session.close()


async def test_the_path_of_groups_is_one_part_of_the_address(
    gitlab: GitLab, host: GitLabHost
) -> None:
    await gitlab.create(NAME)
    await host.probe(gitlab.url(NAME), None)
    assert gitlab.requests == ["GET /api/v4/projects/group%2Fsub%2Fdevice"]


async def test_a_public_project_has_no_size_and_sources_are_assets(
    gitlab: GitLab, host: GitLabHost
) -> None:
    await gitlab.create(NAME)
    gitlab.release(NAME, "v1", [("esp32", "https://x/1")])
    assert await host.repository_bytes(gitlab.url(NAME), None) == 0
    assert (await host.releases(gitlab.url(NAME), None))["v1"] == [
        Asset("zip", f"{gitlab.url(NAME)}/v1.zip"),
        Asset("esp32", "https://x/1"),
    ]
    with pytest.raises(Invalid):
        await host.repository_bytes(gitlab.url(NAME), SECRET)


@pytest.mark.parametrize(
    ("path", "trusted"),
    [
        ("/api/v4/projects/1/jobs/5/artifacts/fw.bin", True),
        ("/api/v4/projects/group%2Fsub%2Fdevice/repository/archive.zip?sha=v1", True),
        ("/group/sub/device/-/archive/v1/device.zip", True),
        ("/group/sub/device/-/package_files/7/download", True),
        ("/group/sub/device/uploads/0123/fw.bin", True),
        ("/api/v4/user", False),
        ("/api/v4/projects/1/variables/KEY", False),
        ("/api/v4/projects/2/repository/archive.zip", False),
        ("/api/v4/projects/1/packages/../variables", False),
        ("/api/v4/projects/1/packages/%2e%2E/variables", False),
        ("/api/v4/projects/1/packages/..%2fvariables", False),
        ("/api/v4/projects/1/packages//x", False),
        ("/group/sub/device/-/releases/v1/downloads/fw", False),
        ("/group/sub/device2/-/archive/v1/x.zip", False),
        ("/group/other/-/archive/v1/x.zip", False),
        ("/-/profile/personal_access_tokens", False),
    ],
)
async def test_w32_a_release_link_borrows_the_token_for_the_projects_files_alone(
    gitlab: Listening, host: GitLabHost, path: str, trusted: bool
) -> None:
    await gitlab.create(NAME, SECRET)
    asset = Asset("esp32", f"http://{gitlab.authority}{path}")

    async def write(piece: bytes) -> None: ...

    await host.download(gitlab.url(NAME), asset, SECRET, write)
    assert gitlab.heard == [(path, trusted)]
