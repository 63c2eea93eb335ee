"""Devices over REST (spec rest.md 8.4)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import asdict, frozen

from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.codecs.rest.unit import (
    UnitLogsModel,
    UnitModel,
    UnitsModel,
    unit_log_model,
    unit_model,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, RepoId, UnitId
from pepeunit.domain.nodes.node import NodeType
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.log import LogLevel
from pepeunit.entrypoints.http.paging import (
    by_name,
    last_changed_first,
    newest_first,
    one_and_many,
    order_by,
    set_of,
    slice_of,
)
from pepeunit.entrypoints.http.route import Route
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.units.create_unit import CreateUnit, UnitSettings
from pepeunit.usecases.units.edit_unit import DeleteUnit, EditUnit, UnitChanges
from pepeunit.usecases.units.read_logs import ListUnitLogs
from pepeunit.usecases.units.read_units import GetUnit, ListUnits, NestedNodes


@frozen
class UnitPath:
    uuid: UnitId


@frozen
class NewUnit:
    """Branch and commit are needed when the unit does not follow its repo."""

    repo_uuid: RepoId
    visibility_level: Visibility
    name: str
    is_auto_update_from_repo_unit: bool
    target_firmware_platform: str | None = None
    repo_branch: str | None = None
    repo_commit: Sha | None = None


@frozen
class UnitPatch:
    """Null leaves a value as it is."""

    visibility_level: Visibility | None = None
    name: str | None = None
    is_auto_update_from_repo_unit: bool | None = None
    target_firmware_platform: str | None = None
    repo_branch: str | None = None
    repo_commit: Sha | None = None


@frozen(kw_only=True)
class UnitList(Paged):
    """The three filters by node count only with ``is_include_output_unit_nodes``."""

    uuids: tuple[UUID, ...] | None = None
    creator_uuid: UUID | None = None
    repo_uuid: UUID | None = None
    repos_uuids: tuple[UUID, ...] | None = None
    search_string: str | None = None
    is_auto_update_from_repo_unit: bool | None = None
    visibility_level: tuple[Visibility, ...] | None = None
    order_by_unit_name: Direction | None = None
    order_by_create_date: Direction | None = None
    order_by_last_update: Direction | None = None
    is_include_output_unit_nodes: bool = False
    unit_node_input_uuid: NodeId | None = None
    unit_node_type: tuple[NodeType, ...] | None = None
    unit_node_uuids: tuple[UUID, ...] | None = None

    def nested(self) -> NestedNodes | None:
        if not self.is_include_output_unit_nodes:
            return None
        return NestedNodes(
            self.unit_node_input_uuid, set_of(self.unit_node_uuids), set_of(self.unit_node_type)
        )


@frozen(kw_only=True)
class LogList(Paged):
    """``uuid`` is the unit's."""

    uuid: UnitId
    level: tuple[LogLevel, ...] | None = None
    order_by_create_date: Direction | None = None


@frozen
class UnitDoor:
    create_unit: CreateUnit
    get_unit: GetUnit
    list_units: ListUnits
    edit_unit: EditUnit
    delete_unit: DeleteUnit
    list_logs: ListUnitLogs

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/units", self.create, status=201),
            Route.of("GET", "/units/{uuid}", self.get),
            Route.of("GET", "/units", self.find),
            Route.of("PATCH", "/units/{uuid}", self.edit),
            Route.of("DELETE", "/units/{uuid}", self.delete),
            Route.of("GET", "/units/log_list/", self.logs),
        )

    async def create(self, agent: Agent, body: NewUnit) -> UnitModel:
        """Make a unit from a repo."""
        settings = UnitSettings(
            name=body.name,
            visibility_level=body.visibility_level,
            is_auto_update_from_repo_unit=body.is_auto_update_from_repo_unit,
            target_firmware_platform=body.target_firmware_platform,
            repo_branch=body.repo_branch,
            repo_commit=body.repo_commit,
        )
        return unit_model(await self.create_unit(agent, body.repo_uuid, settings))

    async def get(self, agent: Agent, path: UnitPath) -> UnitModel:
        """One unit, without its nodes."""
        return unit_model(await self.get_unit(agent, path.uuid))

    async def find(self, agent: Agent, query: UnitList) -> UnitsModel:
        """Units, newest first, with their nodes when asked for; search looks at the name."""
        nested = query.nested()
        found = await self.list_units(
            agent,
            UnitQuery(
                scope=Scope.of(agent, set_of(query.visibility_level)),
                uuids=set_of(query.uuids),
                creator_uuid=query.creator_uuid,
                repos=one_and_many(query.repo_uuid, query.repos_uuids),
                search=query.search_string,
                is_auto_update_from_repo_unit=query.is_auto_update_from_repo_unit,
                owning=None if nested is None else nested.owning(agent),
                order=order_by(
                    newest_first(query.order_by_create_date),
                    last_changed_first(query.order_by_last_update),
                    by_name(query.order_by_unit_name),
                ),
                slice=slice_of(query),
            ),
            None if nested is None else nested.shown,
        )
        models = [unit_model(unit, found.nodes.get(unit.uuid, ())) for unit in found.page.items]
        return UnitsModel(found.page.count, models)

    async def edit(self, agent: Agent, path: UnitPath, body: UnitPatch) -> UnitModel:
        """Change a unit; ``Update`` is sent to it."""
        changes = UnitChanges(**asdict(body, recurse=False))
        return unit_model(await self.edit_unit(agent, path.uuid, changes))

    async def delete(self, agent: Agent, path: UnitPath) -> None:
        """Delete a unit with its nodes, edges, logs and stored texts."""
        await self.delete_unit(agent, path.uuid)

    async def logs(self, agent: Agent, query: LogList) -> UnitLogsModel:
        """What a unit logged, newest first."""
        page = await self.list_logs(
            agent,
            query.uuid,
            set_of(query.level),
            newest_first=query.order_by_create_date is not Direction.ASCENDING,
            rows_of=slice_of(query),
        )
        return UnitLogsModel(page.count, [unit_log_model(entry) for entry in page.items])
