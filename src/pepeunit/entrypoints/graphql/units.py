"""Devices over GraphQL (spec graphql.md 6, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from attrs import asdict, frozen

from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.codecs.rest.unit import (
    UnitLogModel,
    UnitLogsModel,
    UnitModel,
    UnitsModel,
    UnitStateModel,
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
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.entrypoints.graphql.door import Call, Resolvers
from pepeunit.entrypoints.graphql.filters import (
    DONE,
    Done,
    among,
    members,
    one_and_many,
    ordered,
    slice_of,
)
from pepeunit.ports.paging import OrderKey
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.units.create_unit import CreateUnit, UnitSettings
from pepeunit.usecases.units.edit_unit import DeleteUnit, EditUnit, UnitChanges
from pepeunit.usecases.units.read_logs import ListUnitLogs
from pepeunit.usecases.units.read_units import GetUnit, ListUnits, NestedNodes

NODES: Final = "unitNodes"


@frozen
class NewUnit:
    """Branch and commit are needed when the unit does not follow its repo."""

    repo_uuid: RepoId
    visibility_level: Visibility
    name: str
    is_auto_update_from_repo_unit: bool
    target_firmware_platform: str | None
    repo_branch: str | None
    repo_commit: Sha | None


@frozen
class UnitPatch:
    """Null leaves a value as it is."""

    visibility_level: Visibility | None
    name: str | None
    is_auto_update_from_repo_unit: bool | None
    target_firmware_platform: str | None
    repo_branch: str | None
    repo_commit: Sha | None


@frozen(kw_only=True)
class UnitFilter(Paged):
    """The three filters by node count only where nodes are selected."""

    uuids: Sequence[UUID] | None
    creator_uuid: UUID | None
    repo_uuid: UUID | None
    repos_uuids: Sequence[UUID] | None
    search_string: str | None
    is_auto_update_from_repo_unit: bool | None
    visibility_level: Sequence[Visibility] | None
    order_by_unit_name: Direction | None
    order_by_create_date: Direction | None
    order_by_last_update: Direction | None
    unit_node_input_uuid: NodeId | None
    unit_node_type: Sequence[NodeType] | None
    unit_node_uuids: Sequence[UUID] | None


@frozen(kw_only=True)
class LogFilter(Paged):
    """``uuid`` is the unit's."""

    uuid: UnitId
    level: Sequence[LogLevel] | None
    order_by_create_date: Direction | None


@frozen
class UnitDoor:
    create_unit: CreateUnit
    get_unit: GetUnit
    list_units: ListUnits
    edit_unit: EditUnit
    delete_unit: DeleteUnit
    list_logs: ListUnitLogs

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="units",
            collection="units",
            queries={"getUnit": self.get, "getUnits": self.find, "getUnitLogs": self.logs},
            mutations={
                "createUnit": self.create,
                "updateUnit": self.edit,
                "deleteUnit": self.delete,
            },
            inputs={
                "UnitCreateInput": NewUnit,
                "UnitUpdateInput": UnitPatch,
                "UnitFilterInput": UnitFilter,
                "UnitLogFilterInput": LogFilter,
            },
            outputs={
                "UnitStateType": UnitStateModel,
                "UnitType": UnitModel,
                "UnitsResultType": UnitsModel,
                "UnitLogType": UnitLogModel,
                "UnitLogsResultType": UnitLogsModel,
            },
            enums={"UnitFirmwareUpdateStatus": UpdateStatus, "LogLevel": LogLevel},
        )

    async def create(self, agent: Agent, unit: NewUnit) -> UnitModel:
        settings = UnitSettings(
            name=unit.name,
            visibility_level=unit.visibility_level,
            is_auto_update_from_repo_unit=unit.is_auto_update_from_repo_unit,
            target_firmware_platform=unit.target_firmware_platform,
            repo_branch=unit.repo_branch,
            repo_commit=unit.repo_commit,
        )
        return unit_model(await self.create_unit(agent, unit.repo_uuid, settings))

    async def get(self, agent: Agent, uuid: UUID) -> UnitModel:
        """Without its nodes, as over REST."""
        return unit_model(await self.get_unit(agent, UnitId(uuid)))

    async def find(self, agent: Agent, filters: UnitFilter, call: Call) -> UnitsModel:
        """One statement for the units and, where nodes are selected, one for all their nodes."""
        nested = None
        if call.selects(NODES):
            nested = NestedNodes(
                filters.unit_node_input_uuid,
                among(filters.unit_node_uuids),
                members(filters.unit_node_type, NodeType),
            )
        found = await self.list_units(
            agent,
            UnitQuery(
                scope=Scope.of(agent, members(filters.visibility_level, Visibility)),
                uuids=among(filters.uuids),
                creator_uuid=filters.creator_uuid,
                repos=one_and_many(filters.repo_uuid, filters.repos_uuids),
                search=filters.search_string,
                is_auto_update_from_repo_unit=filters.is_auto_update_from_repo_unit,
                owning=None if nested is None else nested.owning(agent),
                order=ordered(
                    call.given("filters"),
                    ("orderByCreateDate", OrderKey.CREATE_DATETIME, filters.order_by_create_date),
                    (
                        "orderByLastUpdate",
                        OrderKey.LAST_UPDATE_DATETIME,
                        filters.order_by_last_update,
                    ),
                    ("orderByUnitName", OrderKey.NAME, filters.order_by_unit_name),
                ),
                slice=slice_of(filters),
            ),
            None if nested is None else nested.shown,
        )
        models = [unit_model(unit, found.nodes.get(unit.uuid, ())) for unit in found.page.items]
        return UnitsModel(found.page.count, models)

    async def edit(self, agent: Agent, uuid: UUID, unit: UnitPatch) -> UnitModel:
        """``Update`` is sent to it."""
        changes = UnitChanges(**asdict(unit, recurse=False))
        return unit_model(await self.edit_unit(agent, UnitId(uuid), changes))

    async def delete(self, agent: Agent, uuid: UUID) -> Done:
        await self.delete_unit(agent, UnitId(uuid))
        return DONE

    async def logs(self, agent: Agent, filters: LogFilter) -> UnitLogsModel:
        page = await self.list_logs(
            agent,
            filters.uuid,
            members(filters.level, LogLevel),
            newest_first=filters.order_by_create_date is not Direction.ASCENDING,
            rows_of=slice_of(filters),
        )
        return UnitLogsModel(page.count, [unit_log_model(entry) for entry in page.items])
