"""The pipes of nodes over GraphQL (spec graphql.md 6, 7; datapipe.md 8, 9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.pipe import DOCUMENT_BYTES_MAX
from pepeunit.codecs.pipe_csv import PipeCsv
from pepeunit.codecs.rest.pipe import (
    AggregationModel,
    LastValueModel,
    NRecordModel,
    PipeDataModel,
    PipeDropsModel,
    PipeErrorModel,
    TimeWindowModel,
    pipe_data_model,
    pipe_drops_model,
    pipe_error_model,
)
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.config import AggregationFunction, InputType, PolicyType, Stage
from pepeunit.entrypoints.graphql.door import Call, Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done, members, slice_of
from pepeunit.entrypoints.graphql.uploads import File
from pepeunit.usecases.pipes.configure import CheckPipeConfig, GetPipeConfig, SetPipeConfig
from pepeunit.usecases.pipes.drops import ReadPipeDrops
from pepeunit.usecases.pipes.import_series import ImportSeries
from pepeunit.usecases.pipes.purge import PurgeSeries
from pepeunit.usecases.pipes.read_series import ReadSeries, SeriesFilter


@frozen(kw_only=True)
class PipeFilter(Paged):
    """``uuid`` is the node's, ``type`` the policy whose rows are read."""

    uuid: NodeId
    type: PolicyType
    search_string: str | None
    aggregation_type: Sequence[AggregationFunction] | None
    time_window_size: int | None
    start_agg_window_datetime: datetime | None
    end_agg_window_datetime: datetime | None
    start_create_datetime: datetime | None
    end_create_datetime: datetime | None
    relative_time: str | None
    order_by_create_date: Direction | None

    def filter(self) -> SeriesFilter:
        return SeriesFilter(
            policy=self.type,
            search=self.search_string,
            functions=members(self.aggregation_type, AggregationFunction),
            window_seconds=self.time_window_size,
            window_end_from=self.start_agg_window_datetime,
            window_end_to=self.end_agg_window_datetime,
            created_from=self.start_create_datetime,
            created_to=self.end_create_datetime,
            relative_time=self.relative_time,
            newest_first=self.order_by_create_date is not Direction.ASCENDING,
            slice=slice_of(self),
        )


@frozen
class PipeDrop:
    """How many messages were dropped for a reason."""

    reason: str
    count: int


def _pipe_drops(model: PipeDropsModel) -> list[PipeDrop]:
    return [PipeDrop(reason, count) for reason, count in model.dropped.items()]


@frozen
class PipeDoor:
    check_config: CheckPipeConfig
    set_config: SetPipeConfig
    get_config: GetPipeConfig
    read_data: ReadSeries
    import_data: ImportSeries
    purge_data: PurgeSeries
    read_drops: ReadPipeDrops

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="unit_nodes",
            collection="nodes",
            queries={
                "checkDataPipeConfig": self.check_pipe,
                "getDataPipeConfig": self.get_pipe,
                "getPipeData": self.read_rows,
                "getPipeDrops": self.tell_drops,
            },
            mutations={
                "setDataPipeConfig": self.set_pipe,
                "setDataPipeDataCsv": self.import_csv,
                "deleteDataPipeData": self.purge_rows,
            },
            inputs={"DataPipeFilterInput": PipeFilter},
            outputs={
                "DataPipeValidationErrorType": PipeErrorModel,
                "NRecordsType": NRecordModel,
                "TimeWindowType": TimeWindowModel,
                "AggregationType": AggregationModel,
                "LastValueType": LastValueModel,
                "PipeDataResultType": PipeDataModel,
                "PipeDropType": PipeDrop,
                "PipeDropsType": PipeDropsModel,
            },
            readers={"PipeDropsType.dropped": _pipe_drops},
            enums={
                "DataPipeStage": Stage,
                "ProcessingPolicyType": PolicyType,
                "TypeInputValue": InputType,
                "AggregationFunctions": AggregationFunction,
            },
        )

    async def check_pipe(self, agent: Agent, file: File, call: Call) -> list[PipeErrorModel]:
        found = await self.check_config(agent, _config(file), call.address)
        return [pipe_error_model(violation) for violation in found]

    async def set_pipe(self, agent: Agent, uuid: UUID, file: File) -> Done:
        await self.set_config(agent, NodeId(uuid), _config(file))
        return DONE

    async def get_pipe(self, agent: Agent, uuid: UUID) -> str:
        return await self.get_config(agent, NodeId(uuid))

    async def read_rows(self, agent: Agent, filters: PipeFilter) -> PipeDataModel:
        page = await self.read_data(agent, filters.uuid, filters.filter())
        return pipe_data_model(page.count, filters.type, page.items)

    async def import_csv(self, agent: Agent, uuid: UUID, file: File) -> Done:
        """Read from where the upload lies, never held whole."""
        with file.reader() as content:
            await self.import_data(agent, NodeId(uuid), PipeCsv(content))
        return DONE

    async def purge_rows(self, agent: Agent, uuid: UUID) -> Done:
        await self.purge_data(agent, NodeId(uuid))
        return DONE

    async def tell_drops(self, agent: Agent, uuid: UUID) -> PipeDropsModel:
        return pipe_drops_model(uuid, await self.read_drops(agent, NodeId(uuid)))


def _config(file: File) -> bytes:
    return file.content(DOCUMENT_BYTES_MAX, Topic.PIPE)
