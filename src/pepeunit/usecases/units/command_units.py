"""Send a command to a selection of units, with a result for each."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.errors import OverLimit, Refused, Topic, Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.units.batch import UNITS_MAX
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Slice
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.audit.act import note_selection
from pepeunit.usecases.units.send_command import SendCommand


@frozen
class CommandResult:
    """``error`` is None when the command was queued."""

    unit: UnitId
    error: str | None


@frozen
class CommandUnits:
    """One unit's refusal stops no other."""

    database: Database
    send_command: SendCommand

    async def __call__(
        self,
        agent: Agent,
        kind: CommandKind,
        uuids: Sequence[UnitId] | None,
        query: UnitQuery,
    ) -> list[CommandResult]:
        """To the units named, or to those of the query that the agent made.

        Raises ``OverLimit`` (topic unit) for more than UNITS_MAX units; then none is told.
        """
        require_kind(agent, AgentKind.USER)
        chosen = uuids
        if chosen is None:
            own = evolve(query, creator_uuid=agent.uuid, slice=Slice(0, UNITS_MAX + 1))
            async with self.database.read() as rows:
                chosen = [unit.uuid for unit in (await rows.units.find(own)).items]
        chosen = list(dict.fromkeys(chosen))
        if len(chosen) > UNITS_MAX:
            raise OverLimit(
                f"{len(chosen)} units are selected, at most {UNITS_MAX} are allowed",
                Topic.UNIT,
                limit=UNITS_MAX,
                actual=len(chosen),
            )
        note_selection("Unit", chosen, agent.user_id)
        return [CommandResult(unit, await self._send(agent, unit, kind)) for unit in chosen]

    async def _send(self, agent: Agent, unit: UnitId, kind: CommandKind) -> str | None:
        try:
            await self.send_command(agent, unit, kind)
        except Refused as refusal:
            return refusal.message
        except Unavailable as outage:
            return f"{outage.dependency} does not answer, try again"
        return None
