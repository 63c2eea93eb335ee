"""The loopback code host with GitLab's package registry, where release files live."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from attrs import define, field

from pepeunit.entrypoints.cli.forge import Forge


@define(eq=False)
class GitLab(Forge):
    """``publish`` makes a release whose links point to files of the project itself."""

    _files: dict[str, bytes] = field(factory=dict, init=False)

    def add_api(self, app: web.Application) -> None:
        Forge.add_api(self, app)
        app.router.add_get(
            "/api/v4/projects/{key}/packages/generic/firmware/{tag}/{file}", self._package
        )

    def publish(self, name: str, tag: str, files: Mapping[str, bytes]) -> None:
        number = self._projects[name].number
        at = f"/api/v4/projects/{number}/packages/generic/firmware/{tag}"
        self._files |= {f"{at}/{file}": body for file, body in files.items()}
        links = [(file, f"http://{self.authority}{at}/{file}") for file in files]
        self.release(name, tag, links)

    async def _package(self, request: web.Request) -> web.Response:
        self._visible(request)
        return web.Response(body=self._files[request.path], content_type="application/octet-stream")
