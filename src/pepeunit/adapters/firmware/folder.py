"""Release files in a folder: one file each, named by its key and its digest."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

from attrs import define, field, frozen

from pepeunit.domain.errors import Invalid, OverLimit, Topic, Unavailable
from pepeunit.ports.firmware import Fetch, FirmwareFile

READ_BYTES: Final = 256 * 1024
INCOMING: Final = "incoming-"
DEPENDENCY: Final = "firmware files"
_KEY: Final = re.compile(r"[0-9a-f-]+")


@frozen
class FirmwareLimits:
    """``file_bytes_max`` of one file, ``folder_bytes_max`` of all, downloads at a time."""

    file_bytes_max: int = 64 * 2**20
    folder_bytes_max: int = 2**30
    downloads_max: int = 4


@define(eq=False)
class FirmwareFolder:
    """Implements :class:`~pepeunit.ports.firmware.FirmwareFiles`.

    A name appears when its content is whole, so processes may share the folder; keys are
    hexadecimal digits and hyphens.
    """

    folder: Path
    limits: FirmwareLimits = FirmwareLimits()
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(
        factory=WeakValueDictionary[str, asyncio.Lock], init=False
    )
    _downloads: asyncio.Semaphore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._downloads = asyncio.Semaphore(self.limits.downloads_max)

    def recover(self) -> None:
        """Make the folder, and drop what a killed process left half-written."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self.folder.glob(f"{INCOMING}*"):
            left.unlink(missing_ok=True)

    async def find(self, key: str) -> FirmwareFile | None:
        _require_key(key)
        with _disk():
            return self._find(key)

    async def keep(self, key: str, fetch: Fetch, sha256: str | None = None) -> FirmwareFile:
        async with self._locks.setdefault(key, asyncio.Lock()):
            found = await self.find(key)
            if found is None:
                async with self._downloads:
                    found = await self._fetch(key, fetch, sha256)
            return found

    async def forget(self, prefix: str) -> None:
        _require_key(prefix)
        with _disk():
            for path in self.folder.glob(f"{prefix}*"):
                path.unlink(missing_ok=True)

    async def read(self, file: FirmwareFile) -> AsyncIterator[bytes]:
        with _disk():
            content = self._path(file).open("rb")
        with content:
            while piece := await asyncio.to_thread(content.read, READ_BYTES):
                yield piece

    def _path(self, file: FirmwareFile) -> Path:
        return self.folder / f"{file.key}.{file.sha256}"

    def _find(self, key: str) -> FirmwareFile | None:
        for path in self.folder.glob(f"{key}.*"):
            _touch(path)
            return FirmwareFile(key, path.name.partition(".")[2], path.stat().st_size)
        return None

    async def _fetch(self, key: str, fetch: Fetch, sha256: str | None) -> FirmwareFile:
        with _disk():
            descriptor, name = tempfile.mkstemp(prefix=INCOMING, dir=self.folder)
        incoming = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as content:
                intake = _Intake(content, self.limits.file_bytes_max)
                await fetch(intake.write)
                with _disk():
                    content.flush()
                    await asyncio.to_thread(os.fsync, content.fileno())
            file = FirmwareFile(key, intake.digest.hexdigest(), intake.size_bytes)
            if sha256 not in (None, file.sha256):
                raise Invalid("the file is not the one the platform described", Topic.PLATFORM)
            self._settle(incoming, self._path(file))
            return file
        finally:
            _forget(incoming)

    def _settle(self, incoming: Path, newest: Path) -> None:
        """Give the file its name, and delete what was not asked for longest until the folder is
        within its limit."""
        with _disk():
            _touch(incoming)
            incoming.replace(newest)
            self._make_room(newest)

    def _make_room(self, newest: Path) -> None:
        kept = [
            (path.stat(), path)
            for path in self.folder.iterdir()
            if not path.name.startswith(INCOMING)
        ]
        total = sum(found.st_size for found, _ in kept)
        for found, path in sorted(kept, key=lambda one: one[0].st_mtime_ns):
            if total <= self.limits.folder_bytes_max:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                total -= found.st_size


class _Intake:
    """Writes pieces and counts them."""

    def __init__(self, content: Any, bytes_max: int) -> None:
        self._content = content
        self._bytes_max = bytes_max
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    async def write(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        if self.size_bytes > self._bytes_max:
            raise OverLimit(
                f"the file has more than {self._bytes_max} bytes",
                Topic.PLATFORM,
                limit=self._bytes_max,
                actual=self.size_bytes,
            )
        self.digest.update(piece)
        with _disk():
            self._content.write(piece)


def _touch(path: Path) -> None:
    """By our own clock: the file system's is coarser than two downloads are apart."""
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def _require_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise ValueError("a key has hexadecimal digits and hyphens alone")


def _forget(incoming: Path) -> None:
    with _disk():
        incoming.unlink(missing_ok=True)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(DEPENDENCY, error.strerror or "the disk refuses") from None
