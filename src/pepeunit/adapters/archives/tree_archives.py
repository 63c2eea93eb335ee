"""Archives packed from a mirror's trees, in memory (spec devices.md 10, rulings 25)."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from attrs import define, field, frozen

from pepeunit.codecs import archive
from pepeunit.codecs.archive import ContentDigest, Member, Shared
from pepeunit.codecs.ignore import IGNORE_FILE, Ignore, read_ignore
from pepeunit.codecs.program import check_bodies, list_program
from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.version import Sha, TreeEntry
from pepeunit.ports.archives import Archive, ArchiveFormat
from pepeunit.ports.mirrors import Mirrors

_log = logging.getLogger(__name__)

IGNORE_BYTES_MAX: Final = 65536
_EXECUTABLE: Final = 0o111


@frozen
class ArchiveLimits:
    """``kept_bytes_max`` bounds the shared parts in memory, ``builds_max`` those made at once."""

    kept_bytes_max: int = 64 * 2**20
    builds_max: int = 2


@frozen
class _Key:
    registry: RegistryId
    commit: Sha | None
    own: tuple[str, ...]
    form: ArchiveFormat
    wbits: int
    level: int


@frozen
class _Prepared:
    shared: Shared
    digest: ContentDigest


@define(eq=False)
class TreeArchives:
    """Implements :class:`~pepeunit.ports.archives.Archives` over a ``Mirrors``.

    A shared part is made by one task however many devices ask for it, and kept until the
    least used ones have to leave.
    """

    mirrors: Mirrors
    limits: ArchiveLimits = field(factory=ArchiveLimits)
    _kept: OrderedDict[_Key, _Prepared] = field(factory=OrderedDict, init=False)
    _kept_bytes: int = field(default=0, init=False)
    _building: dict[_Key, asyncio.Task[_Prepared]] = field(factory=dict, init=False)
    _builds: asyncio.Semaphore = field(init=False)
    # One thread packs twice as many archives as several that fight over memory.
    _closing: ThreadPoolExecutor = field(
        factory=lambda: ThreadPoolExecutor(1, "archives"), init=False
    )

    def __attrs_post_init__(self) -> None:
        self._builds = asyncio.Semaphore(self.limits.builds_max)

    async def pack(
        self,
        registry: RegistryId,
        commit: Sha | None,
        own_files: Mapping[str, bytes],
        form: ArchiveFormat,
        *,
        wbits: int = 9,
        level: int = 9,
    ) -> Archive:
        if form is ArchiveFormat.TGZ:
            _check_compression(wbits, level)
        else:
            wbits = level = 0
        own = tuple(Member(path, own_files[path]) for path in sorted(own_files))
        names = tuple(member.path for member in own)
        prepared = await self._prepared(_Key(registry, commit, names, form, wbits, level))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._closing, _closed, prepared, own)

    def close(self) -> None:
        """Let the thread go; what is being packed is finished first."""
        self._closing.shutdown()

    async def _prepared(self, key: _Key) -> _Prepared:
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return known
        task = self._building.get(key)
        if task is None:
            task = asyncio.create_task(self._build(key))
            self._building[key] = task
            task.add_done_callback(lambda done: self._built(key, done))
        # A device that hangs up must not stop what others wait for.
        return await asyncio.shield(task)

    async def _build(self, key: _Key) -> _Prepared:
        async with self._builds:
            members = await self._members(key) if key.commit is not None else ()
            return await asyncio.to_thread(_prepare, members, key)

    def _built(self, key: _Key, task: asyncio.Task[_Prepared]) -> None:
        del self._building[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[key] = task.result()
        self._kept_bytes += task.result().shared.kept_bytes
        while self._kept_bytes > self.limits.kept_bytes_max:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= dropped.shared.kept_bytes

    async def _members(self, key: _Key) -> Sequence[Member]:
        assert key.commit is not None  # noqa: S101
        tree = await self.mirrors.tree(key.registry, key.commit)
        ignore = await self._ignore(key.registry, tree)
        tar = key.form is not ArchiveFormat.ZIP
        listing = await asyncio.to_thread(list_program, tree, ignore, frozenset(key.own), tar=tar)
        for path in listing.submodules:
            _log.warning("submodule left out of registry %s: %r", key.registry, path)
        bodies = await self.mirrors.blobs(key.registry, [entry.blob for entry in listing.files])
        check_bodies(listing.files, bodies)
        members = [Member(path, directory=True) for path in listing.directories]
        for entry, body in zip(listing.files, bodies, strict=True):
            members.append(Member(entry.path, body, bool(entry.mode & _EXECUTABLE)))
        return members

    async def _ignore(self, registry: RegistryId, tree: Sequence[TreeEntry]) -> Ignore:
        for entry in tree:
            if entry.path == IGNORE_FILE and entry.mode & 0o170000 == 0o100000:
                if entry.size_bytes > IGNORE_BYTES_MAX:
                    raise OverLimit(
                        f"{IGNORE_FILE} is larger than {IGNORE_BYTES_MAX} bytes",
                        Topic.GIT,
                        limit=IGNORE_BYTES_MAX,
                        actual=entry.size_bytes,
                    )
                (text,) = await self.mirrors.blobs(registry, [entry.blob])
                return read_ignore(text)
        return Ignore()


def _check_compression(wbits: int, level: int) -> None:
    violations = []
    if not archive.is_wbits(wbits):
        violations.append(("wbits", "must be within -15..-9, 9..15 or 25..31"))
    if not archive.is_level(level):
        violations.append(("level", "must be within -1..9"))
    if violations:
        raise Invalid(violations, Topic.UNIT)


def _prepare(members: Sequence[Member], key: _Key) -> _Prepared:
    shared: Shared
    match key.form:
        case ArchiveFormat.ZIP:
            shared = archive.SharedZip.of(members)
        case ArchiveFormat.TAR:
            shared = archive.SharedTar.of(members)
        case ArchiveFormat.TGZ:
            shared = archive.SharedTgz.of(members, key.wbits, key.level)
    return _Prepared(shared, ContentDigest.of(members))


def _closed(prepared: _Prepared, own: Sequence[Member]) -> Archive:
    return Archive(prepared.shared.closed(own), prepared.digest.closed(own))
