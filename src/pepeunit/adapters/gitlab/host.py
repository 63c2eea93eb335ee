"""GitLab's API, version 4 (spec devices.md 2)."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.address import repository_address, web_address
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset, Releases
from pepeunit.ports.web import Web, Write

RELEASES_PER_PAGE: Final = 100
RELEASE_PAGES_MAX: Final = 100
_REFUSED: Final = (401, 403, 404)
_API: Final = ("packages", "jobs", "repository")
_WEB: Final = ("-/archive", "-/jobs", "-/package_files", "-/raw", "uploads")
"""Where a project keeps files. Not among them: releases, whose links redirect to any address."""
_DOTTED: Final = re.compile(r"/(\.|%2e){1,2}(/|$)|//|%2f\.|\.%2f|%5c", re.IGNORECASE)


@frozen
class GitLabHost:
    """Implements :class:`~pepeunit.ports.code_host.CodeHost` for any GitLab by its address."""

    web: Web

    async def probe(self, url: str, credentials: GitCredentials | None) -> bool:
        project = await self._ask(url, credentials, _key(url))
        return project is not None and "id" in _object(project)

    async def repository_bytes(self, url: str, credentials: GitCredentials | None) -> int:
        if credentials is None:
            return 0
        project = await self._project(url, credentials, "?statistics=true")
        statistics = project.get("statistics")
        size = statistics.get("repository_size") if isinstance(statistics, dict) else None
        if type(size) is not int or size < 0:
            raise Invalid("the platform does not tell the repository's size", Topic.PLATFORM)
        return size

    async def releases(self, url: str, credentials: GitCredentials | None) -> Releases:
        project = await self._project(url, credentials)
        found: dict[str, list[Asset]] = {}
        for page in range(1, RELEASE_PAGES_MAX + 1):
            query = f"{project['id']}/releases?page={page}&per_page={RELEASES_PER_PAGE}"
            releases = await self._get(url, credentials, query)
            if not isinstance(releases, list):
                raise _malformed()
            for release in releases:
                tag, assets = _read_release(release)
                found[tag] = assets
            if len(releases) < RELEASES_PER_PAGE:
                return found
        raise Invalid(
            f"the repository has more than {RELEASE_PAGES_MAX * RELEASES_PER_PAGE} releases",
            Topic.PLATFORM,
        )

    async def download(
        self, url: str, asset: Asset, credentials: GitCredentials | None, write: Write
    ) -> None:
        """The token opens only what the project itself offers: a link is written by whoever
        makes a release, and must not borrow the rights of the token's owner for anything else."""
        if credentials is not None and not await self._is_own(url, asset.link, credentials):
            credentials = None
        answer = await self.web.download(asset.link, _secrets(credentials), write)
        if answer.status != 200:
            _refuse_trouble(answer.status)
            raise Invalid(f"the file's host answered with status {answer.status}", Topic.PLATFORM)

    async def _is_own(self, url: str, link: str, credentials: GitCredentials) -> bool:
        address = web_address(link, Topic.PLATFORM)
        path = address.target.partition("?")[0]
        if address.origin != _origin(url) or _DOTTED.search(path):
            return False
        number = (await self._project(url, credentials))["id"]
        api = [f"/api/v4/projects/{key}/{part}/" for key in (number, _key(url)) for part in _API]
        web = [f"/{_path(url)}/{part}/" for part in _WEB]
        return path.startswith((*api, *web))

    async def _project(
        self, url: str, credentials: GitCredentials | None, query: str = ""
    ) -> dict[str, Any]:
        project = _object(await self._get(url, credentials, _key(url) + query))
        if type(project.get("id")) is not int:
            raise _malformed()
        return project

    async def _get(self, url: str, credentials: GitCredentials | None, rest: str) -> Any:
        answer = await self._ask(url, credentials, rest)
        if answer is None:
            raise Invalid(
                "the platform has no such repository or refused the credentials", Topic.PLATFORM
            )
        return answer

    async def _ask(self, url: str, credentials: GitCredentials | None, rest: str) -> Any:
        """The decoded answer; None where the platform does not let these credentials see it."""
        answer = await self.web.get(f"{_origin(url)}/api/v4/projects/{rest}", _secrets(credentials))
        if answer.status in _REFUSED:
            return None
        _refuse_trouble(answer.status)
        if answer.status != 200:
            raise Invalid(f"the platform answered with status {answer.status}", Topic.PLATFORM)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise _malformed() from None


def _key(url: str) -> str:
    """The project's path as one part of a URL; ``.git`` is cut at the end only (O6)."""
    return quote(_path(url), safe="%")


def _path(url: str) -> str:
    return repository_address(url, Topic.PLATFORM).target[1:].removesuffix(".git")


def _object(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise _malformed()
    return answer


def _origin(url: str) -> str:
    return repository_address(url, Topic.PLATFORM).origin


def _refuse_trouble(status: int) -> None:
    if status == 429 or status >= 500:
        raise Unavailable("GitLab", f"it answered with status {status}")


def _secrets(credentials: GitCredentials | None) -> dict[str, str]:
    if credentials is None:
        return {}
    token = credentials.pat_token
    if not token.isascii() or not token.isprintable():
        raise Invalid("the token has characters no token has", Topic.PLATFORM)
    return {"PRIVATE-TOKEN": token}


def _read_release(release: object) -> tuple[str, list[Asset]]:
    try:
        tag, assets = release["tag_name"], release.get("assets", {})  # type: ignore[index, attr-defined]
        found = [(one["format"], one["url"]) for one in assets.get("sources", ())]
        found += [(one["name"], one["url"]) for one in assets.get("links", ())]
    except (KeyError, TypeError, AttributeError):
        raise _malformed() from None
    if not all(isinstance(text, str) for text in (tag, *(part for pair in found for part in pair))):
        raise _malformed()
    return tag, [Asset(name, link) for name, link in found]


def _malformed() -> Invalid:
    return Invalid("the platform's answer is not what GitLab answers", Topic.PLATFORM)
