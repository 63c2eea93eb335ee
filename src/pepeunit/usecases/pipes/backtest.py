"""What another config would keep of a node's stored history; nothing changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from pepeunit.domain.errors import Invalid, NotFound, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.compiled import CompiledPipe, compile_pipe
from pepeunit.domain.pipes.config import PipeConfig, PolicyType
from pepeunit.domain.pipes.drops import REASONS, Drops, no_drops
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.domain.pipes.rows import Rows, StoredRow
from pepeunit.domain.pipes.series import FIRST_GENERATION
from pepeunit.domain.pipes.validation import read_config
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.series_reader import SeriesQuery, SeriesReader
from pepeunit.usecases.pipes.rules import PipeForms

STORING: Final = (PolicyType.N_RECORDS, PolicyType.TIME_WINDOW, PolicyType.AGGREGATION)


@frozen
class Backtest:
    """``source`` is the policy whose rows were read, of which ``read`` are stored from
    ``first_ms`` to ``last_ms``; ``rows`` would be there to read at the end, under ``policy``.

    ``is_exact`` is false where the stored values are not what the device sent: they went through
    transformations or into aggregates.
    """

    source: PolicyType
    policy: PolicyType
    read: int
    accepted: int
    rows: int
    dropped: Mapping[str, int]
    is_exact: bool
    first_ms: int | None = None
    last_ms: int | None = None


@frozen
class BacktestPipe:
    """For whoever holds the machine: it asks for no agent."""

    database: Database
    forms: PipeForms
    reader: SeriesReader
    clock: Clock

    async def __call__(self, uuid: NodeId, content: bytes) -> Backtest:
        """Run the node's rows through the config in YAML, in the order they came.

        The rows are those of the node's current policy. Raises ``NotFound``, and ``Invalid``
        (topic pipe) for what is no config and for a node whose policy stores no rows.
        """
        config = read_config(self.forms.read(content), self.forms.payload_bytes_max)
        async with self.database.read() as rows:
            node = await rows.nodes.get(uuid)
            series = await rows.pipes.series(uuid)
        if node is None or series is None:
            raise NotFound("node not found")
        current = self.forms.load(node.data_pipe_yml) if node.data_pipe_yml else None
        source = current and current.processing_policy.policy_type
        if current is None or source not in STORING:
            raise Invalid("the node's policy stores no history", Topic.PIPE)
        run = _Run(config, source, uuid)
        now_ms = to_ms(self.clock())
        query = SeriesQuery(series, source.value, now_ms, newest_first=False)
        async for block in self.reader.stream(query):
            await asyncio.to_thread(run.feed, block)
        is_exact = source is not PolicyType.AGGREGATION and not current.is_transforming
        return run.told(now_ms, is_exact=is_exact)


@define
class _Run:
    config: PipeConfig
    source: PolicyType
    node: NodeId
    read: int = 0
    accepted: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    drops: Drops = field(factory=no_drops)
    _kept: int = 0
    _expiries: list[int] = field(factory=list)
    _memory: NodeMemory = field(init=False)
    _pipe: CompiledPipe = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._memory = NodeMemory(self.node, FIRST_GENERATION)
        self._pipe = compile_pipe(self.config)

    def feed(self, block: Sequence[StoredRow]) -> None:
        values: Any = block
        if self.source is PolicyType.AGGREGATION:
            # a window's value stands for its last moment, so that it falls into its own window
            times = [row[7] - 1 for row in values]
            payloads = [repr(row[2]).encode() for row in values]
        else:
            times = [row[5] for row in values]
            payloads = [row[3].encode() for row in values]
        out = Rows()
        self.accepted += self._pipe.feed(
            self.node, FIRST_GENERATION, self._memory, times, payloads, out, self.drops
        )
        self._memory.close(self.node, FIRST_GENERATION, times[-1], out)
        self._take(out)
        self.read += len(block)
        self.first_ms = times[0] if self.first_ms is None else self.first_ms
        self.last_ms = times[-1]

    def _take(self, out: Rows) -> None:
        self._kept += len(out.n_records) + len(out.aggregates)
        self._expiries += [row[6] for row in out.time_windows]

    def told(self, now_ms: int, *, is_exact: bool) -> Backtest:
        out = Rows()
        self._memory.close(self.node, FIRST_GENERATION, now_ms, out)
        self._take(out)
        policy = self.config.processing_policy
        rows = self._kept
        match policy.policy_type:
            case PolicyType.N_RECORDS:
                rows = min(rows, policy.n_records_count or 0)
            case PolicyType.TIME_WINDOW:
                rows = sum(expires > now_ms for expires in self._expiries)
            case PolicyType.LAST_VALUE:
                rows = min(self.accepted, 1)
            case PolicyType.AGGREGATION:
                pass
        return Backtest(
            source=self.source,
            policy=policy.policy_type,
            read=self.read,
            accepted=self.accepted,
            rows=rows,
            dropped=dict(zip(REASONS, self.drops, strict=True)),
            is_exact=is_exact,
            first_ms=self.first_ms,
            last_ms=self.last_ms,
        )
