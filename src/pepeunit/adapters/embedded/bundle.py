"""A backup as one file: a compressed tar whose last member tells what the others must be."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

from attrs import define, field

from pepeunit.adapters.embedded.atomic import sync_directory
from pepeunit.domain.errors import Invalid, Topic

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
CHUNK_BYTES: Final = 2**20
COMPRESSION: Final = 3
MANIFEST_BYTES_MAX: Final = 64 * 2**20


@define
class BundleWriter:
    """Adds members one by one; their digests go into the manifest."""

    _tar: tarfile.TarFile
    members: dict[str, dict[str, Any]] = field(factory=dict)

    def add(self, name: str, path: Path) -> bool:
        """A file as it is now; False when it is gone."""
        try:
            with path.open("rb") as source:
                size = os.fstat(source.fileno()).st_size
                self._put(name, source, size)
        except FileNotFoundError:
            return False
        return True

    def _put(self, name: str, source: io.BufferedIOBase, size: int) -> None:
        counted = _Digested(source, size)
        self._tar.addfile(_member(name, size), counted)
        self.members[name] = {"sha256": counted.digest.hexdigest(), "bytes": size}

    def finish(self, facts: Mapping[str, Any]) -> None:
        document = {"format": FORMAT, **facts, "members": self.members}
        content = json.dumps(document, indent=1).encode()
        self._tar.addfile(_member(MANIFEST, len(content)), io.BytesIO(content))


class _Digested:
    """A file that grows meanwhile is cut at its first size, one that shrinks is padded."""

    def __init__(self, source: io.BufferedIOBase, size: int) -> None:
        self._source = source
        self._left = size
        self.digest = hashlib.sha256()

    def read(self, wanted: int = -1) -> bytes:
        wanted = self._left if wanted < 0 else min(wanted, self._left)
        content = self._source.read(wanted).ljust(wanted, b"\0")
        self._left -= len(content)
        self.digest.update(content)
        return content


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


@contextmanager
def new_bundle(path: Path) -> Iterator[BundleWriter]:
    """The file appears (0600) when the context ends well, and not otherwise.

    Raises ``Invalid`` when there is such a file already.
    """
    if path.exists():
        raise Invalid([(str(path), "exists already")], Topic.PLATFORM)
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=COMPRESSION) as tar:
                yield BundleWriter(tar)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_directory(path.absolute().parent)
    finally:
        partial.unlink(missing_ok=True)


def unpack_bundle(path: Path, folder: Path) -> Mapping[str, Any]:
    """Write every member below ``folder`` and check it; the manifest.

    Raises ``Invalid`` when the file is no backup, is cut off or was changed.
    """
    digests: dict[str, str] = {}
    manifest: Any = None
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not _is_inside(member.name) or member.name in digests:
                    raise _damaged(path, f"{member.name!r} has no place in a backup")
                if member.name == MANIFEST:
                    manifest = json.loads(content.read(MANIFEST_BYTES_MAX))
                else:
                    digests[member.name] = _write(folder / member.name, content)
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _damaged(path, "it is no backup, or is cut off") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(path, "it has no manifest that this version reads")
    expected = {name: member["sha256"] for name, member in manifest["members"].items()}
    wrong = sorted(
        name for name in {*expected, *digests} if expected.get(name) != digests.get(name)
    )
    if wrong:
        raise _damaged(path, f"{', '.join(wrong[:5])}: not as the manifest says")
    return manifest


def _write(target: Path, content: Any) -> str:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        while chunk := content.read(CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts


def _damaged(path: Path, reason: str) -> Invalid:
    return Invalid([(str(path), f"cannot be restored: {reason}")], Topic.PLATFORM)
