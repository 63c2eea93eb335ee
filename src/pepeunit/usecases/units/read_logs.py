"""Read a unit's logs (spec devices.md 12)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import UnitId
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.logs import LogQuery, Logs
from pepeunit.ports.paging import WHOLE, Page, Slice
from pepeunit.usecases.access.gates import unit_for


@frozen
class ListUnitLogs:
    database: Database
    logs: Logs
    clock: Clock

    async def __call__(
        self,
        agent: Agent,
        uuid: UnitId,
        levels: frozenset[LogLevel] | None = None,
        *,
        newest_first: bool = True,
        rows_of: Slice = WHOLE,
    ) -> Page[UnitLog]:
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.LOOK_INTO, uuid)
        return await self.logs.find(LogQuery(uuid, self.clock(), levels, newest_first, rows_of))
