"""Replace a node's stored data by the rows of a file: all of them or nothing (datapipe.md 9)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Conflict, Topic, Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.config import PolicyType
from pepeunit.domain.pipes.csv_check import CsvCheck
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.pipeline import Pipeline
from pepeunit.ports.series_admin import SeriesAdmin
from pepeunit.ports.series_writer import SeriesBatch, SeriesWriter
from pepeunit.usecases.pipes.rules import PipeRules

log = logging.getLogger(__name__)

_FIELDS: Final = {
    PolicyType.N_RECORDS: "n_records",
    PolicyType.TIME_WINDOW: "time_windows",
    PolicyType.AGGREGATION: "aggregates",
}
"""Where a batch has the rows of a policy."""


class Table(Protocol):
    """A file of rows, read block by block off the event loop; each block is written at once."""

    def read(self) -> tuple[Sequence[str], Iterator[Sequence[Sequence[str]]]]:
        """The header, and the rows in blocks. Both raise ``Invalid`` (topic pipe), whose message
        names the row."""
        ...


@frozen
class ImportSeries:
    """Rows go to a generation nobody reads; one transaction shows them when all passed."""

    database: Database
    rules: PipeRules
    writer: SeriesWriter
    admin: SeriesAdmin
    pipeline: Pipeline
    clock: Clock

    async def __call__(self, agent: Agent, uuid: NodeId, table: Table) -> int:
        """How many rows were taken. What is stored is gone then, in all three tables.

        Raises ``Invalid`` (topic pipe) while the pipe is inactive or has no config, for
        LastValue, and for the first row that breaks a rule; ``Conflict`` (topic pipe) when the
        config or the data were replaced meanwhile. After any error the node's data are as they
        were.
        """
        async with self.database.begin() as tx:
            node = await self.rules.owned(tx, agent, uuid)
            config = self.rules.stored(node)
            generation = await tx.pipes.reserve()
        now_ms = to_ms(self.clock())
        try:
            header, blocks = await asyncio.to_thread(table.read)
            check = CsvCheck(config, header, now_ms, uuid, generation)
            await self._write(check, blocks, config.processing_policy.policy_type)
            async with self.database.begin() as tx:
                now = await self.rules.owned(tx, agent, uuid, for_update=True)
                if now.data_pipe_yml != node.data_pipe_yml or not now.is_data_pipe_active:
                    raise Conflict("the config changed meanwhile, try again", Topic.PIPE)
                shown = await tx.pipes.series(uuid)
                if shown is not None and shown.generation > generation:
                    # what the sweep may have freed is never shown
                    raise Conflict("the data changed meanwhile, try again", Topic.PIPE)
                await tx.pipes.renew(uuid, seq=check.rows, generation=generation)
                setting = await tx.pipes.setting(uuid)
        except BaseException:  # also when the caller hangs up
            await asyncio.shield(self._forget(uuid, generation))
            raise
        if setting is not None:
            await self.pipeline.applied(setting.version)
        return check.rows

    async def _write(
        self, check: CsvCheck, blocks: Iterator[Sequence[Sequence[str]]], policy: PolicyType
    ) -> None:
        batches = map(check.check, blocks)
        rows = await asyncio.to_thread(next, batches, None)
        number = 0
        while rows is not None:
            node, generation, *_ = rows[0]
            columns: dict[str, Any] = {_FIELDS[policy]: rows}
            batch = SeriesBatch(f"import-{node}-{generation}-{number}", **columns)
            # the next batch is read meanwhile; both end before anything else happens
            written, following = await asyncio.gather(
                self.writer.write(batch),
                asyncio.to_thread(next, batches, None),
                return_exceptions=True,
            )
            if isinstance(written, BaseException):
                raise written
            if isinstance(following, BaseException):
                raise following
            rows = following
            number += 1
        check.end()

    async def _forget(self, node: NodeId, generation: int) -> None:
        """Free what was written. Nobody reads it, and the sweep would find it too."""
        try:
            await self.admin.delete([(node, generation)])
        except Unavailable as outage:
            log.warning("rows of a refused import wait for the sweep: %s", outage)
