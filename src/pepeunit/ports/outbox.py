"""The outbox of commands (rulings 22)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pepeunit.domain.ids import CommandId, UnitId
from pepeunit.domain.messaging.command import CommandKind, PendingCommand


class Outbox(Protocol):
    async def put(self, command: PendingCommand) -> None:
        """Add a command; it replaces one of the same unit and kind."""
        ...

    async def put_many(self, commands: Sequence[PendingCommand]) -> None:
        """The same for commands of different units or kinds."""
        ...

    async def claim(
        self,
        now: datetime,
        retry: datetime,
        limit: int,
        unit: UnitId | None = None,
        *,
        early: bool = False,
    ) -> Sequence[PendingCommand]:
        """Up to ``limit`` commands due at ``now``, oldest first, of one unit or of all.

        None is due again before ``retry``, so that two processes never send one command at once;
        ``early`` takes those that are not due too.
        """
        ...

    async def count_attempt(self, uuids: Sequence[CommandId]) -> None:
        """Each of them that is still there was on its way to a connected device once more."""
        ...

    async def withdraw(self, unit: UnitId, kind: CommandKind, *, attempted: bool = False) -> None:
        """Drop what waits of this kind, if anything: it is no longer true.

        ``attempted``: only if a device was given it before.
        """
        ...

    async def delete(self, uuids: Sequence[CommandId]) -> None: ...

    async def length(self) -> int:
        """How many commands wait."""
        ...
