"""The outbox of commands in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve, frozen

from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.domain.ids import CommandId, UnitId
from pepeunit.domain.messaging.command import CommandKind, PendingCommand


@frozen
class MemoryOutbox:
    """Implements :class:`~pepeunit.ports.outbox.Outbox`."""

    view: View

    async def put(self, command: PendingCommand) -> None:
        world = self.view.for_writing()
        require_storable_row(command)
        self.view.require(command.unit_uuid in world.units, "the unit is gone")
        world.outbox[command.unit_uuid, command.kind] = command

    async def put_many(self, commands: Sequence[PendingCommand]) -> None:
        for command in commands:
            await self.put(command)

    async def claim(
        self,
        now: datetime,
        retry: datetime,
        limit: int,
        unit: UnitId | None = None,
        *,
        early: bool = False,
    ) -> Sequence[PendingCommand]:
        outbox = self.view.for_writing().outbox
        due = sorted(
            (
                command
                for command in outbox.values()
                if unit in (None, command.unit_uuid)
                and (early or command.retry_datetime is None or command.retry_datetime <= now)
            ),
            key=lambda command: (command.create_datetime, command.uuid),
        )
        claimed = [evolve(command, retry_datetime=retry) for command in due[:limit]]
        outbox.update({(command.unit_uuid, command.kind): command for command in claimed})
        return claimed

    async def count_attempt(self, uuids: Sequence[CommandId]) -> None:
        outbox, counted = self.view.for_writing().outbox, set(uuids)
        for key, command in outbox.items():
            if command.uuid in counted:
                outbox[key] = evolve(command, attempts=command.attempts + 1)

    async def withdraw(self, unit: UnitId, kind: CommandKind, *, attempted: bool = False) -> None:
        outbox = self.view.for_writing().outbox
        found = outbox.get((unit, kind))
        if found is not None and (found.attempts or not attempted):
            del outbox[unit, kind]

    async def delete(self, uuids: Sequence[CommandId]) -> None:
        outbox = self.view.for_writing().outbox
        for key in [key for key, command in outbox.items() if command.uuid in uuids]:
            del outbox[key]

    async def length(self) -> int:
        return len(self.view.world.outbox)
