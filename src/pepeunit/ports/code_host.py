"""The web API of a git hosting platform (spec devices.md 2)."""

from __future__ import annotations

from typing import Protocol

from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Asset, Releases
from pepeunit.ports.web import Write


class CodeHost(Protocol):
    """One platform's API. ``url`` is the registry's repository URL, ending in ``.git``.

    Every method raises :class:`~pepeunit.domain.errors.Invalid` (topic platform) for an answer
    the platform gave and :class:`~pepeunit.domain.errors.Unavailable` when it did not answer.
    """

    async def probe(self, url: str, credentials: GitCredentials | None) -> bool:
        """Whether these credentials can read the repository."""
        ...

    async def repository_bytes(self, url: str, credentials: GitCredentials | None) -> int:
        """The size the platform reports; 0 where it does not tell."""
        ...

    async def releases(self, url: str, credentials: GitCredentials | None) -> Releases:
        """All pages of releases."""
        ...

    async def download(
        self, url: str, asset: Asset, credentials: GitCredentials | None, write: Write
    ) -> None:
        """Write a release's file. The credentials go to the platform alone, never to another
        origin that the asset names (O11)."""
        ...
