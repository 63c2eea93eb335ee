"""Move many units of a repo to one version: git is read once, the store in batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property

from attrs import evolve, field, frozen

from pepeunit.domain.errors import Invalid, Refused, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind, PendingCommand
from pepeunit.domain.nodes.node import NodeType
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.registries.version import Sha, Version
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.schema import SchemaExample
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Transaction
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.programs import Announce, Program, Programs, asset_for
from pepeunit.usecases.updates.update_unit import refuse_unknown_command

log = logging.getLogger(__name__)

BATCH_UNITS = 200
"""Units in one transaction: what a crash undoes, and what memory holds at a time."""


@frozen(eq=False)
class Destination:
    """A version that units of a repo move to, read from git once; what they run as it is met."""

    registry: Registry
    repo: Repo
    program: Program
    running: dict[Sha, SchemaExample | None] = field(factory=dict)
    announced: dict[UnitId, Program | Refused] = field(factory=dict)

    @cached_property
    def node_names(self) -> frozenset[tuple[NodeType, str]]:
        return frozenset(self.program.schema.node_names())

    @property
    def version(self) -> Version:
        return self.program.version


@frozen
class MoveUnits:
    """Builds units for a destination and queues ``Update`` where a device does not run it yet.

    What stands in the way of one unit is written to it (O31) and stops no other.
    """

    programs: Programs
    builder: Builder
    announce: Announce
    clock: Clock

    async def __call__(
        self,
        tx: Transaction,
        units: Sequence[Unit],
        to: Destination,
        *,
        ignore_backoff: bool = False,
    ) -> int:
        """How many commands were queued for these locked units."""
        programs: dict[UnitId, Program] = {}
        able: list[Unit] = []
        failed: list[Unit] = []
        for unit in units:
            if unit.runs_built_version and unit.built_commit == to.version.commit:
                continue
            try:
                programs[unit.uuid] = await self._program(unit, to)
            except Refused as refusal:
                failed += self.refused(unit, refusal)
            else:
                able.append(unit)
        moving = [unit for unit in able if unit.built_commit != to.version.commit]
        await self.builder.rebuild_nodes(
            tx, [unit for unit in moving if not await self._has_nodes_of(unit, to)], to.program
        )
        commands: list[PendingCommand] = []
        stored: list[Unit] = []
        for unit in (self.builder.built_for(before, to.program) for before in moving):
            if not unit.runs_built_version:
                commands.append(self.builder.update_command(unit, programs[unit.uuid]))
                stored.append(evolve(unit, update=unit.update.sent(self.clock())))
            else:
                # It runs this version already, but its nodes were made anew.
                stored.append(unit)
                await tx.outbox.withdraw(unit.uuid, CommandKind.UPDATE)
                if to.program.schema.accepts(CommandKind.SCHEMA_UPDATE.word):
                    commands.append(self.builder.schema_command(unit.uuid))
        for unit in able:
            is_due = ignore_backoff or unit.update.may_retry(self.clock())
            if unit.built_commit == to.version.commit and is_due:
                commands.append(self.builder.update_command(unit, programs[unit.uuid]))
                stored.append(evolve(unit, update=unit.update.sent(self.clock())))
        await tx.units.put_many(sorted((*stored, *failed), key=lambda unit: unit.uuid))
        await tx.outbox.put_many(sorted(commands, key=lambda command: command.unit_uuid))
        return len(commands)

    async def nodes_ready(self, units: Sequence[Unit], to: Destination) -> None:
        """After the commit and before commands leave; ``units`` as they were before it."""
        moved = [unit for unit in units if unit.built_commit != to.version.commit]
        await self.builder.nodes_ready(
            [unit.uuid for unit in moved if not await self._has_nodes_of(unit, to)]
        )

    def refused(self, unit: Unit, refusal: Refused) -> list[Unit]:
        """The unit with its failure, unless it is written there already."""
        if unit.update.error == str(refusal):
            return []
        log.info("unit %s cannot be updated: %s", unit.uuid, refusal)
        return [evolve(unit, update=unit.update.failed(str(refusal), self.clock()))]

    async def prepare(self, units: Sequence[Unit], to: Destination) -> None:
        """Fetch what a compiled program's units are told of, before any row is locked."""
        if not to.repo.is_compilable_repo:
            return
        for unit in units:
            try:
                to.announced[unit.uuid] = await self._program(unit, to)
            except Refused as refusal:
                to.announced[unit.uuid] = refusal

    async def _program(self, unit: Unit, to: Destination) -> Program:
        known = to.announced.get(unit.uuid)
        if isinstance(known, Refused):
            raise known
        if known is not None:
            return known
        asset = asset_for(to.registry, to.repo, to.version, unit)
        schema = await self._running_schema(unit, to)
        refuse_unknown_command(schema.accepts(CommandKind.UPDATE.word), CommandKind.UPDATE)
        if asset is None:
            return to.program
        program = evolve(to.program, asset=asset)
        if unit.current_commit_version == to.version.commit:
            return program
        return await self.announce(to.registry, unit, program)

    async def _running_schema(self, unit: Unit, to: Destination) -> SchemaExample:
        for commit in (unit.current_commit_version, unit.built_commit):
            if commit is None:
                continue
            if (schema := await self._known_schema(commit, to)) is not None:
                return schema
        raise Invalid("the unit has no built version yet", Topic.UNIT)

    async def _has_nodes_of(self, unit: Unit, to: Destination) -> bool:
        """Whether the version it is built for asks for the same nodes: most new versions do."""
        if unit.built_commit is None:
            return False
        schema = await self._known_schema(unit.built_commit, to)
        return schema is not None and set(schema.node_names()) == to.node_names

    async def _known_schema(self, commit: Sha, to: Destination) -> SchemaExample | None:
        if commit not in to.running:
            to.running[commit] = await self._schema(to, commit)
        return to.running[commit]

    async def _schema(self, to: Destination, commit: Sha) -> SchemaExample | None:
        try:
            return await self.programs.schema(to.registry.uuid, commit)
        except Invalid:
            return None  # a device may report a commit that this remote never had
