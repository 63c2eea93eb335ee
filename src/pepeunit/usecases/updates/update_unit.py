"""Bring one unit to its target version (spec devices.md 7, 11; rulings 21-23)."""

from __future__ import annotations

import logging

from attrs import evolve, frozen

from pepeunit.domain.errors import Conflict, Invalid, NotFound, Refused, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.programs import Announce, Program, Programs

log = logging.getLogger(__name__)


async def lineage(rows: Collections, unit: UnitId) -> tuple[Unit, Repo, Registry]:
    """A unit with the repo and registry its program comes from."""
    found = await rows.units.get(unit)
    repo = await rows.repos.get(found.repo_uuid) if found else None
    registry = await rows.registries.get(repo.repository_registry_uuid) if repo else None
    if found is None or repo is None or registry is None:
        raise NotFound("unit not found")
    return found, repo, registry


@frozen
class UpdateUnit:
    """Moves built to target and queues ``Update`` where the device does not run it yet."""

    database: Database
    programs: Programs
    builder: Builder
    announce: Announce
    clock: Clock

    async def __call__(
        self, uuid: UnitId, *, explicit: bool = False, ignore_backoff: bool = False
    ) -> bool:
        """Whether a command was queued.

        ``explicit``: somebody asked for this unit, so the command always goes out and refusals
        are raised; otherwise they are written to the unit (O31) and the unit is left alone while
        its backoff lasts, unless ``ignore_backoff``.
        """
        try:
            async with self.database.read() as rows:
                unit, repo, registry = await lineage(rows, uuid)
            program = await self.programs.program(registry, repo, unit)
            if not explicit and unit.runs_built_version and _is_built_for(unit, program):
                return False
            await self._refuse_deaf_unit(repo, unit)
            if explicit or unit.current_commit_version != program.version.commit:
                program = await self.announce(registry, unit, program)
            return await self._apply(unit, program, explicit, ignore_backoff)
        except Refused as refusal:
            if explicit or isinstance(refusal, NotFound | Conflict):
                raise
            await self._record(uuid, refusal)
            return False

    async def _refuse_deaf_unit(self, repo: Repo, unit: Unit) -> None:
        schema = await self.programs.running_schema(repo, unit)
        refuse_unknown_command(schema.accepts(CommandKind.UPDATE.word), CommandKind.UPDATE)

    async def _apply(
        self, judged: Unit, program: Program, explicit: bool, ignore_backoff: bool
    ) -> bool:
        async with self.database.begin() as tx:
            unit = await tx.units.get(judged.uuid, for_update=True)
            if unit is None:
                raise NotFound("unit not found")
            if unit.version_choice != judged.version_choice:
                raise Conflict("the unit's version settings changed meanwhile", Topic.UNIT)
            moved = not _is_built_for(unit, program)
            if moved:
                unit = await self.builder.build(tx, unit, program)
            may_send = moved or ignore_backoff or unit.update.may_retry(self.clock())
            if explicit or (not unit.runs_built_version and may_send):
                await self.builder.queue_update(tx, unit, program)
                return True
            if moved and program.schema.accepts(CommandKind.SCHEMA_UPDATE.word):
                # It runs this version already, but its nodes were made anew.
                await self.builder.queue(tx, unit.uuid, CommandKind.SCHEMA_UPDATE)
                return True
        return False

    async def _record(self, uuid: UnitId, refusal: Refused) -> None:
        log.info("unit %s cannot be updated: %s", uuid, refusal)
        async with self.database.begin() as tx:
            unit = await tx.units.get(uuid, for_update=True)
            if unit is not None and unit.update.error != str(refusal):
                failed = unit.update.failed(str(refusal), self.clock())
                await tx.units.put(evolve(unit, update=failed))


def _is_built_for(unit: Unit, program: Program) -> bool:
    return unit.built_commit == program.version.commit


def refuse_unknown_command(accepted: bool, kind: CommandKind) -> None:
    """Raise ``Invalid`` (topic unit) when the running program does not listen to it (O29)."""
    if not accepted:
        raise Invalid(
            f"the running program does not list {kind.word}/pepeunit in its input_base_topic",
            Topic.UNIT,
        )
