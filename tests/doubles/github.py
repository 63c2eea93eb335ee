"""A code host shaped as a GitHub Enterprise server: strict API, real git, a storage beside it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from attrs import define, field, frozen

from pepeunit.entrypoints.cli.forge import STOP_SECONDS_MAX, Forge, Project

SIGNATURE = "sig=signed"


@frozen
class HostedAsset:
    number: int
    repository: str
    tag: str
    name: str
    body: bytes


@define(eq=False)
class GitHub(Forge):
    """Answers as GitHub does: whoever may not see a repository gets 404, a wrong token 401, a used
    up limit 403 with its headers, an old name 301; assets redirect to ``storage``, which refuses
    any request that carries credentials.

    ``remaining`` is the rate limit, None for none; ``tokens`` are valid beside the repositories'
    own; ``seen`` has each request's place, path and credential headers.
    """

    remaining: int | None = None
    tells_digests: bool = True
    tokens: set[str] = field(factory=set)
    renamed: dict[str, str] = field(factory=dict)
    drafts: set[str] = field(factory=set)
    seen: list[tuple[str, str, str | None]] = field(factory=list, init=False)
    storage: str = field(default="", init=False)
    _assets: dict[int, HostedAsset] = field(factory=dict, init=False)
    _numbers: Any = field(factory=itertools.count, init=False)
    _storage_runner: web.AppRunner | None = field(default=None, init=False)

    def add_api(self, app: web.Application) -> None:
        get = app.router.add_get
        for repository in ("/api/v3/repos/{owner}/{repo}", "/api/v3/repositories/{number}"):
            get(repository, self._repository)
            get(f"{repository}/releases", self._list_releases)
            get(f"{repository}/releases/assets/{{asset}}", self._asset)
        get("/{owner}/{repo}/releases/download/{tag}/{file}", self._browse)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{asset}", self._stored)
        self._storage_runner = web.AppRunner(app, shutdown_timeout=STOP_SECONDS_MAX)
        await self._storage_runner.setup()
        await web.TCPSite(self._storage_runner, self.host, 0).start()
        self.storage = f"{self.host}:{self._storage_runner.addresses[0][1]}"
        await Forge.start(self)

    async def stop(self) -> None:
        await Forge.stop(self)
        if self._storage_runner is not None:
            await self._storage_runner.cleanup()

    def publish(self, name: str, tag: str, files: Mapping[str, bytes]) -> None:
        """A release with these files; a later one of the same tag replaces it."""
        for number in [n for n, a in self._assets.items() if (a.repository, a.tag) == (name, tag)]:
            del self._assets[number]
        self.release(name, tag, ())
        for file, body in files.items():
            number = next(self._numbers)
            self._assets[number] = HostedAsset(number, name, tag, file, body)

    async def _repository(self, request: web.Request) -> web.Response:
        name, project = self._open(request)
        return web.json_response({"id": project.number, "full_name": name, "size": 12})

    async def _list_releases(self, request: web.Request) -> web.Response:
        name, project = self._open(request)
        page = int(request.query.get("page", "1"))
        size = min(int(request.query.get("per_page", "30")), 100)
        tags = list(project.releases)
        headers = {}
        if page * size < len(tags):
            at = f"http://{self.authority}/api/v3/repositories/{project.number}/releases"
            last = -(-len(tags) // size)
            headers["Link"] = ", ".join(
                f'<{at}?per_page={size}&page={number}>; rel="{rel}"'
                for rel, number in (("prev", page - 1), ("next", page + 1), ("last", last))
                if number
            )
        shown = [self._release(name, tag) for tag in tags[(page - 1) * size : page * size]]
        return web.json_response(shown, headers=headers)

    def _release(self, name: str, tag: str) -> dict[str, Any]:
        assets = [a for a in self._assets.values() if (a.repository, a.tag) == (name, tag)]
        return {
            "tag_name": tag,
            "draft": tag in self.drafts,
            "prerelease": False,
            "assets": [self._described(asset) for asset in assets],
        }

    def _described(self, asset: HostedAsset) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(asset.body).hexdigest()}"
        origin = f"http://{self.authority}"
        return {
            "id": asset.number,
            "name": asset.name,
            "state": "uploaded",
            "size": len(asset.body),
            "digest": digest if self.tells_digests else None,
            "url": f"{origin}/api/v3/repos/{asset.repository}/releases/assets/{asset.number}",
            "browser_download_url": (
                f"{origin}/{asset.repository}/releases/download/{asset.tag}/{asset.name}"
            ),
        }

    async def _asset(self, request: web.Request) -> web.Response:
        name, _ = self._open(request)
        asset = self._assets.get(int(request.match_info["asset"]))
        if asset is None or asset.repository != name:
            raise _refusal(404, "Not Found")
        if request.headers.get("Accept") != "application/octet-stream":
            return web.json_response(self._described(asset))
        raise web.HTTPFound(f"http://{self.storage}/{asset.number}?{SIGNATURE}")

    async def _browse(self, request: web.Request) -> web.Response:
        """What a browser opens: a token means nothing here, private files need a sign-in."""
        self._note(request)
        name = f"{request.match_info['owner']}/{request.match_info['repo']}"
        wanted = (name, request.match_info["tag"], request.match_info["file"])
        project = self._projects.get(name)
        for asset in self._assets.values():
            if (asset.repository, asset.tag, asset.name) == wanted and project is not None:
                if project.credentials is not None:
                    break
                raise web.HTTPFound(f"http://{self.storage}/{asset.number}?{SIGNATURE}")
        raise web.HTTPNotFound

    async def _stored(self, request: web.Request) -> web.Response:
        self._see("storage", request)
        if "Authorization" in request.headers or "PRIVATE-TOKEN" in request.headers:
            raise _refusal(400, "Only one auth mechanism allowed")
        asset = self._assets.get(int(request.match_info["asset"]))
        if asset is None or request.query_string != SIGNATURE:
            raise _refusal(403, "AuthenticationFailed")
        return web.Response(body=asset.body, content_type="application/octet-stream")

    def _see(self, place: str, request: web.Request) -> None:
        self.seen.append((place, request.path_qs, request.headers.get("Authorization")))

    def _open(self, request: web.Request) -> tuple[str, Project]:
        self._note(request)
        self._see("api", request)
        if not request.headers.get("User-Agent"):
            raise _refusal(403, "Request forbidden by administrative rules")
        if self.remaining is not None:
            if self.remaining <= 0:
                raise _refusal(403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0"})
            self.remaining -= 1
        token = self._token(request)
        name, project = self._named(request)
        allowed = project.credentials
        if allowed is not None and token != allowed.pat_token:
            raise _refusal(404, "Not Found")
        return name, project

    def _token(self, request: web.Request) -> str | None:
        given = request.headers.get("Authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        known = {one.credentials.pat_token for one in self._projects.values() if one.credentials}
        if scheme != "Bearer" or token not in known | self.tokens:
            raise _refusal(401, "Bad credentials")
        return token

    def _named(self, request: web.Request) -> tuple[str, Project]:
        number, path = request.match_info.get("number"), request.match_info
        name = number or f"{path['owner']}/{path['repo']}"
        if name in self.renamed:
            project = self._projects[self.renamed[name]]
            rest = request.path_qs.removeprefix(f"/api/v3/repos/{name}")
            at = f"http://{self.authority}/api/v3/repositories/{project.number}{rest}"
            raise web.HTTPMovedPermanently(at, text='{"message": "Moved Permanently"}')
        for known, project in self._projects.items():
            if name in (known, str(project.number)):
                return known, project
        raise _refusal(404, "Not Found")


_REFUSALS = {
    400: web.HTTPBadRequest,
    401: web.HTTPUnauthorized,
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
}


def _refusal(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> web.HTTPException:
    return _REFUSALS[status](
        text=f'{{"message": "{message}"}}', content_type="application/json", headers=headers
    )
