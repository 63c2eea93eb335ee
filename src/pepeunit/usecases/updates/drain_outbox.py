"""Send queued commands (rulings 22): after each commit, when a device listens, and by a sweep."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve, frozen

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind, PendingCommand, command_topic
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.publisher import Publisher

BATCH_COMMANDS = 200
RETRY_SECONDS = 300.0
LATE_SECONDS = 1.0
"""A unit's time to answer counts anew from a delivery that comes later than this."""


@frozen
class DrainOutbox:
    """A command leaves the outbox when a session took it; else it waits for the device."""

    database: Database
    publisher: Publisher
    clock: Clock
    domain: str

    async def __call__(self, unit: UnitId | None = None) -> int:
        """Send what is due, of one unit at once or of all; how many were delivered."""
        delivered = 0
        while True:
            now = self.clock()
            async with self.database.begin() as tx:
                due = await tx.outbox.claim(
                    now, now + timedelta(seconds=RETRY_SECONDS), BATCH_COMMANDS, unit
                )
            sent = [command for command in due if await self._send(command)]
            if sent:
                await self._settle(sent)
            delivered += len(sent)
            if unit is not None or len(due) < BATCH_COMMANDS:
                return delivered

    async def _send(self, command: PendingCommand) -> bool:
        topic = command_topic(self.domain, command.unit_uuid, command.kind)
        try:
            receivers = await self.publisher.publish(topic, command.payload.encode())
        except Unavailable:
            return False
        return receivers is None or receivers > 0

    async def _settle(self, sent: list[PendingCommand]) -> None:
        async with self.database.begin() as tx:
            await tx.outbox.delete([command.uuid for command in sent])
            now = self.clock()
            since = now - timedelta(seconds=LATE_SECONDS)
            updated = [
                one.unit_uuid
                for one in sent
                if one.kind is CommandKind.UPDATE and one.create_datetime <= since
            ]
            if not updated:
                return
            await tx.units.put_many(
                [
                    evolve(unit, update=unit.update.sent(now))
                    for unit in await tx.units.get_many(updated, for_update=True)
                    # A device that was quicker than this has already reported its success.
                    if unit.update.status is not UpdateStatus.SUCCESS
                ]
            )
