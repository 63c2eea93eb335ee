"""Bare mirrors of git remotes, read at immutable commits (spec devices.md 2, rulings 24)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Commit, Sha, TreeEntry

Progress = Callable[[int], None]
"""Called with 0..100 while a sync runs."""


class Mirrors(Protocol):
    """One bare mirror per registry. Reading never waits for a sync.

    Reads raise :class:`~pepeunit.domain.errors.Invalid` (topic git) when the mirror, the branch,
    the commit or the path is missing.
    """

    async def sync(
        self,
        registry: RegistryId,
        url: str,
        credentials: GitCredentials | None,
        progress: Progress | None = None,
    ) -> int:
        """Clone or ``fetch --prune`` and return the mirror's size in bytes.

        The previous state stays readable until the new one is whole. Raises ``OverLimit``
        (topic git) as soon as the mirror outgrows ``PU_MAX_EXTERNAL_REPO_SIZE``, ``Invalid``
        (topic git) for a refused address, ``Unavailable`` when the remote cannot be reached.
        """
        ...

    async def remote_heads(
        self, registry: RegistryId, url: str, credentials: GitCredentials | None
    ) -> Mapping[str, Sha]:
        """``ls-remote`` of branches and tags: full reference name to object id."""
        ...

    async def local_heads(self, registry: RegistryId) -> Mapping[str, Sha]:
        """The same of the mirror, for comparing; empty when there is none."""
        ...

    async def branches(self, registry: RegistryId) -> Sequence[str]:
        """Branch names in order; empty when there is no mirror."""
        ...

    async def commits(
        self, registry: RegistryId, branch: str, prefer: Collection[str] = ()
    ) -> Sequence[Commit]:
        """The branch's whole history, newest first, tags attached; cached by branch head.

        ``prefer`` names the tags that have a release: where a commit carries several tags one
        of these counts, else the highest version (O9).
        """
        ...

    async def read(self, registry: RegistryId, commit: Sha, path: str) -> bytes: ...

    async def tree(self, registry: RegistryId, commit: Sha) -> Sequence[TreeEntry]:
        """Every path of the commit in order, directories left out."""
        ...

    async def blobs(self, registry: RegistryId, ids: Sequence[Sha]) -> Sequence[bytes]:
        """The raw contents of the blobs, in the order asked."""
        ...

    async def keep(self, registry: RegistryId, commit: Sha) -> None:
        """Pin the commit (``refs/pepeunit/kept/<sha>``) against pruning."""
        ...

    async def remove(self, registry: RegistryId) -> None:
        """Delete the mirror; nothing happens when there is none."""
        ...
