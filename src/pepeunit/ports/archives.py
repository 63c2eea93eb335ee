"""Programs as devices download them (spec devices.md 10, 15; rulings 25)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Protocol

from attrs import frozen

from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.version import Sha


class ArchiveFormat(enum.Enum):
    ZIP = "zip"
    TAR = "tar"
    TGZ = "tgz"


@frozen
class Archive:
    """``etag`` is a digest of the content before compression, the same on every machine."""

    body: bytes
    etag: str


class Archives(Protocol):
    """Packs a commit's tree and a unit's own files; the tree's part is prepared once."""

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
        """The archive of ``commit`` (None: the own files alone, for compilable programs).

        ``wbits`` and ``level`` apply to tgz. Raises ``Invalid`` (topic unit) for values outside
        -15..-9, 9..15, 25..31 and -1..9, and ``Invalid`` (topic git) with every path that cannot
        travel: links, LFS pointers, and paths over 98 bytes in tar and tgz.
        """
        ...
