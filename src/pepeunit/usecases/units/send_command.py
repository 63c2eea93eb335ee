"""Send a unit one of the four commands (spec devices.md 11, rulings 22 and 23)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.ports.database import Database
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.update_unit import UpdateUnit, lineage, refuse_unknown_command


@frozen
class SendCommand:
    """Queued with the change it belongs to; a device that is away gets it when it is back."""

    database: Database
    programs: Programs
    builder: Builder
    update_unit: UpdateUnit
    drain: DrainOutbox

    async def __call__(self, agent: Agent, uuid: UnitId, kind: CommandKind) -> None:
        """Raises ``Invalid`` (topic unit) when the running program does not know the command."""
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.OPERATE, uuid)
            unit, repo, _ = await lineage(rows, uuid)
        if kind is CommandKind.UPDATE:
            await self.update_unit(uuid)
        else:
            schema = await self.programs.running_schema(repo, unit)
            refuse_unknown_command(schema.accepts(kind.word), kind)
            async with self.database.begin() as tx:
                await unit_for(tx, agent, Action.OPERATE, uuid)
                await self.builder.queue(tx, uuid, kind)
        await self.drain(uuid)
