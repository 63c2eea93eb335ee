"""GitHub's REST API, of github.com and of Enterprise servers (spec devices.md 2)."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.address import repository_address, web_address
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset, Releases
from pepeunit.ports.web import Answer, Web, Write

PUBLIC_API: Final = "https://api.github.com"
RELEASES_PER_PAGE: Final = 100
RELEASE_PAGES_MAX: Final = 100
PAGE_BYTES_MAX: Final = 32 * 2**20
"""A page of releases repeats a kilobyte about the uploader for each asset."""
ACCEPT: Final = "application/vnd.github+json"
_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[^,<>"]*(?:"[^"]*")?)*)')
_NEXT: Final = re.compile(
    r';\s*rel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?\s*(?:;|$)', re.IGNORECASE
)
_ASSET: Final = re.compile(r"/releases/assets/[0-9]+$")


def api_root(url: str) -> str:
    """Where the API of a repository's host is (O6)."""
    address = repository_address(url, Topic.PLATFORM)
    if address.host in ("github.com", "www.github.com"):
        return PUBLIC_API
    if address.host.endswith(".ghe.com"):
        return f"https://api.{address.host}"
    return f"{address.origin}/api/v3"


@frozen
class GitHubHost:
    """Implements :class:`~pepeunit.ports.code_host.CodeHost`.

    ``token`` raises the rate limit for repositories that need no credentials; it goes to
    ``token_root`` alone, never to a host that a user named.
    """

    web: Web
    token: GitCredentials | None = None
    token_root: str = PUBLIC_API

    async def probe(self, url: str, credentials: GitCredentials | None) -> bool:
        answer = await self._ask(url, credentials, _repository(url))
        return answer is not None and "id" in _object(_decoded(answer))

    async def repository_bytes(self, url: str, credentials: GitCredentials | None) -> int:
        repository = _object(_decoded(await self._get(url, credentials, _repository(url))))
        size = repository.get("size")
        if type(size) is not int or size < 0:
            raise Invalid("the platform does not tell the repository's size", Topic.PLATFORM)
        return size * 1024

    async def releases(self, url: str, credentials: GitCredentials | None) -> Releases:
        """Drafts and unfinished uploads are left out: only their authors see them."""
        found: dict[str, list[Asset]] = {}
        at = f"{_repository(url)}/releases?per_page={RELEASES_PER_PAGE}"
        for _ in range(RELEASE_PAGES_MAX):
            answer = await self._get(url, credentials, at)
            releases = _decoded(answer)
            if not isinstance(releases, list):
                raise _malformed()
            found.update(dict(map(_read_release, filter(_is_published, releases))))
            following = _next_page(answer, api_root(url))
            if following is None:
                return found
            at = following
        raise Invalid(
            f"the repository has more than {RELEASE_PAGES_MAX * RELEASES_PER_PAGE} releases",
            Topic.PLATFORM,
        )

    async def download(
        self, url: str, asset: Asset, credentials: GitCredentials | None, write: Write
    ) -> None:
        """Ask the API for the file; it redirects to a storage host, which gets no token."""
        address = web_address(asset.source or asset.link, Topic.PLATFORM)
        is_api = address.origin == web_address(api_root(url)).origin and _ASSET.search(
            address.target
        )
        answer = await self.web.download(
            address.url,
            self._secrets(url, credentials) if is_api else {},
            write,
            accept="application/octet-stream",
        )
        _refuse_trouble(answer)
        if answer.status != 200:
            raise Invalid(f"the platform answered with status {answer.status}", Topic.PLATFORM)

    async def _get(self, url: str, credentials: GitCredentials | None, at: str) -> Answer:
        answer = await self._ask(url, credentials, at)
        if answer is None:
            raise Invalid(
                "the platform has no such repository or refused the credentials", Topic.PLATFORM
            )
        return answer

    async def _ask(self, url: str, credentials: GitCredentials | None, at: str) -> Answer | None:
        """None where the platform does not let these credentials see it."""
        answer = await self.web.get(
            at, self._secrets(url, credentials), accept=ACCEPT, bytes_max=PAGE_BYTES_MAX
        )
        _refuse_trouble(answer)
        if answer.status in (401, 403, 404):
            return None
        if answer.status != 200:
            raise Invalid(f"the platform answered with status {answer.status}", Topic.PLATFORM)
        return answer

    def _secrets(self, url: str, credentials: GitCredentials | None) -> dict[str, str]:
        if credentials is None and api_root(url) == self.token_root:
            credentials = self.token
        if credentials is None:
            return {}
        token = credentials.pat_token
        if not token.isascii() or not token.isprintable():
            raise Invalid("the token has characters no token has", Topic.PLATFORM)
        return {"Authorization": f"Bearer {token}"}


def _repository(url: str) -> str:
    """The API's address of the repository; ``.git`` is cut at the end only (O6)."""
    path = repository_address(url, Topic.PLATFORM).target.removesuffix(".git")
    if path.count("/") != 2:
        raise Invalid("the URL must name owner and repository", Topic.PLATFORM)
    return f"{api_root(url)}/repos{path}"


def _next_page(answer: Answer, root: str) -> str | None:
    """The address of the page that ``Link`` calls next. Raises ``Invalid`` for another origin's:
    the token would follow."""
    for target, parameters in _LINK.findall(answer.headers.get("link", "")):
        if _NEXT.search(parameters):
            if web_address(target, Topic.PLATFORM).origin != web_address(root).origin:
                raise _malformed()
            return str(target)
    return None


def _refuse_trouble(answer: Answer) -> None:
    """A rate limit says nothing about repository or credentials: try again later."""
    is_limited = answer.status == 429 or (
        answer.status == 403
        and (answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers)
    )
    if is_limited:
        raise Unavailable("GitHub", "its rate limit is used up, try again later")
    if answer.status >= 500:
        raise Unavailable("GitHub", f"it answered with status {answer.status}")


def _decoded(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _malformed() from None


def _object(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise _malformed()
    return answer


def _is_published(release: object) -> bool:
    return _object(release).get("draft") is not True


def _read_release(release: dict[str, Any]) -> tuple[str, list[Asset]]:
    tag, assets = release.get("tag_name"), release.get("assets", [])
    if not isinstance(tag, str) or not isinstance(assets, list):
        raise _malformed()
    uploaded = [one for one in map(_object, assets) if one.get("state", "uploaded") == "uploaded"]
    return tag, list(map(_read_asset, uploaded))


def _read_asset(asset: dict[str, Any]) -> Asset:
    name, link, source = asset.get("name"), asset.get("browser_download_url"), asset.get("url")
    if not isinstance(name, str) or not isinstance(link, str) or not isinstance(source, str):
        raise _malformed()
    digest = re.fullmatch(r"sha256:([0-9a-f]{64})", str(asset.get("digest")))
    return Asset(name, link, digest[1] if digest else None, source)


def _malformed() -> Invalid:
    return Invalid("the platform's answer is not what GitHub answers", Topic.PLATFORM)
