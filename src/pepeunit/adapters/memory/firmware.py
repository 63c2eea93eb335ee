"""Release files in memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Final

from attrs import define, field

from pepeunit.domain.errors import Invalid, OverLimit, Topic, Unavailable
from pepeunit.ports.firmware import Fetch, FirmwareFile

FILE_BYTES_MAX: Final = 64 * 2**20
FILES_MAX: Final = 16


@define(eq=False)
class MemoryFirmware:
    """Implements :class:`~pepeunit.ports.firmware.FirmwareFiles`."""

    file_bytes_max: int = FILE_BYTES_MAX
    _kept: dict[str, tuple[FirmwareFile, bytes]] = field(factory=dict, init=False)

    async def find(self, key: str) -> FirmwareFile | None:
        if key not in self._kept:
            return None
        self._kept[key] = self._kept.pop(key)
        return self._kept[key][0]

    async def keep(self, key: str, fetch: Fetch, sha256: str | None = None) -> FirmwareFile:
        if key not in self._kept:
            body = bytearray()

            async def write(piece: bytes) -> None:
                body.extend(piece)
                if len(body) > self.file_bytes_max:
                    raise OverLimit(
                        f"the file has more than {self.file_bytes_max} bytes",
                        Topic.PLATFORM,
                        limit=self.file_bytes_max,
                        actual=len(body),
                    )

            await fetch(write)
            digest = hashlib.sha256(body).hexdigest()
            if sha256 not in (None, digest):
                raise Invalid("the file is not the one the platform described", Topic.PLATFORM)
            self._kept[key] = (FirmwareFile(key, digest, len(body)), bytes(body))
            while len(self._kept) > FILES_MAX:
                del self._kept[next(iter(self._kept))]
        self._kept[key] = self._kept.pop(key)
        return self._kept[key][0]

    async def forget(self, prefix: str) -> None:
        for key in [key for key in self._kept if key.startswith(prefix)]:
            del self._kept[key]

    async def read(self, file: FirmwareFile) -> AsyncIterator[bytes]:
        found = self._kept.get(file.key)
        if found is None:
            raise Unavailable("firmware files", "the file had to make room")
        yield found[1]
