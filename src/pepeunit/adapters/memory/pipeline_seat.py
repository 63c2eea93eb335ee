"""Who runs the pipes, inside one process."""

from __future__ import annotations

from uuid import UUID

from attrs import define


@define(eq=False)
class MemoryPipelineSeat:
    """Implements :class:`~pepeunit.ports.pipeline_seat.PipelineSeat`."""

    journal: UUID | None = None
    version: int = 0

    async def take(self, journal: UUID) -> bool:
        self.journal = self.journal or journal
        return self.journal == journal

    async def applied(self) -> int:
        return self.version

    async def note(self, version: int) -> None:
        self.version = max(self.version, version)
