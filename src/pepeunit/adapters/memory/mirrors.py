"""Git remotes and their mirrors in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from attrs import define, field, frozen

from pepeunit.domain.errors import Invalid, OverLimit, Topic, Unavailable
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.tags import preferred_tag
from pepeunit.domain.registries.version import Asset, Commit, Sha, TreeEntry
from pepeunit.ports.mirrors import Progress

BYTES_MAX: Final = 50 * 2**20
FILE_MODE: Final = 0o100644

Tree = Mapping[str, bytes]


@frozen
class MemoryCommit:
    summary: str
    tree: Tree
    parent: Sha | None


@define
class MemoryRemote:
    """A repository somewhere else. With ``pat_tokens`` it is private: only they open it.

    ``files`` are the contents of release assets by link.
    """

    pat_tokens: frozenset[str] | None = None
    is_down: bool = False
    commits: dict[Sha, MemoryCommit] = field(factory=dict, init=False)
    branches: dict[str, Sha] = field(factory=dict, init=False)
    tags: dict[str, Sha] = field(factory=dict, init=False)
    releases: dict[str, list[Asset]] = field(factory=dict, init=False)
    files: dict[str, bytes] = field(factory=dict, init=False)

    def push(
        self,
        files: Mapping[str, str | bytes],
        *,
        branch: str = "main",
        tag: str | None = None,
        summary: str = "change",
    ) -> Sha:
        """A new commit with exactly these files on top of the branch."""
        parent = self.branches.get(branch)
        tree = {
            path: body.encode() if isinstance(body, str) else body for path, body in files.items()
        }
        text = repr((sorted(tree.items()), parent, summary, len(self.commits)))
        commit = Sha(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
        self.commits[commit] = MemoryCommit(summary, tree, parent)
        self.branches[branch] = commit
        if tag is not None:
            self.tags[tag] = commit
        return commit

    def opens_for(self, credentials: GitCredentials | None) -> bool:
        """Whether the remote lets these credentials in. Raises ``Unavailable`` when down."""
        if self.is_down:
            raise Unavailable("git remote", "does not answer")
        if self.pat_tokens is None:
            return True
        return credentials is not None and credentials.pat_token in self.pat_tokens

    def heads(self) -> dict[str, Sha]:
        return {f"refs/heads/{name}": sha for name, sha in self.branches.items()} | {
            f"refs/tags/{name}": sha for name, sha in self.tags.items()
        }

    def size(self) -> int:
        return sum(len(body) for commit in self.commits.values() for body in commit.tree.values())


@define
class _Mirror:
    commits: dict[Sha, MemoryCommit] = field(factory=dict)
    heads: dict[str, Sha] = field(factory=dict)
    kept: set[Sha] = field(factory=set)

    def line(self, head: Sha) -> list[Sha]:
        found: list[Sha] = []
        step: Sha | None = head
        while step is not None:
            found.append(step)
            step = self.commits[step].parent
        return found

    def prune(self) -> None:
        reachable = {sha for head in (*self.heads.values(), *self.kept) for sha in self.line(head)}
        self.commits = {sha: commit for sha, commit in self.commits.items() if sha in reachable}


@define(eq=False)
class MemoryMirrors:
    """Implements :class:`~pepeunit.ports.mirrors.Mirrors` over the remotes, by URL.

    What a mirror shows changes with ``sync`` alone, as with git.
    """

    remotes: Mapping[str, MemoryRemote]
    bytes_max: int = BYTES_MAX
    _mirrors: dict[RegistryId, _Mirror] = field(factory=dict, init=False)

    async def sync(
        self,
        registry: RegistryId,
        url: str,
        credentials: GitCredentials | None,
        progress: Progress | None = None,
    ) -> int:
        remote = self._remote(url, credentials)
        size = remote.size()
        if size > self.bytes_max:
            raise OverLimit(
                "the repository is too large", Topic.GIT, limit=self.bytes_max, actual=size
            )
        mirror = self._mirrors.setdefault(registry, _Mirror())
        mirror.commits |= remote.commits
        mirror.heads = remote.heads()
        mirror.prune()
        if progress is not None:
            progress(100)
        return size

    async def remote_heads(
        self, registry: RegistryId, url: str, credentials: GitCredentials | None
    ) -> Mapping[str, Sha]:
        return self._remote(url, credentials).heads()

    async def local_heads(self, registry: RegistryId) -> Mapping[str, Sha]:
        mirror = self._mirrors.get(registry)
        return dict(mirror.heads) if mirror else {}

    async def branches(self, registry: RegistryId) -> Sequence[str]:
        return [name for kind, name in await self._names(registry) if kind == "heads"]

    async def commits(
        self, registry: RegistryId, branch: str, prefer: Collection[str] = ()
    ) -> Sequence[Commit]:
        mirror = self._mirror(registry)
        head = mirror.heads.get(f"refs/heads/{branch}")
        if head is None:
            raise Invalid("the repository has no such branch", Topic.GIT)
        tags: dict[Sha, list[str]] = {}
        for kind, name in await self._names(registry):
            if kind == "tags":
                tags.setdefault(mirror.heads[f"refs/tags/{name}"], []).append(name)
        return [
            Commit(
                sha,
                mirror.commits[sha].summary,
                preferred_tag(tags[sha], prefer) if sha in tags else None,
            )
            for sha in mirror.line(head)
        ]

    async def read(self, registry: RegistryId, commit: Sha, path: str) -> bytes:
        body = self._tree(registry, commit).get(path)
        if body is None:
            raise Invalid([(path, "is not in the commit")], Topic.GIT)
        return body

    async def tree(self, registry: RegistryId, commit: Sha) -> Sequence[TreeEntry]:
        tree = self._tree(registry, commit)
        return [
            TreeEntry(path, FILE_MODE, _blob(body), len(body))
            for path, body in sorted(tree.items())
        ]

    async def blobs(self, registry: RegistryId, ids: Sequence[Sha]) -> Sequence[bytes]:
        known = {
            _blob(body): body
            for commit in self._mirror(registry).commits.values()
            for body in commit.tree.values()
        }
        absent = [one for one in ids if one not in known]
        if absent:
            raise Invalid([(one, "no such blob") for one in absent], Topic.GIT)
        return [known[one] for one in ids]

    async def keep(self, registry: RegistryId, commit: Sha) -> None:
        self._tree(registry, commit)
        self._mirror(registry).kept.add(commit)

    async def remove(self, registry: RegistryId) -> None:
        self._mirrors.pop(registry, None)

    def _remote(self, url: str, credentials: GitCredentials | None) -> MemoryRemote:
        remote = self.remotes.get(url)
        if remote is None:
            raise Unavailable("git remote", "does not answer")
        if not remote.opens_for(credentials):
            raise Invalid("the remote refuses these credentials", Topic.GIT)
        return remote

    def _mirror(self, registry: RegistryId) -> _Mirror:
        mirror = self._mirrors.get(registry)
        if mirror is None:
            raise Invalid("the repository is not mirrored yet", Topic.GIT)
        return mirror

    def _tree(self, registry: RegistryId, commit: Sha) -> Tree:
        found = self._mirror(registry).commits.get(commit)
        if found is None:
            raise Invalid("the repository has no such commit", Topic.GIT)
        return found.tree

    async def _names(self, registry: RegistryId) -> list[tuple[str, str]]:
        """``(heads or tags, name)`` in the order of the names."""
        found = [name.split("/", 2)[1:] for name in await self.local_heads(registry)]
        return sorted((kind, name) for kind, name in found)


def _blob(body: bytes) -> Sha:
    return Sha(hashlib.sha1(body, usedforsecurity=False).hexdigest())
