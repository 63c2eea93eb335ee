"""What the pipeline knows at one position of the journal, and rows that wait for a store.

The journal is the truth; a checkpoint only says from where to read it again and what was known
there. Everything in one commit is stored together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from attrs import field, frozen

from pepeunit.domain.messaging.record import ControlRow


@frozen
class SpoolEntry:
    """Rows one store could not take yet. ``number`` rises; entries are written in its order."""

    number: int
    lane: str
    row_count: int
    size_bytes: int


@frozen
class Quarantined:
    """A row that a store will never take, as JSON, and why."""

    lane: str
    at_ms: int
    reason: str
    row: bytes


@frozen
class Saved:
    """The last commit; empty at position 0 when there was none."""

    position: int = 0
    settings: Sequence[ControlRow] = ()
    memories: Mapping[UUID, bytes] = field(factory=dict)
    spool: Sequence[SpoolEntry] = ()
    """In order, without their bodies."""
    journal: UUID | None = None
    """Whose records these rows were numbered by. None when there was no commit, when the last one
    did not know yet, and in a copy: the stores may have rows that it does not know of."""


@frozen
class Commit:
    """What changed up to ``position``."""

    position: int
    settings: Sequence[ControlRow] = ()
    memories: Mapping[UUID, bytes] = field(factory=dict)
    gone: Collection[UUID] = ()
    """Nodes whose setting and memory are forgotten."""
    spooled: Sequence[tuple[SpoolEntry, bytes]] = ()
    journal: UUID | None = None


class Checkpoint(Protocol):
    """Every method raises ``Unavailable`` when the disk refuses."""

    async def load(self) -> Saved: ...

    async def commit(self, change: Commit) -> None:
        """Durable when it returns."""
        ...

    async def body(self, number: int) -> bytes:
        """The rows of a spool entry. Raises ``KeyError`` without such an entry."""
        ...

    async def drop(self, numbers: Collection[int]) -> None:
        """These spool entries are stored elsewhere."""
        ...

    async def quarantine(self, rows: Sequence[Quarantined]) -> None:
        """Keep them, durably; of many only the newest are left."""
        ...

    async def quarantined(self) -> Sequence[Quarantined]:
        """Newest first."""
        ...
