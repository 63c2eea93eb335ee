"""A zip archive of one file, made piece by piece."""

from __future__ import annotations

import zipfile
from typing import IO, Final

FIRST_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""Equal contents give equal archives."""
FILE_MODE: Final = 0o644 << 16


class _Pieces:
    """What the archive writes, until it is taken. It cannot seek, so sizes follow the content."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes, /) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class ZipPieces:
    """Deflated; each call gives the bytes that are ready, which may be none."""

    def __init__(self, name: str) -> None:
        self._pieces = _Pieces()
        self._archive = zipfile.ZipFile(self._pieces, "w")
        member = zipfile.ZipInfo(name, FIRST_MOMENT)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = FILE_MODE
        # the size is known at the end alone, and may exceed 4 GiB
        self._member: IO[bytes] = self._archive.open(member, "w", force_zip64=True)

    def add(self, content: bytes) -> bytes:
        self._member.write(content)
        return self._pieces.take()

    def close(self) -> bytes:
        """The last bytes; again, or after an archive that was given up, nothing."""
        self._member.close()
        self._archive.close()
        return self._pieces.take()
