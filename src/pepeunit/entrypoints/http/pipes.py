"""The pipes of nodes over REST (spec rest.md 8.5, datapipe.md 8, 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Final

from attrs import frozen

from pepeunit.codecs.pipe import DOCUMENT_BYTES_MAX
from pepeunit.codecs.pipe_csv import PipeCsv, csv_head, csv_lines
from pepeunit.codecs.rest.pipe import (
    PipeDataModel,
    PipeDropsModel,
    PipeErrorModel,
    pipe_data_model,
    pipe_drops_model,
    pipe_error_model,
)
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.codecs.zip_pieces import ZipPieces
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.config import AggregationFunction, PolicyType
from pepeunit.domain.pipes.rows import StoredRow
from pepeunit.entrypoints.http.paging import set_of, slice_of
from pepeunit.entrypoints.http.route import Call, File, Pieces, Route, SpooledUpload, Upload
from pepeunit.usecases.pipes.configure import CheckPipeConfig, GetPipeConfig, SetPipeConfig
from pepeunit.usecases.pipes.drops import ReadPipeDrops
from pepeunit.usecases.pipes.export_series import ExportSeries, SeriesExport
from pepeunit.usecases.pipes.import_series import ImportSeries
from pepeunit.usecases.pipes.purge import PurgeSeries
from pepeunit.usecases.pipes.read_series import ReadSeries, SeriesFilter

FILE_PART: Final = "data"
MULTIPART_BYTES: Final = 16 * 1024
"""What the form around a config may take."""
YAML: Final = "text/plain; charset=utf-8"
ZIP: Final = "application/zip"


@frozen
class NodePath:
    uuid: NodeId


@frozen
class OfNode:
    """``uuid`` is the node's."""

    uuid: NodeId


@frozen(kw_only=True)
class SeriesList(Paged):
    """``uuid`` is the node's, ``type`` the policy whose rows are read.

    The two ``agg`` moments compare with the end of the window. ``relative_time`` is a number and
    one of s, m, h, d, M, y, such as 15m; M is a calendar month.
    """

    uuid: NodeId
    type: PolicyType
    search_string: str | None = None
    aggregation_type: tuple[AggregationFunction, ...] | None = None
    time_window_size: int | None = None
    start_agg_window_datetime: datetime | None = None
    end_agg_window_datetime: datetime | None = None
    start_create_datetime: datetime | None = None
    end_create_datetime: datetime | None = None
    relative_time: str | None = None
    order_by_create_date: Direction | None = None

    def filter(self) -> SeriesFilter:
        return SeriesFilter(
            policy=self.type,
            search=self.search_string,
            functions=set_of(self.aggregation_type),
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
class EveryRow:
    """With ``all`` also the aggregates of former functions and window sizes."""

    all: bool = False


@frozen
class PipeDoor:
    check_config: CheckPipeConfig
    set_config: SetPipeConfig
    get_config: GetPipeConfig
    read_data: ReadSeries
    export_data: ExportSeries
    import_data: ImportSeries
    purge_data: PurgeSeries
    read_drops: ReadPipeDrops

    def routes(self) -> Sequence[Route]:
        config_bytes = DOCUMENT_BYTES_MAX + MULTIPART_BYTES
        return (
            Route.of(
                "POST",
                "/unit_nodes/check_data_pipe_config",
                self.check_pipe,
                file_part=FILE_PART,
                body_bytes_max=config_bytes,
                changes=False,
            ),
            Route.of(
                "POST",
                "/unit_nodes/set_data_pipe_config",
                self.set_pipe,
                file_part=FILE_PART,
                body_bytes_max=config_bytes,
            ),
            Route.of(
                "GET",
                "/unit_nodes/get_data_pipe_config/{uuid}",
                self.get_pipe,
                media_type="text/plain",
            ),
            Route.of("GET", "/unit_nodes/get_data_pipe_data/", self.read_rows),
            Route.of(
                "GET", "/unit_nodes/get_data_pipe_data_csv/{uuid}", self.export_csv, media_type=ZIP
            ),
            Route.of(
                "POST",
                "/unit_nodes/set_data_pipe_data_csv",
                self.import_csv,
                file_part=FILE_PART,
            ),
            Route.of("DELETE", "/unit_nodes/delete_data_pipe_data/{uuid}", self.purge_rows),
            Route.of("GET", "/unit_nodes/data_pipe_drops/{uuid}", self.tell_drops),
        )

    async def check_pipe(self, agent: Agent, file: Upload, call: Call) -> list[PipeErrorModel]:
        """What is wrong with a config; an empty list when nothing is."""
        found = await self.check_config(agent, file.content, call.address)
        return [pipe_error_model(violation) for violation in found]

    async def set_pipe(self, agent: Agent, query: OfNode, file: Upload) -> None:
        """Give a node's active pipe a config; it rules from the answer on."""
        await self.set_config(agent, query.uuid, file.content)

    async def get_pipe(self, agent: Agent, path: NodePath) -> File:
        """The config of one's own node as YAML."""
        return File((await self.get_config(agent, path.uuid)).encode(), YAML)

    async def read_rows(self, agent: Agent, query: SeriesList) -> PipeDataModel:
        """What a node's pipe kept, newest first; search is one substring of the state.

        LastValue is one row at most and takes no filter.
        """
        page = await self.read_data(agent, query.uuid, query.filter())
        return pipe_data_model(page.count, query.type, page.items)

    async def export_csv(self, agent: Agent, path: NodePath, query: EveryRow) -> Pieces:
        """All rows of the current policy as CSV in a zip, oldest first."""
        export = await self.export_data(agent, path.uuid, every=query.all)
        return Pieces(_zipped(f"dp_data_{path.uuid}.csv", export), ZIP)

    async def import_csv(self, agent: Agent, query: OfNode, file: SpooledUpload) -> None:
        """Replace a node's stored data by the rows of a CSV file: all of them or nothing.

        Needed columns: state, create_datetime, and for Aggregation start_window_datetime and
        end_window_datetime; moments are ``YYYY-MM-DD HH:MM:SS[.ffffff]`` in UTC, ascending.
        """
        await self.import_data(agent, query.uuid, PipeCsv(file.file))

    async def purge_rows(self, agent: Agent, path: NodePath) -> None:
        """Delete a node's stored data; state and config stay."""
        await self.purge_data(agent, path.uuid)

    async def tell_drops(self, agent: Agent, path: NodePath) -> PipeDropsModel:
        """Why a value is missing: how many messages were kept, and why the others were not."""
        return pipe_drops_model(path.uuid, await self.read_drops(agent, path.uuid))


def _piece(archive: ZipPieces, policy: PolicyType, block: Sequence[StoredRow]) -> bytes:
    return archive.add(csv_lines(policy, block))


async def _zipped(name: str, export: SeriesExport) -> AsyncGenerator[bytes]:
    archive = ZipPieces(name)
    try:
        yield archive.add(csv_head(export.policy))
        async for block in export.blocks:
            yield await asyncio.to_thread(_piece, archive, export.policy, block)
        yield archive.close()
    finally:
        archive.close()
        await export.blocks.aclose()
