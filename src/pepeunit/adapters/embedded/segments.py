"""Segment files of the journal: frames of length, CRC-32 and record, one after the other.

A file is named after the position of its first byte. A frame that does not check ends the
stored part of its file: a torn tail of a crash, or damage.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

from pepeunit.adapters.embedded.atomic import sync_directory
from pepeunit.domain.errors import OverLimit

RECORD_BYTES_MAX: Final = 16 * 2**20
"""Far above any packet the broker accepts."""
CHUNK_BYTES: Final = 2**20
SUFFIX: Final = ".segment"
HEADER: Final = struct.Struct("<II")
_SEED: Final = 0x5EED0001
"""Mixed into each checksum, so that zeros a crash left on disk are never a frame."""


def framed(records: Sequence[bytes]) -> bytes:
    """The frames of the records. Raises ``OverLimit`` for a record above 16 MiB."""
    parts: list[bytes] = []
    pack = HEADER.pack
    for record in records:
        size = len(record)
        if size > RECORD_BYTES_MAX:
            raise OverLimit(
                "a journal record is too long (bytes)", limit=RECORD_BYTES_MAX, actual=size
            )
        parts.append(pack(size, crc32(record, size ^ _SEED)))
        parts.append(record)
    return b"".join(parts)


def read_records(path: Path, offset: int, limit: int) -> list[tuple[int, bytes]]:
    """About a mebibyte of records of ``path`` between two offsets, each with the offset behind it.

    Empty at the limit and where no whole frame follows.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        chunk = file.read(min(CHUNK_BYTES, limit - offset))
        records = _records(chunk, offset)
        if not records and len(chunk) >= HEADER.size:
            size, _ = HEADER.unpack_from(chunk)
            if size <= RECORD_BYTES_MAX and len(chunk) < HEADER.size + size <= limit - offset:
                file.seek(offset)
                records = _records(file.read(HEADER.size + size), offset)
    return records


def _records(chunk: bytes, offset: int) -> list[tuple[int, bytes]]:
    records: list[tuple[int, bytes]] = []
    unpack, header_size, chunk_size = HEADER.unpack_from, HEADER.size, len(chunk)
    at = 0
    while at + header_size <= chunk_size:
        size, checksum = unpack(chunk, at)
        end = at + header_size + size
        if end > chunk_size:
            break
        record = chunk[at + header_size : end]
        if crc32(record, size ^ _SEED) != checksum:
            break
        at = end
        records.append((offset + at, record))
    return records


def whole_bytes(path: Path) -> int:
    """How many bytes of the file are whole frames, from its beginning."""
    size = path.stat().st_size
    at = 0
    while records := read_records(path, at, size):
        at = records[-1][0]
    return at


def segment_path(directory: Path, start: int) -> Path:
    return directory / f"{start:020d}{SUFFIX}"


def segment_starts(directory: Path) -> list[int]:
    """The positions of the segments in the folder, rising."""
    return sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())


def create_segment(directory: Path, start: int) -> int:
    """A new, empty segment open for appending; its directory entry is durable."""
    descriptor = os.open(
        segment_path(directory, start), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600
    )
    sync_directory(directory)
    return descriptor


def open_segment(directory: Path, start: int) -> tuple[int, int]:
    """The last segment open for appending, its torn tail cut off, and its size."""
    path = segment_path(directory, start)
    size = whole_bytes(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.ftruncate(descriptor, size)
    os.fsync(descriptor)
    return descriptor, size


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte and flush it to the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fdatasync(descriptor)
