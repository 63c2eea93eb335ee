"""Send queued commands (rulings 22): after each commit, when a device listens, and by a sweep."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from attrs import field, frozen

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import PendingCommand, command_topic
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.publisher import Publisher
from pepeunit.usecases.updates.settle_commands import SettleCommands

BATCH_COMMANDS = 200
RETRY_SECONDS = 300.0
"""How long a claimed command is left alone, unless its device comes back before."""


@frozen
class DrainOutbox:
    """A command leaves the outbox when its device has acknowledged it, not when it is sent.

    Nobody waits for that: :class:`SettleCommands` hears of it. A device that was away or died
    before gets the command again when it listens, or by the sweep. One drain at a time sends, and
    a claim keeps other processes away, so no command goes twice to one connection.
    """

    database: Database
    publisher: Publisher
    clock: Clock
    domain: str
    settle: SettleCommands
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False, eq=False)

    async def __call__(self, unit: UnitId | None = None) -> int:
        """Send what is due, of one unit or of all; how many are on their way to a device."""
        sent = 0
        while True:
            due, out = await self._batch(unit)
            sent += out
            if due < BATCH_COMMANDS:
                return sent

    async def again(self, unit: UnitId) -> int:
        """The unit listens: send what waits for it, due or not."""
        _, out = await self._batch(unit, early=True)
        return out

    async def _batch(self, unit: UnitId | None, *, early: bool = False) -> tuple[int, int]:
        """How many were claimed, how many of them are on their way."""
        async with self._turn:
            now = self.clock()
            retry = now + timedelta(seconds=RETRY_SECONDS)
            async with self.database.begin() as tx:
                due = await tx.outbox.claim(now, retry, BATCH_COMMANDS, unit, early=early)
            sent = [command for command in due if await self._send(command)]
            waiting = [command for command in sent if not self.settle.has(command)]
            if waiting:
                await self.settle.count(waiting)
            if len(waiting) < len(sent):
                await self.settle()
            return len(due), len(sent)

    async def _send(self, command: PendingCommand) -> bool:
        if self.settle.has(command):
            return False
        topic = command_topic(self.domain, command.unit_uuid, command.kind)
        receipt = self.settle.receipt(command)
        try:
            reached = await self.publisher.publish(topic, command.payload.encode(), receipt=receipt)
        except Unavailable:
            return False
        return reached is None or reached > 0
