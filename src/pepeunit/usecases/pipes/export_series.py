"""A node's stored rows as a file, from one snapshot (spec datapipe.md 9, rulings 33)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.config import PolicyType
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.domain.pipes.rows import StoredRow
from pepeunit.domain.pipes.series import Series
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.series_reader import SeriesQuery, SeriesReader
from pepeunit.usecases.pipes.rules import PipeRules


@frozen
class SeriesExport:
    """``blocks`` are never empty; whoever stops early closes them."""

    policy: PolicyType
    blocks: AsyncGenerator[Sequence[StoredRow]]


@frozen
class ExportSeries:
    """For the creator and the node's own unit (rulings 13, B19)."""

    database: Database
    rules: PipeRules
    reader: SeriesReader
    clock: Clock

    async def __call__(self, agent: Agent, uuid: NodeId, *, every: bool = False) -> SeriesExport:
        """The rows of the current policy, oldest first; of Aggregation those of the current
        function and window unless ``every``.

        Raises ``Invalid`` (topic pipe) while the pipe is inactive or has no config, for
        LastValue, and without a row.
        """
        async with self.database.read() as rows:
            node = await self.rules.readable(rows, agent, uuid)
            policy = self.rules.stored(node).processing_policy
            series = await rows.pipes.series(uuid) or Series(uuid)
        function = policy.aggregation_functions
        is_narrowed = policy.policy_type is PolicyType.AGGREGATION and not every
        query = SeriesQuery(
            series=series,
            policy=policy.policy_type.value,
            now_ms=to_ms(self.clock()),
            functions=frozenset({function.value}) if is_narrowed and function else None,
            window_seconds=policy.time_window_size if is_narrowed else None,
            newest_first=False,
        )
        blocks = aiter(self.reader.stream(query))
        first = await _first(blocks)
        return SeriesExport(policy.policy_type, _from(first, blocks))


async def _first(blocks: AsyncIterator[Sequence[StoredRow]]) -> Sequence[StoredRow]:
    async for block in blocks:
        if block:
            return block
    raise Invalid("No data found", Topic.PIPE)


async def _from(
    first: Sequence[StoredRow], rest: AsyncIterator[Sequence[StoredRow]]
) -> AsyncGenerator[Sequence[StoredRow]]:
    try:
        yield first
        async for block in rest:
            if block:
                yield block
    finally:
        close = getattr(rest, "aclose", None)
        if close is not None:
            await close()
