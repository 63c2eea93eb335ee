"""Programs as archives that the devices in the field can read (spec devices.md 15, rulings 25).

An archive is a shared part, made once per commit, and a unit's own files behind it. Each
``Shared*`` class holds the shared part finished as far as it can be; ``closed`` adds own files
at the cost of those alone and yields the very bytes that packing everything at once would.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from zlib import _Compress

TAR_BLOCK_BYTES: Final = 512
TAR_PATH_BYTES_MAX: Final = 98
TAR_END: Final = bytes(2 * TAR_BLOCK_BYTES)
TIME: Final = 315532800
"""1980-01-01, the first time a zip can hold: one for every member, so that bytes repeat."""
ZIP_LEVEL: Final = 6
COMPRESSOR_BYTES: Final = 2**18 + 2**15
"""What a kept deflate state takes, at most."""

_ZIP_DATE: Final = (0 << 9) | (1 << 5) | 1
_ZIP_VERSION: Final = 20
_ZIP_UTF8: Final = 1 << 11
_UNIX: Final = 3 << 8


@frozen
class Member:
    """A file or directory to pack: ``path`` is relative, its directories come before it."""

    path: str
    body: bytes = b""
    executable: bool = False
    directory: bool = False

    @property
    def permissions(self) -> int:
        return 0o755 if self.executable or self.directory else 0o644


class Shared(Protocol):
    """The part of an archive that all units of a commit have in common."""

    @property
    def kept_bytes(self) -> int:
        """How much memory keeping it takes."""
        ...

    def closed(self, own: Sequence[Member]) -> bytes:
        """The whole archive with a unit's own members behind the shared ones."""
        ...


def is_wbits(wbits: int) -> bool:
    """What zlib can write: raw deflate, zlib and gzip, each with a window of 2^9 to 2^15."""
    return -15 <= wbits <= -9 or 9 <= wbits <= 15 or 25 <= wbits <= 31


def is_level(level: int) -> bool:
    return -1 <= level <= 9


def tar_name(member: Member) -> bytes:
    """The name as the field's readers want it: ``./`` in front, a directory's ``/`` behind."""
    return f"./{member.path}{'/' if member.directory else ''}".encode()


def tar_members(members: Sequence[Member]) -> bytes:
    """Headers and padded bodies, without the end mark."""
    parts: list[bytes] = []
    for member in members:
        parts += (_tar_header(member), member.body, bytes(-len(member.body) % TAR_BLOCK_BYTES))
    return b"".join(parts)


def _tar_header(member: Member) -> bytes:
    """A plain ustar header: no prefix, no PAX record, no owner, one time for all."""
    header = struct.pack(
        "100s8s8s8s12s12s8s1s100s6s2s247x",
        tar_name(member),
        b"%07o\0" % member.permissions,
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        b"%011o\0" % len(member.body),
        b"%011o\0" % TIME,
        b" " * 8,
        b"5" if member.directory else b"0",
        b"",
        b"ustar\0",
        b"00",
    )
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


@frozen
class SharedTar:
    """An uncompressed tar up to the own files."""

    body: bytes

    @classmethod
    def of(cls, members: Sequence[Member]) -> SharedTar:
        return cls(tar_members(members))

    @property
    def kept_bytes(self) -> int:
        return len(self.body)

    def closed(self, own: Sequence[Member]) -> bytes:
        return b"".join((self.body, tar_members(own), TAR_END))


@frozen
class SharedTgz:
    """The same tar in one deflate stream: what was written so far, and the state to go on from."""

    written: bytes
    state: _Compress

    @classmethod
    def of(cls, members: Sequence[Member], wbits: int, level: int) -> SharedTgz:
        """``wbits`` as zlib has it: the window of the stream is never larger than it says."""
        state = zlib.compressobj(level, zlib.DEFLATED, wbits)
        return cls(state.compress(tar_members(members)), state)

    @property
    def kept_bytes(self) -> int:
        return len(self.written) + COMPRESSOR_BYTES

    def closed(self, own: Sequence[Member]) -> bytes:
        state = self.state.copy()
        behind = state.compress(tar_members(own) + TAR_END)
        return b"".join((self.written, behind, state.flush()))


@frozen
class SharedZip:
    """Deflated zip members, and the directory entries that go behind the own files."""

    members: bytes
    directory: bytes
    count: int

    @classmethod
    def of(cls, members: Sequence[Member]) -> SharedZip:
        return cls(*_zip_members(members, 0))

    @property
    def kept_bytes(self) -> int:
        return len(self.members) + len(self.directory)

    def closed(self, own: Sequence[Member]) -> bytes:
        members, directory, count = _zip_members(own, len(self.members))
        total = self.count + count
        size, offset = len(self.directory) + len(directory), len(self.members) + len(members)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, total, total, size, offset, 0)
        return b"".join((self.members, members, self.directory, directory, end))


def _zip_members(members: Sequence[Member], offset: int) -> tuple[bytes, bytes, int]:
    """Local parts and directory entries of members that start at ``offset``."""
    locals_: list[bytes] = []
    directory: list[bytes] = []
    for member in members:
        name = f"{member.path}{'/' if member.directory else ''}".encode()
        method = 0 if member.directory else zlib.DEFLATED
        body = member.body
        if method:
            deflate = zlib.compressobj(ZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            body = deflate.compress(member.body) + deflate.flush()
        facts = struct.pack(
            "<5H3L2H",
            _ZIP_VERSION,
            0 if name.isascii() else _ZIP_UTF8,
            method,
            0,
            _ZIP_DATE,
            zlib.crc32(member.body),
            len(body),
            len(member.body),
            len(name),
            0,
        )
        mode = (0o040000 if member.directory else 0o100000) | member.permissions
        attributes = mode << 16 | (0x10 if member.directory else 0)
        local = b"PK\3\4" + facts + name + body
        directory.append(
            struct.pack("<4sH", b"PK\1\2", _UNIX | _ZIP_VERSION)
            + facts
            + struct.pack("<3H2L", 0, 0, 0, attributes, offset)
            + name
        )
        locals_.append(local)
        offset += len(local)
    return b"".join(locals_), b"".join(directory), len(directory)


@frozen
class ContentDigest:
    """sha256 over names, modes and contents: one value for one program on every machine."""

    state: hashlib._Hash

    @classmethod
    def of(cls, members: Sequence[Member]) -> ContentDigest:
        state = hashlib.sha256()
        _digest(state, members)
        return cls(state)

    def closed(self, own: Sequence[Member]) -> str:
        state = self.state.copy()
        _digest(state, own)
        return state.hexdigest()


def _digest(state: hashlib._Hash, members: Sequence[Member]) -> None:
    for member in members:
        name = tar_name(member)
        state.update(struct.pack(">3Q", len(name), member.permissions, len(member.body)))
        state.update(name)
        state.update(member.body)
