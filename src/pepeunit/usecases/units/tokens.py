"""Rotate and revoke a device's token (rulings 16, W10)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind, require_person
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.sessions import Sessions
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.update_unit import lineage, refuse_unknown_command

BATCH_UNITS: Final = 500


@frozen
class RotateUnitToken:
    """A new token reaches the device by ``EnvUpdate``; the old one lasts until the new one is
    used, ``TOKEN_GRACE`` at the longest."""

    database: Database
    programs: Programs
    builder: Builder
    drain: DrainOutbox
    clock: Clock

    async def __call__(self, agent: Agent, uuid: UnitId) -> Unit:
        """Raises ``Invalid`` (topic unit) when the running program does not know ``EnvUpdate``:
        its device would be locked out."""
        require_kind(agent, AgentKind.USER)
        require_person(agent)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.CHANGE, uuid)
            unit, repo, _ = await lineage(rows, uuid)
        schema = await self.programs.running_schema(repo, unit)
        refuse_unknown_command(schema.accepts(CommandKind.ENV_UPDATE.word), CommandKind.ENV_UPDATE)
        async with self.database.begin() as tx:
            unit = await unit_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            unit = unit.with_rotated_token(self.clock())
            await tx.units.put(unit)
            await self.builder.queue(tx, uuid, CommandKind.ENV_UPDATE)
        await self.drain(uuid)
        return unit


@frozen
class RevokeUnitToken:
    """Every token the device ever had ends at once, with its sessions; it needs a new env.json
    by hand."""

    database: Database
    sessions: Sessions

    async def __call__(self, agent: Agent, uuid: UnitId) -> Unit:
        require_kind(agent, AgentKind.USER)
        require_person(agent)
        async with self.database.begin() as tx:
            unit = await unit_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            unit = unit.with_revoked_token()
            await tx.units.put(unit)
        await self.sessions.kick(uuid)
        return unit


@frozen
class EndOldTokens:
    """Sessions that a rotated token opened end with it."""

    database: Database
    sessions: Sessions
    clock: Clock

    async def __call__(self) -> int:
        """How many units' old tokens ran out."""
        now = self.clock()
        async with self.database.read() as rows:
            due = await rows.units.with_old_token_before(now, BATCH_UNITS)
        return sum([await self._end(uuid) for uuid in due])

    async def _end(self, uuid: UnitId) -> bool:
        async with self.database.begin() as tx:
            unit = await tx.units.get(uuid, for_update=True)
            until = unit.old_token_until if unit is not None else None
            if unit is None or until is None or until > self.clock():
                return False
            await tx.units.put(unit.without_old_token())
        await self.sessions.kick(uuid)
        return True
