"""Let commands leave the outbox that devices have taken (rulings 22)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import islice

from attrs import define, evolve, field

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import CommandId
from pepeunit.domain.messaging.command import CommandKind, PendingCommand
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.publisher import Receipt

log = logging.getLogger(__name__)

BATCH_COMMANDS = 500
PAUSE_SECONDS = 1.0
"""Before the store is asked again after it failed."""
LATE_SECONDS = 1.0
"""A unit's time to answer counts anew from a delivery that comes later than this."""
ATTEMPTS_MAX = 5
"""A command that a device was given so often and never acknowledged is given up: its program
restarts on the command before it acknowledges, and would do so for ever."""


@define(eq=False)
class SettleCommands:
    """Nobody waits for a device: what was acknowledged is gathered and removed in batches.

    What a crash forgets here is sent once more, no more than that. It never holds more than
    devices have on their way.
    """

    database: Database
    clock: Clock
    _taken: dict[CommandId, PendingCommand] = field(factory=dict, init=False)
    _more: asyncio.Event = field(factory=asyncio.Event, init=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    """Counting and removing lock the same rows: one after the other."""

    def receipt(self, command: PendingCommand) -> Receipt:
        return Receipt(command.uuid, partial(self._take, command))

    def has(self, command: PendingCommand) -> bool:
        """Whether a device took it already."""
        return command.uuid in self._taken

    def _take(self, command: PendingCommand) -> None:
        self._taken[command.uuid] = command
        self._more.set()

    async def __call__(self) -> None:
        """Remove what was taken until now. Raises ``Unavailable``; then nothing is forgotten."""
        async with self._turn:
            while self._taken:
                batch = list(islice(self._taken.values(), BATCH_COMMANDS))
                await self._settle(batch)
                for command in batch:
                    del self._taken[command.uuid]
            self._more.clear()

    async def count(self, sent: Sequence[PendingCommand]) -> None:
        """They are on their way to connected devices once more; given up are those that were
        so too often."""
        given_up = [command for command in sent if command.attempts + 1 >= ATTEMPTS_MAX]
        async with self._turn, self.database.begin() as tx:
            await tx.outbox.count_attempt([command.uuid for command in sent])
            if given_up:
                await tx.outbox.delete([command.uuid for command in given_up])
        for command in given_up:
            log.warning(
                "unit %s never acknowledged %s, sent %d times: given up",
                command.unit_uuid,
                command.kind.value,
                ATTEMPTS_MAX,
            )

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._more.wait()
            try:
                await self()
            except Unavailable as outage:
                log.warning("commands stay in the outbox: %s", outage)
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception:
                log.exception("commands stay in the outbox")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _settle(self, taken: Sequence[PendingCommand]) -> None:
        async with self.database.begin() as tx:
            now = self.clock()
            since = now - timedelta(seconds=LATE_SECONDS)
            late = [
                one.unit_uuid
                for one in taken
                if one.kind is CommandKind.UPDATE and one.create_datetime <= since
            ]
            if late:
                # Units before their commands, as everybody else locks them.
                await tx.units.put_many(
                    [
                        evolve(unit, update=unit.update.sent(now))
                        for unit in await tx.units.get_many(late, for_update=True)
                        # A device that was quicker than this has already reported its success.
                        if unit.update.status is not UpdateStatus.SUCCESS
                    ]
                )
            await tx.outbox.delete([command.uuid for command in taken])
