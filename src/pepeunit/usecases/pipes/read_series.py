"""Read what a node's pipe kept (spec datapipe.md 8)."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import NodeId
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.pipes.config import AggregationFunction, PolicyType
from pepeunit.domain.pipes.moments import before, to_ms
from pepeunit.domain.pipes.rows import NewestValue, StoredRow
from pepeunit.domain.pipes.series import Series
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.paging import WHOLE, Page, Slice
from pepeunit.ports.series_reader import SeriesQuery, SeriesReader
from pepeunit.usecases.pipes.rules import PipeRules


@frozen
class SeriesFilter:
    """What a caller may ask for; bounds are inclusive, and all of them must hold.

    ``functions``, ``window_seconds`` and ``window_end_*`` are for Aggregation alone, ``search``
    for the others.
    """

    policy: PolicyType
    search: str | None = None
    functions: frozenset[AggregationFunction] | None = None
    window_seconds: int | None = None
    window_end_from: datetime | None = None
    window_end_to: datetime | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    relative_time: str | None = None
    newest_first: bool = True
    slice: Slice = WHOLE

    def query(self, series: Series, now: datetime) -> SeriesQuery:
        """Raises ``Invalid`` (topic pipe) for a bad ``relative_time``."""
        created_from = self.created_from
        if self.relative_time is not None:
            earliest = before(now, self.relative_time)
            created_from = max(earliest, created_from or earliest)
        is_aggregated = self.policy is PolicyType.AGGREGATION
        functions = self.functions if is_aggregated else None
        return SeriesQuery(
            series=series,
            policy=self.policy.value,
            now_ms=to_ms(now),
            search=None if is_aggregated else self.search or None,
            functions=None if functions is None else frozenset(one.value for one in functions),
            window_seconds=self.window_seconds if is_aggregated else None,
            window_end_from_ms=_from(self.window_end_from) if is_aggregated else None,
            window_end_to_ms=_to(self.window_end_to) if is_aggregated else None,
            created_from_ms=_from(created_from),
            created_to_ms=_to(self.created_to),
            newest_first=self.newest_first,
            slice=self.slice,
        )


def _to(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _from(moment: datetime | None) -> int | None:
    """The first whole millisecond that is not before the moment."""
    if moment is None:
        return None
    return to_ms(moment) + (moment.microsecond % 1000 > 0)


@frozen
class ReadSeries:
    """For the creator and the node's own unit (rulings 13, B19)."""

    database: Database
    rules: PipeRules
    reader: SeriesReader
    clock: Clock

    async def __call__(
        self, agent: Agent, uuid: NodeId, asked: SeriesFilter
    ) -> Page[StoredRow] | Page[NewestValue]:
        """The rows of the asked policy, whatever the current one is.

        LastValue takes no filter. Raises ``Invalid`` (topic pipe) for a bad ``relative_time``.
        """
        async with self.database.read() as rows:
            node = await self.rules.readable(rows, agent, uuid)
            series = await rows.pipes.series(uuid) or Series(uuid)
        query = asked.query(series, self.clock())
        if asked.policy is PolicyType.LAST_VALUE:
            return last_value_of(node)
        return await self.reader.find(query)


def last_value_of(node: Node) -> Page[NewestValue]:
    if node.state is None:
        return Page(0, ())
    received = node.state_datetime or node.last_update_datetime
    return Page(1, (NewestValue(node.uuid, node.state, received),))
