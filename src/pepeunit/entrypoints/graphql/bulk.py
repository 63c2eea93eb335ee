"""Many devices at once over GraphQL; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.unit import (
    CommandResultModel,
    ImportedUnitModel,
    ImportModel,
    ImportViolationModel,
    import_model,
)
from pepeunit.codecs.unit_export import read_export, write_export
from pepeunit.codecs.units_csv import read_units_csv
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.ids import RepoId, UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.units.batch import Batch
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.filters import among, one_and_many
from pepeunit.entrypoints.graphql.uploads import File
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.units.command_units import CommandUnits
from pepeunit.usecases.units.export_units import ExportUnits
from pepeunit.usecases.units.import_units import ImportUnits

TABLE_BYTES_MAX: Final = 1024 * 1024
EXPORT_BYTES_MAX: Final = 16 * 1024 * 1024


@frozen
class UnitChoice:
    """One's own units of a repo, or with these words in the name."""

    repo_uuid: RepoId | None = None
    search_string: str | None = None

    def query(self, agent: Agent, uuids: Sequence[UUID] | None = None) -> UnitQuery:
        return UnitQuery(
            scope=Scope.of(agent),
            uuids=among(uuids),
            repos=one_and_many(self.repo_uuid, None),
            search=self.search_string,
        )


@frozen(kw_only=True)
class UnitSelection(UnitChoice):
    """The filters narrow each other."""

    uuids: Sequence[UUID] | None


@frozen
class BulkDoor:
    import_units: ImportUnits
    export_units: ExportUnits
    command_units: CommandUnits

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="units",
            queries={"getUnitsExport": self.export},
            mutations={
                "importUnitsCsv": self.import_csv,
                "importUnits": self.import_file,
                "sendCommandToUnits": self.command_many,
            },
            inputs={"UnitChoiceInput": UnitChoice, "UnitSelectionInput": UnitSelection},
            outputs={
                "ImportedUnitType": ImportedUnitModel,
                "ImportViolationType": ImportViolationModel,
                "UnitsImportType": ImportModel,
                "CommandResultType": CommandResultModel,
            },
        )

    async def import_csv(self, agent: Agent, file: File, dry_run: bool) -> ImportModel:
        require_kind(agent, AgentKind.USER)
        drafts, violations = read_units_csv(file.content(TABLE_BYTES_MAX))
        batch = Batch(tuple(drafts))
        report = await self.import_units(agent, batch, violations, dry_run=dry_run)
        return import_model(report.units, report.violations, is_dry_run=dry_run)

    async def import_file(self, agent: Agent, file: File, dry_run: bool) -> ImportModel:
        require_kind(agent, AgentKind.USER)
        batch = read_export(file.content(EXPORT_BYTES_MAX))
        report = await self.import_units(agent, batch, dry_run=dry_run)
        return import_model(report.units, report.violations, is_dry_run=dry_run)

    async def command_many(
        self,
        agent: Agent,
        command: CommandKind,
        uuids: Sequence[UUID] | None,
        filter: UnitChoice | None,  # noqa: A002 the schema's name
    ) -> list[CommandResultModel]:
        """Neither units nor a filter is none."""
        chosen: Sequence[UUID] | None = uuids
        if uuids is None and filter is None:
            chosen = ()
        named = None if chosen is None else tuple(UnitId(uuid) for uuid in chosen)
        query = (filter or UnitChoice()).query(agent)
        results = await self.command_units(agent, command, named, query)
        return [CommandResultModel(one.unit, one.error is None, one.error) for one in results]

    async def export(self, agent: Agent, filters: UnitSelection) -> str:
        batch = await self.export_units(agent, filters.query(agent, filters.uuids))
        return write_export(batch).decode()
