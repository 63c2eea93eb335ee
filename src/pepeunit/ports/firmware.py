"""Release files kept on this machine for the devices that fetch them (O11, access.md W32)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from attrs import frozen

from pepeunit.ports.web import Write

Fetch = Callable[[Write], Awaitable[None]]


@frozen
class FirmwareFile:
    """``sha256`` is the digest of the content in hexadecimal."""

    key: str
    sha256: str
    size_bytes: int


class FirmwareFiles(Protocol):
    """A bounded store of immutable files; what was not used for longest makes room."""

    async def find(self, key: str) -> FirmwareFile | None:
        """The file of this key, where it is kept; it then counts as just used."""
        ...

    async def keep(self, key: str, fetch: Fetch, sha256: str | None = None) -> FirmwareFile:
        """The file of this key, fetched by whoever asks first while the others wait.

        Raises ``Invalid`` (topic platform) when the content does not have the digest ``sha256``,
        ``OverLimit`` (topic platform) as soon as it outgrows the limit, and what ``fetch`` raises;
        then nothing is kept.
        """
        ...

    async def forget(self, prefix: str) -> None:
        """Drop every file whose key begins so."""
        ...

    def read(self, file: FirmwareFile) -> AsyncIterator[bytes]:
        """Its pieces. Raises ``Unavailable`` when it had to make room meanwhile."""
        ...
