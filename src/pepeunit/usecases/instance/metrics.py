"""How many of each there are (spec rest.md 8.7)."""

from __future__ import annotations

from datetime import datetime, timedelta

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Census, Database

CACHE_SECONDS = 10.0


class GetMetrics:
    """The census, counted at most once in ten seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: tuple[datetime, Census] | None = None

    async def __call__(self, agent: Agent) -> Census:
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        now = self._clock()
        if self._known is not None and abs(now - self._known[0]) < timedelta(seconds=CACHE_SECONDS):
            return self._known[1]
        async with self._database.read() as rows:
            census = await rows.census()
        self._known = (now, census)
        return census
