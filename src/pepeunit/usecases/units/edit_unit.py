"""Change or delete a unit (spec devices.md 4, O17, O20)."""

from __future__ import annotations

from attrs import asdict, evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.logs import Logs
from pepeunit.ports.sessions import Sessions
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.units.create_unit import UnitRules
from pepeunit.usecases.updates.build import Builder, listeners_of
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.programs import Announce
from pepeunit.usecases.updates.update_unit import lineage


@frozen
class UnitChanges:
    """None leaves a value as it is."""

    visibility_level: Visibility | None = None
    name: str | None = None
    is_auto_update_from_repo_unit: bool | None = None
    target_firmware_platform: str | None = None
    repo_branch: str | None = None
    repo_commit: Sha | None = None

    def applied_to(self, unit: Unit) -> Unit:
        return evolve(unit, **asdict(self, filter=lambda _, value: value is not None))


@frozen
class EditUnit:
    """Proves the new version usable first, then changes everything in one transaction."""

    database: Database
    rules: UnitRules
    builder: Builder
    announce: Announce
    drain: DrainOutbox
    sessions: Sessions
    clock: Clock

    async def __call__(self, agent: Agent, uuid: UnitId, changes: UnitChanges) -> Unit:
        """The changed unit, with ``Update`` on its way where its device does not run the built
        version yet (rulings 23) or needs the file of another platform. Raises as creating one
        does, ``Conflict`` (topic unit) when somebody else changed its version meanwhile."""
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            before = await unit_for(rows, agent, Action.CHANGE, uuid)
            _, repo, registry = await lineage(rows, uuid)
            wanted = changes.applied_to(before)
            program = await self.rules.check(rows, wanted, repo)
            running = await self.rules.programs.running_schema(repo, before)
        other_file = repo.is_compilable_repo and (
            wanted.target_firmware_platform != before.target_firmware_platform
        )
        if other_file or before.current_commit_version != program.version.commit:
            program = await self.announce(registry, wanted, program)
        async with self.database.begin() as tx:
            unit = await unit_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            unit = changes.applied_to(unit)
            if unit.version_choice != wanted.version_choice:
                raise Conflict("the unit was changed meanwhile, try again", Topic.UNIT)
            await self._tighten_nodes(tx, unit)
            unit = await self.builder.build(tx, unit, program)
            is_due = other_file or not unit.runs_built_version
            if is_due and running.accepts(CommandKind.UPDATE.word):
                unit = await self.builder.queue_update(tx, unit, program)
            elif before.built_commit != unit.built_commit and running.accepts(
                CommandKind.SCHEMA_UPDATE.word
            ):
                await self.builder.queue(tx, uuid, CommandKind.SCHEMA_UPDATE)
        if unit.visibility_level is not before.visibility_level:
            await self.sessions.recheck()
        if before.built_commit != unit.built_commit:
            await self.builder.nodes_ready([uuid])
        await self.drain()
        return unit

    async def _tighten_nodes(self, tx: Transaction, unit: Unit) -> None:
        """Nodes looser than their unit are raised to it; stricter ones stay."""
        now = self.clock()
        raised = [
            evolve(
                node,
                visibility_level=node.visibility_level.tightened_to(unit.visibility_level),
                last_update_datetime=now,
            )
            for node in await tx.nodes.of_unit(unit.uuid)
            if node.visibility_level.is_wider_than(unit.visibility_level)
        ]
        await tx.nodes.put(raised)


@frozen
class DeleteUnit:
    """The unit goes with all it owns, its sessions end, units that listened to it are told."""

    database: Database
    builder: Builder
    drain: DrainOutbox
    sessions: Sessions
    logs: Logs

    async def __call__(self, agent: Agent, uuid: UnitId) -> None:
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            await unit_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            nodes = {node.uuid: uuid for node in await tx.nodes.of_unit(uuid)}
            listeners = await listeners_of(tx, nodes)
            await tx.units.delete(uuid)
            for listener in listeners:
                await self.builder.queue(tx, listener, CommandKind.SCHEMA_UPDATE)
        await self.sessions.kick(uuid)
        await self.logs.delete_unit(uuid)
        await self.drain()
