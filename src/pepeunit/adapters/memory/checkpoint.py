"""The checkpoint in memory, for tests, demos and library users."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from attrs import define, field

from pepeunit.domain.messaging.record import ControlRow
from pepeunit.ports.checkpoint import Commit, Quarantined, Saved, SpoolEntry

QUARANTINED_MAX: Final = 10_000


@define
class MemoryCheckpoint:
    """Implements :class:`~pepeunit.ports.checkpoint.Checkpoint`; nothing survives the process."""

    quarantined_max: int = QUARANTINED_MAX
    _position: int = field(init=False, default=0)
    _settings: dict[UUID, ControlRow] = field(init=False, factory=dict)
    _memories: dict[UUID, bytes] = field(init=False, factory=dict)
    _spool: dict[int, tuple[SpoolEntry, bytes]] = field(init=False, factory=dict)
    _journal: UUID | None = field(init=False, default=None)
    _quarantined: list[Quarantined] = field(init=False, factory=list)

    async def load(self) -> Saved:
        entries = [entry for _, (entry, _) in sorted(self._spool.items())]
        settings, memories = list(self._settings.values()), dict(self._memories)
        return Saved(self._position, settings, memories, entries, self._journal)

    async def commit(self, change: Commit) -> None:
        self._position, self._journal = change.position, change.journal
        for node in change.gone:
            self._settings.pop(node, None)
            self._memories.pop(node, None)
        self._settings.update((row[0], row) for row in change.settings)
        self._memories.update(change.memories)
        self._spool.update((entry.number, (entry, body)) for entry, body in change.spooled)

    async def body(self, number: int) -> bytes:
        return self._spool[number][1]

    async def drop(self, numbers: Collection[int]) -> None:
        for number in numbers:
            self._spool.pop(number, None)

    async def quarantine(self, rows: Sequence[Quarantined]) -> None:
        self._quarantined += rows
        del self._quarantined[: -self.quarantined_max]

    async def quarantined(self) -> Sequence[Quarantined]:
        return self._quarantined[::-1]
