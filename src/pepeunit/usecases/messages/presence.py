"""Which units are connected, as the broker's connect events tell."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.usecases.updates.drain_outbox import DrainOutbox


@frozen
class TrackPresence:
    """Follows the broker's connect events; a unit that listens again gets what waits for it."""

    database: Database
    drain: DrainOutbox
    clock: Clock

    async def connected(self, agent: Agent) -> None:
        await self._mark(agent, is_online=True)

    async def disconnected(self, agent: Agent) -> None:
        await self._mark(agent, is_online=False)

    async def listening(self, agent: Agent) -> None:
        """The unit subscribed to its command topics."""
        if agent.unit_id is not None:
            await self.drain.again(agent.unit_id)

    async def reset(self) -> None:
        """At start nobody is connected yet."""
        async with self.database.begin() as tx:
            await tx.units.mark_all_offline()

    async def _mark(self, agent: Agent, *, is_online: bool) -> None:
        if agent.unit_id is None:
            return
        async with self.database.begin() as tx:
            await tx.units.mark_presence(agent.unit_id, is_online=is_online, at=self.clock())
