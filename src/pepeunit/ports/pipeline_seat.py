"""Whose pipes write the stores, and how far they have got, as every process can read it."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class PipelineSeat(Protocol):
    """Raises ``Unavailable`` when the store is down."""

    async def take(self, journal: UUID) -> bool:
        """The journal's owner runs the pipes from now on; False when another journal's has run
        them: the stored series are numbered by what lies beside that one."""
        ...

    async def applied(self) -> int:
        """The version of pipe changes that rules what is received from now on; 0 when none."""
        ...

    async def note(self, version: int) -> None:
        """Changes up to this version rule what is received from now on."""
        ...
