"""A node's stored rows as a file, from one snapshot (spec datapipe.md 9, rulings 33)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self

from attrs import define, field, frozen

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
from pepeunit.usecases.access.turns import Turns
from pepeunit.usecases.pipes.rules import PipeRules

EXPORTS_MAX: Final = 2
"""At a time: as many as the store streams."""


@define(eq=False)
class Blocks:
    """Rows as they come; closing ends the stream and gives the turn back."""

    _first: Sequence[StoredRow] | None
    _rest: AsyncIterator[Sequence[StoredRow]]
    _open: AsyncExitStack

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[StoredRow]:
        first, self._first = self._first, None
        if first is not None:
            return first
        try:
            async for block in self._rest:
                if block:
                    return block
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await self._open.aclose()


@frozen
class SeriesExport:
    """``blocks`` are never empty; whoever stops early closes them."""

    policy: PolicyType
    blocks: Blocks


@frozen
class ExportSeries:
    """For the creator and the node's own unit (rulings 13, B19)."""

    database: Database
    rules: PipeRules
    reader: SeriesReader
    clock: Clock
    turns: Turns = field(factory=lambda: Turns("exports", EXPORTS_MAX), eq=False, repr=False)

    async def __call__(self, agent: Agent, uuid: NodeId, *, every: bool = False) -> SeriesExport:
        """The rows of the current policy, oldest first; of Aggregation those of the current
        function and window unless ``every``.

        Raises ``Invalid`` (topic pipe) while the pipe is inactive or has no config, for
        LastValue, and without a row; ``Throttled`` and ``Unavailable`` as turns do.
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
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.turns.one_of(agent.account))
            blocks = aiter(self.reader.stream(query))
            if (close := getattr(blocks, "aclose", None)) is not None:
                opening.push_async_callback(close)
            first = await _first(blocks)
            return SeriesExport(policy.policy_type, Blocks(first, blocks, opening.pop_all()))


async def _first(blocks: AsyncIterator[Sequence[StoredRow]]) -> Sequence[StoredRow]:
    async for block in blocks:
        if block:
            return block
    raise Invalid("No data found", Topic.PIPE)
