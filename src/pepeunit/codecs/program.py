"""Which paths of a commit travel to a device (spec devices.md 10, rulings 25)."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from attrs import frozen

from pepeunit.codecs.archive import TAR_PATH_BYTES_MAX
from pepeunit.codecs.ignore import Ignore
from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.registries.version import TreeEntry

PATHS_MAX: Final = 10_000
CONTENT_BYTES_MAX: Final = 64 * 2**20
LFS_POINTER_BYTES_MAX: Final = 1024
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_GITLINK: Final = 0o160000


@frozen
class Listing:
    """What travels: directories (parents first), files, and the submodules that stay behind."""

    directories: tuple[str, ...]
    files: tuple[TreeEntry, ...]
    submodules: tuple[str, ...]


def list_program(
    tree: Sequence[TreeEntry], ignore: Ignore, own: Collection[str], *, tar: bool
) -> Listing:
    """Pick what travels out of a tree; ``own`` names the unit's files, which beat committed ones.

    ``.git`` never travels. A directory whose files are all ignored travels empty. Raises
    ``Invalid`` (topic git) with every path that cannot travel, ``OverLimit`` (topic git) for
    more than PATHS_MAX paths or CONTENT_BYTES_MAX of content.
    """
    present = [entry for entry in tree if not _is_git_folder(entry.path) and entry.path not in own]
    submodules = tuple(entry.path for entry in present if entry.mode == _GITLINK)
    violations: dict[str, str] = {}
    files: list[TreeEntry] = []
    taken: set[str] = set()
    directories: dict[str, None] = {}
    for entry in present:
        for above in _parents(entry.path):
            if not ignore.removes_directory(above):
                directories[above] = None
        if entry.mode == _GITLINK or ignore.removes(entry.path):
            continue
        if reason := _reason_to_stay(entry, own, tar):
            violations[entry.path] = reason
        elif entry.path in taken:
            violations[entry.path] = "is in the tree twice"
        taken.add(entry.path)
        files.append(entry)
    for directory in directories:
        if directory in taken or directory in own:
            violations[directory] = "is a file and a directory"
        elif tar and len(_encoded(directory)) >= TAR_PATH_BYTES_MAX:
            violations[directory] = f"is not shorter than {TAR_PATH_BYTES_MAX} bytes"
    if violations:
        shown = ((_shown(path), reason) for path, reason in sorted(violations.items()))
        raise Invalid(shown, Topic.GIT)
    _check_limits(files, len(files) + len(directories))
    return Listing(tuple(sorted(directories)), tuple(files), submodules)


def check_bodies(files: Sequence[TreeEntry], bodies: Sequence[bytes]) -> None:
    """Refuse with ``Invalid`` (topic git) the files that are mere pointers to LFS content."""
    pointers = [
        (entry.path, "is a Git LFS pointer")
        for entry, body in zip(files, bodies, strict=True)
        if len(body) <= LFS_POINTER_BYTES_MAX and body.startswith(_LFS_POINTER)
    ]
    if pointers:
        raise Invalid(pointers, Topic.GIT)


def _reason_to_stay(entry: TreeEntry, own: Collection[str], tar: bool) -> str:
    path = entry.path
    if not stat.S_ISREG(entry.mode):
        return "is a symbolic link"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "is not a plain relative path"
    if any(above in own for above in _parents(path)):
        return "lies below a file the platform writes"
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    if tar and size > TAR_PATH_BYTES_MAX:
        return f"is longer than {TAR_PATH_BYTES_MAX} bytes"
    return ""


def _check_limits(files: Sequence[TreeEntry], paths: int) -> None:
    if paths > PATHS_MAX:
        raise OverLimit(
            f"the program has more than {PATHS_MAX} paths",
            Topic.GIT,
            limit=PATHS_MAX,
            actual=paths,
        )
    size = sum(entry.size_bytes for entry in files)
    if size > CONTENT_BYTES_MAX:
        raise OverLimit(
            f"the program takes more than {CONTENT_BYTES_MAX} bytes",
            Topic.GIT,
            limit=CONTENT_BYTES_MAX,
            actual=size,
        )


def _is_git_folder(path: str) -> bool:
    return any(part.lower() == ".git" for part in path.split("/"))


def _parents(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _shown(path: str) -> str:
    return _encoded(path).decode("utf-8", "backslashreplace")
