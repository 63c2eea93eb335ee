"""Many devices at once over REST: tables, selections, and files that carry units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.unit import CommandResultModel, ImportModel, import_model
from pepeunit.codecs.unit_export import read_export, write_export
from pepeunit.codecs.units_csv import read_units_csv
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.ids import RepoId, UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.units.batch import Batch
from pepeunit.entrypoints.http.paging import one_and_many, set_of
from pepeunit.entrypoints.http.route import File, Route, Upload
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.units.command_units import CommandUnits
from pepeunit.usecases.units.export_units import ExportUnits
from pepeunit.usecases.units.import_units import ImportUnits

TABLE_BYTES_MAX: Final = 1024 * 1024
EXPORT_BYTES_MAX: Final = 16 * 1024 * 1024


@frozen
class DryRun:
    """With ``dry_run`` nothing is made."""

    dry_run: bool = False


@frozen
class UnitSelection:
    """One's own units; the filters narrow each other."""

    uuids: tuple[UUID, ...] | None = None
    repo_uuid: UUID | None = None
    search_string: str | None = None

    def query(self, agent: Agent) -> UnitQuery:
        return UnitQuery(
            scope=Scope.of(agent),
            uuids=set_of(self.uuids),
            repos=one_and_many(self.repo_uuid, None),
            search=self.search_string,
        )


@frozen
class UnitFilter:
    """One's own units of a repo, or with these words in the name."""

    repo_uuid: RepoId | None = None
    search_string: str | None = None


@frozen
class BulkCommand:
    """``uuids`` names the units; without it ``filter`` finds them among one's own."""

    command: CommandKind
    uuids: tuple[UnitId, ...] | None = None
    filter: UnitFilter | None = None


@frozen
class BulkDoor:
    import_units: ImportUnits
    export_units: ExportUnits
    command_units: CommandUnits

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/units/import_csv", self.import_csv, body_bytes_max=TABLE_BYTES_MAX),
            Route.of("POST", "/units/bulk_command", self.command_many),
            Route.of("GET", "/units/export", self.export),
            Route.of("POST", "/units/import", self.import_file, body_bytes_max=EXPORT_BYTES_MAX),
        )

    async def import_csv(self, agent: Agent, query: DryRun, file: Upload) -> ImportModel:
        """Make units from a table: all rows or none.

        Columns: name, visibility_level, repo_uuid; optional is_auto_update_from_repo_unit,
        target_firmware_platform, repo_branch, repo_commit. Every violation names row and column.
        """
        require_kind(agent, AgentKind.USER)
        drafts, violations = read_units_csv(file.content)
        batch = Batch(tuple(drafts))
        report = await self.import_units(agent, batch, violations, dry_run=query.dry_run)
        return import_model(report.units, report.violations, is_dry_run=query.dry_run)

    async def command_many(self, agent: Agent, body: BulkCommand) -> list[CommandResultModel]:
        """Send a command to a selection; a result for each unit."""
        wanted = body.filter or UnitFilter()
        if body.uuids is None and body.filter is None:
            chosen: tuple[UnitId, ...] | None = ()
        else:
            chosen = body.uuids
        query = UnitSelection(None, wanted.repo_uuid, wanted.search_string).query(agent)
        results = await self.command_units(agent, body.command, chosen, query)
        return [CommandResultModel(one.unit, one.error is None, one.error) for one in results]

    async def export(self, agent: Agent, query: UnitSelection) -> File:
        """One's own units, their nodes' settings and the edges between them as one JSON file."""
        batch = await self.export_units(agent, query.query(agent))
        return File(write_export(batch), "application/json")

    async def import_file(self, agent: Agent, query: DryRun, file: Upload) -> ImportModel:
        """Make the units of an exported file with their settings and edges: all or nothing."""
        require_kind(agent, AgentKind.USER)
        batch = read_export(file.content)
        report = await self.import_units(agent, batch, dry_run=query.dry_run)
        return import_model(report.units, report.violations, is_dry_run=query.dry_run)
