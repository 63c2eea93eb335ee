"""The web API beside the remotes in memory."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from pepeunit.adapters.memory.mirrors import MemoryRemote
from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset, Releases
from pepeunit.ports.web import Write


@define(eq=False)
class MemoryCodeHost:
    """Implements :class:`~pepeunit.ports.code_host.CodeHost`; ``is_down`` is the API's outage,
    a remote that is down takes its API with it."""

    remotes: Mapping[str, MemoryRemote]
    is_down: bool = False

    async def probe(self, url: str, credentials: GitCredentials | None) -> bool:
        return self._remote(url).opens_for(credentials)

    async def repository_bytes(self, url: str, credentials: GitCredentials | None) -> int:
        return self._open(url, credentials).size()

    async def releases(self, url: str, credentials: GitCredentials | None) -> Releases:
        return dict(self._open(url, credentials).releases)

    async def download(
        self, url: str, asset: Asset, credentials: GitCredentials | None, write: Write
    ) -> None:
        body = self._open(url, credentials).files.get(asset.link)
        if body is None:
            raise Invalid("the platform has no such file", Topic.PLATFORM)
        await write(body)

    def _remote(self, url: str) -> MemoryRemote:
        remote = self.remotes.get(url)
        if self.is_down or remote is None:
            raise Unavailable("code host", "does not answer")
        return remote

    def _open(self, url: str, credentials: GitCredentials | None) -> MemoryRemote:
        remote = self._remote(url)
        if not remote.opens_for(credentials):
            raise Invalid("the platform refuses these credentials", Topic.PLATFORM)
        return remote
