"""Bring one unit to its target version on request (spec devices.md 7, 11; rulings 21-23)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.errors import Conflict, Invalid, NotFound, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.database import Collections, Database
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.programs import Announce, Programs


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
    """Moves built to target and queues ``Update``; somebody asked, so it always goes out, a
    rollout of the repo or not."""

    database: Database
    programs: Programs
    builder: Builder
    announce: Announce

    async def __call__(self, uuid: UnitId) -> None:
        """Raises ``Invalid`` where the target cannot be built or the unit takes no ``Update``."""
        async with self.database.read() as rows:
            judged, repo, registry = await lineage(rows, uuid)
        program = await self.programs.program(registry, repo, judged)
        schema = await self.programs.running_schema(repo, judged)
        refuse_unknown_command(schema.accepts(CommandKind.UPDATE.word), CommandKind.UPDATE)
        program = await self.announce(registry, judged, program)
        async with self.database.begin() as tx:
            unit = await tx.units.get(uuid, for_update=True)
            if unit is None:
                raise NotFound("unit not found")
            if unit.version_choice != judged.version_choice:
                raise Conflict("the unit's version settings changed meanwhile", Topic.UNIT)
            if unit.built_commit != program.version.commit:
                unit = await self.builder.build(tx, unit, program)
            await self.builder.queue_update(tx, unit, program)
        if judged.built_commit != unit.built_commit:
            await self.builder.nodes_ready([uuid])


def refuse_unknown_command(accepted: bool, kind: CommandKind) -> None:
    """Raise ``Invalid`` (topic unit) when the running program does not listen to it (O29)."""
    if not accepted:
        raise Invalid(
            f"the running program does not list {kind.word}/pepeunit in its input_base_topic",
            Topic.UNIT,
        )
