"""Bare mirrors on disk through git's own commands (spec devices.md 2, rulings 24)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from attrs import define, field

from pepeunit.adapters.git import objects
from pepeunit.adapters.git.disk import (
    clear_interrupted,
    clear_unfinished,
    folder_bytes,
    pack_count,
    stop_orphans,
)
from pepeunit.adapters.git.limits import MIB, MirrorLimits
from pepeunit.adapters.git.process import git_environment, run_git
from pepeunit.adapters.git.progress import ProgressReader
from pepeunit.adapters.git.refusals import missing, read_failures, remote_failures, sha
from pepeunit.domain.errors import Invalid, OverLimit, Refused, Topic, Unavailable
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.address import HostRule, WebAddress, repository_address
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.version import Commit, Sha, TreeEntry
from pepeunit.ports.mirrors import Progress
from pepeunit.ports.resolver import Resolve

REFSPECS: Final = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
FETCH: Final = (
    "fetch",
    "--prune",
    "--progress",
    "--no-tags",
    "--no-auto-gc",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--refmap=",
)
KEPT: Final = "refs/pepeunit/kept/"


@define(eq=False)
class GitMirrors:
    """Implements :class:`~pepeunit.ports.mirrors.Mirrors` under ``folder``.

    One process syncs a registry at a time: other processes are kept out by the caller.
    """

    folder: Path
    hosts: HostRule
    resolve: Resolve
    limits: MirrorLimits = field(factory=MirrorLimits)
    _locks: WeakValueDictionary[RegistryId, asyncio.Lock] = field(
        factory=WeakValueDictionary, init=False
    )
    _histories: OrderedDict[tuple[RegistryId, Sha], Sequence[tuple[Sha, str]]] = field(
        factory=OrderedDict, init=False
    )
    _syncs: asyncio.Semaphore = field(init=False)
    _readers: asyncio.Semaphore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._syncs = asyncio.Semaphore(self.limits.syncs_max)
        self._readers = asyncio.Semaphore(self.limits.readers_max)

    def recover(self) -> None:
        """Make the folder and clear what a killed process left.

        To be called before the first use, while no other process uses the folder.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stop_orphans(self.folder)
        clear_unfinished(self.folder)

    async def sync(
        self,
        registry: RegistryId,
        url: str,
        credentials: GitCredentials | None,
        progress: Progress | None = None,
    ) -> int:
        told = ProgressReader(progress or (lambda _: None))
        async with self._lock(registry), self._syncs:
            remote, environment = await self._remote(url, credentials)
            told.reach(0)
            home = self._home(registry)
            if home.is_dir():
                await self._fetch(home, remote, environment, told)
            else:
                await self._clone(home, remote, environment, told)
            size = await asyncio.to_thread(folder_bytes, home)
        told.reach(100)
        return size

    async def _clone(
        self, home: Path, remote: WebAddress, environment: Mapping[str, str], told: ProgressReader
    ) -> None:
        incoming = home.with_name(f"{home.name}.incoming-{secrets.token_hex(8)}")
        try:
            await self._local(
                self.folder, "init", "--quiet", "--bare", "--template=", incoming.name
            )
            await self._fetch(incoming, remote, environment, told)
            incoming.rename(home)
        finally:
            await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)

    async def _fetch(
        self, home: Path, remote: WebAddress, environment: Mapping[str, str], told: ProgressReader
    ) -> None:
        async def watch() -> None:
            await asyncio.sleep(self.limits.watch_seconds)
            await self._check_size(home)

        await self._check_size(home)
        try:
            with remote_failures(remote):
                await run_git(
                    (*FETCH, "--", remote.url, *REFSPECS),
                    folder=home,
                    environment={**environment, "GIT_DIR": str(home)},
                    seconds_max=self.limits.sync_seconds_max,
                    output_bytes_max=self.limits.listing_bytes_max,
                    heard=told,
                    watch=watch,
                )
            await self._check_size(home)
        except BaseException:
            clear_interrupted(home)
            raise
        if await asyncio.to_thread(pack_count, home) > self.limits.packs_max:
            await self._tidy(home)

    async def _tidy(self, home: Path) -> None:
        """Join the packs that many fetches left; drops what no reference has held for weeks.

        A failure costs nothing but space: the mirror is whole, and the next sync tries again.
        """
        with contextlib.suppress(Refused, Unavailable):
            await self._local(home, "gc", "--quiet")

    async def _check_size(self, home: Path) -> None:
        size = await asyncio.to_thread(folder_bytes, home)
        if size > self.limits.mirror_bytes_max:
            limit = self.limits.mirror_bytes_max
            raise OverLimit(
                f"the repository takes over {limit / MIB:g} MiB",
                Topic.GIT,
                limit=limit,
                actual=size,
            )

    async def remote_heads(
        self, registry: RegistryId, url: str, credentials: GitCredentials | None
    ) -> Mapping[str, Sha]:
        async with self._syncs:
            remote, environment = await self._remote(url, credentials)
            with remote_failures(remote):
                output = await run_git(
                    ("ls-remote", "--heads", "--tags", "--", remote.url),
                    folder=self.folder,
                    environment=environment,
                    seconds_max=self.limits.list_seconds_max,
                    output_bytes_max=self.limits.listing_bytes_max,
                )
        return objects.read_remote_heads(output)

    async def local_heads(self, registry: RegistryId) -> Mapping[str, Sha]:
        if not self._home(registry).is_dir():
            return {}
        return {name: own for name, own, _ in await self._references(registry)}

    async def branches(self, registry: RegistryId) -> Sequence[str]:
        return objects.branch_names(list(await self.local_heads(registry)))

    async def commits(
        self, registry: RegistryId, branch: str, prefer: Collection[str] = ()
    ) -> Sequence[Commit]:
        tags: dict[Sha, list[str]] = {}
        head: Sha | None = None
        for name, _, commit in await self._references(registry):
            if name == objects.HEADS + branch:
                head = commit
            elif name.startswith(objects.TAGS):
                tags.setdefault(commit, []).append(name.removeprefix(objects.TAGS))
        if head is None:
            raise Invalid("the repository has no such branch", Topic.GIT)
        return objects.with_tags(await self._history(registry, head), tags, frozenset(prefer))

    async def read(self, registry: RegistryId, commit: Sha, path: str) -> bytes:
        if "\n" in path or "\0" in path:
            raise missing(path)
        asked = f"{sha(commit)}:{path}\n".encode("utf-8", "surrogateescape")
        (body,) = await self._batch(registry, asked)
        if body is None:
            raise missing(path)
        return body

    async def tree(self, registry: RegistryId, commit: Sha) -> Sequence[TreeEntry]:
        arguments = ("ls-tree", "-r", "-z", "--long", "--full-tree", sha(commit))
        return objects.read_tree(await self._read(registry, arguments))

    async def blobs(self, registry: RegistryId, ids: Sequence[Sha]) -> Sequence[bytes]:
        if not ids:
            return ()
        asked = "".join(f"{sha(one)}\n" for one in ids).encode()
        bodies = await self._batch(registry, asked)
        absent = [one for one, body in zip(ids, bodies, strict=True) if body is None]
        if absent:
            raise Invalid([(one, "no such blob") for one in absent], Topic.GIT)
        return [body for body in bodies if body is not None]

    async def keep(self, registry: RegistryId, commit: Sha) -> None:
        name = KEPT + sha(commit)
        await self._read(registry, ("update-ref", name, f"{commit}^{{commit}}"))

    async def remove(self, registry: RegistryId) -> None:
        async with self._lock(registry):
            home = self._home(registry)
            leaving = home.with_name(f"{home.name}.removing-{secrets.token_hex(8)}")
            with contextlib.suppress(FileNotFoundError):
                home.rename(leaving)
            await asyncio.to_thread(shutil.rmtree, leaving, ignore_errors=True)
        for key in [key for key in self._histories if key[0] == registry]:
            self._histories.pop(key, None)

    async def _references(self, registry: RegistryId) -> Sequence[tuple[str, Sha, Sha]]:
        asked = ("for-each-ref", f"--format={objects.REFERENCE_FORMAT}", "refs/heads", "refs/tags")
        return objects.read_references(await self._read(registry, asked))

    async def _history(self, registry: RegistryId, head: Sha) -> Sequence[tuple[Sha, str]]:
        key = (registry, head)
        if (known := self._histories.get(key)) is not None:
            self._histories.move_to_end(key)
            return known
        asked = ("log", "-z", f"--format={objects.HISTORY_FORMAT}", "--no-show-signature", head)
        history = objects.read_history(await self._read(registry, (*asked, "--")))
        self._histories[key] = history
        while len(self._histories) > self.limits.histories_max:
            self._histories.popitem(last=False)
        return history

    async def _batch(self, registry: RegistryId, asked: bytes) -> Sequence[bytes | None]:
        return objects.read_batch(await self._read(registry, ("cat-file", "--batch"), asked))

    async def _read(
        self, registry: RegistryId, arguments: Sequence[str], feed: bytes = b""
    ) -> bytes:
        home = self._home(registry)
        if not home.is_dir():
            raise Invalid("the repository is not mirrored yet", Topic.GIT)
        async with self._readers:
            with read_failures():
                return await run_git(
                    arguments,
                    folder=home,
                    environment={**git_environment(home), "GIT_DIR": str(home)},
                    seconds_max=self.limits.read_seconds_max,
                    output_bytes_max=self.limits.output_bytes_max,
                    feed=feed,
                )

    async def _local(self, folder: Path, *arguments: str) -> None:
        with read_failures():
            await run_git(
                arguments,
                folder=folder,
                environment=git_environment(folder),
                seconds_max=self.limits.sync_seconds_max,
                output_bytes_max=self.limits.listing_bytes_max,
            )

    async def _remote(
        self, url: str, credentials: GitCredentials | None
    ) -> tuple[WebAddress, Mapping[str, str]]:
        """Check the address anew and pin git to what was checked."""
        remote = repository_address(url, Topic.GIT)
        resolved = await self.resolve(remote.host, remote.port)
        self.hosts.check(remote, resolved, Topic.GIT)
        return remote, git_environment(self.folder, remote, resolved, credentials)

    def _home(self, registry: RegistryId) -> Path:
        return self.folder / f"{registry}.git"

    def _lock(self, registry: RegistryId) -> asyncio.Lock:
        return self._locks.setdefault(registry, asyncio.Lock())
