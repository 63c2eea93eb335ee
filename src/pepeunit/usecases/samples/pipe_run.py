"""Run what was journalled through the pipes, in order, and hand rows to the lanes.

One task owns everything here. Cuts are made between two journal records: the rows, what the pipes
remember and the position always belong together (spec datapipe.md 11, durability).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from attrs import define, field

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.record import (
    ControlRecord,
    ControlRow,
    LogRecord,
    LogRow,
    NumbersRecord,
    Record,
    SampleRecord,
)
from pepeunit.domain.pipes.compiled import CompiledPipe
from pepeunit.domain.pipes.config import PolicyType
from pepeunit.domain.pipes.memory import NOT_DUE, NodeMemory
from pepeunit.domain.pipes.rows import Rows
from pepeunit.ports.record_codec import Tables
from pepeunit.usecases.samples.checkpointer import Checkpointer
from pepeunit.usecases.samples.counters import PipeCounters
from pepeunit.usecases.samples.due_windows import DueWindows
from pepeunit.usecases.samples.entry import ROW_BYTES
from pepeunit.usecases.samples.in_force import PipesInForce, Running, Status
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.intake import Intake
from pepeunit.usecases.samples.lane import Lane
from pepeunit.usecases.samples.lanes import Lanes
from pepeunit.usecases.samples.signal import Signal

log = logging.getLogger(__name__)

JOURNAL_RETRY_SECONDS: Final = 1.0
ROOM_LOOK_SECONDS: Final = 0.25
FLUSH_SHARE: Final = 0.125
"""Of a queue's memory, gathered since the last cut: then rows are handed over at once."""

Report = Callable[[UUID, Status], None]


@define(eq=False)
class _Column:
    """Messages of one record that run through one pipe."""

    memories: list[NodeMemory] = field(factory=list)
    payloads: list[bytes] = field(factory=list)
    nodes: list[Running] = field(factory=list)


class PipeRun:
    """``number`` is the first free number of a spool entry."""

    def __init__(
        self,
        parts: IngestParts,
        *,
        intake: Intake,
        in_force: PipesInForce,
        lanes: Lanes,
        checkpointer: Checkpointer,
        counters: PipeCounters,
        progressed: Signal,
        report: Report,
        number: int,
    ) -> None:
        self._codec = parts.codec
        self._clock = parts.clock
        self._limits = parts.limits
        self._intake = intake
        self._in_force = in_force
        self._lanes = lanes
        self._checkpointer = checkpointer
        self._counters = counters
        self._progressed = progressed
        self._report = report
        self._number = number
        self._out = Rows()
        self._log_rows: list[LogRow] = []
        self._due = DueWindows(in_force, parts.limits.slice_nodes)
        self._received_ms = 0
        self._text_bytes = 0
        """Of what was taken since the last cut."""
        self._flush_at: float | None = None
        self._cut_at = 0.0
        self._offered: int | None = None
        """The position of the newest snapshot."""
        self._is_finishing = False
        self.applied_version = in_force.version
        self.finished = asyncio.Event()
        self.dead: list[tuple[int, UUID, int]] = []
        """Series nobody can read any more, each with the position where it ended."""

    def finish(self) -> None:
        """Take out what is there, cut once more and end; then :attr:`finished` is set."""
        self._is_finishing = True
        self._intake.wake()

    @property
    def is_idle(self) -> bool:
        """Everything that was journalled is cut and handed over."""
        return self._intake.is_empty and self._flush_at is None

    @property
    def waiting_rows(self) -> int:
        out = self._out
        rows = len(out.n_records) + len(out.time_windows) + len(out.aggregates)
        return rows + len(out.last_values) + len(self._log_rows)

    async def run(self) -> None:
        """Until :meth:`finish`."""
        while True:
            try:
                async for record in self._intake.records():
                    await self._take(record)
                    if self._is_flush_due():
                        await self._cut()
                        await self._wait_for_room()
            except Unavailable as outage:
                log.warning("the journal cannot be read: %s", outage)
                await asyncio.sleep(JOURNAL_RETRY_SECONDS)
                continue
            if self._is_finishing:
                break
            if self._is_flush_due():
                await self._cut()
                await self._wait_for_room()
            await self._intake.wait(self._idle_seconds())
        await self._end()

    async def _end(self) -> None:
        while not self._checkpointer.is_idle:
            await self._progressed.wait(ROOM_LOOK_SECONDS)
        await self._cut()
        self.finished.set()

    # records

    async def _take(self, record: Record) -> None:
        if self._flush_at is None:
            self._flush_at = asyncio.get_running_loop().time() + self._limits.flush_seconds
        if isinstance(record, SampleRecord):
            await self._feed(record)
            self._text_bytes += record.payload_bytes
            self._received_ms = record.received_ms
        elif isinstance(record, ControlRecord):
            await self._apply(record.rows)
        elif isinstance(record, NumbersRecord):
            self._in_force.count_on(record.rows)
        elif isinstance(record, LogRecord):
            self._log_rows.extend(record.rows)
            self._text_bytes += sum(len(row[2]) for row in record.rows)

    async def _apply(self, rows: Sequence[ControlRow]) -> None:
        for index, row in enumerate(rows):
            if index % self._limits.slice_nodes == self._limits.slice_nodes - 1:
                await asyncio.sleep(0)
            status = self._in_force.apply(row)
            if status is not None:
                self._report(row[0], status)
        self._in_force.forget_old_configs()
        dead, self._in_force.dead = self._in_force.dead, []
        self.dead.extend((self._intake.position, *series) for series in dead)
        self.applied_version = self._in_force.version
        self._progressed()

    async def _feed(self, record: SampleRecord) -> None:
        columns: dict[CompiledPipe, _Column] = {}
        in_force, slice_samples = self._in_force, self._limits.slice_samples
        nodes, dirty, counters = in_force.nodes, in_force.dirty, self._counters
        for index, (node, payloads) in enumerate(record.payloads.items()):
            if index % slice_samples == slice_samples - 1:
                await asyncio.sleep(0)
            running = nodes.get(node)
            if running is None:
                counters.ignored += len(payloads)
                continue
            memory = running.memory
            pipe = memory.compiled
            if pipe is None and (running.is_resolved or not (pipe := in_force.resolve(running))):
                counters.ignored += len(payloads)
                continue
            memory.received += len(payloads)
            dirty.add(running)
            column = columns.get(pipe)
            if column is None:
                column = columns[pipe] = _Column()
            column.nodes.append(running)
            column.payloads.extend(payloads)
            if len(payloads) == 1:
                column.memories.append(memory)
            else:
                column.memories.extend([memory] * len(payloads))
        for pipe, column in columns.items():
            await self._run_column(pipe, column, record.received_ms)

    async def _run_column(self, pipe: CompiledPipe, column: _Column, received_ms: int) -> None:
        memories, payloads, counters = column.memories, column.payloads, self._counters
        step = self._limits.slice_samples
        for begin in range(0, len(memories), step):
            some = memories[begin : begin + step]
            counters.accepted += pipe.feed_mixed(
                some,
                [received_ms] * len(some),
                payloads[begin : begin + step],
                self._out,
                counters.drops,
            )
            if len(memories) > step:
                await asyncio.sleep(0)
        if pipe.config.processing_policy.policy_type is PolicyType.AGGREGATION:
            for running in column.nodes:
                if running.memory.due_ms < running.due_ms:
                    self._due.watch(running)

    # cuts

    def _is_flush_due(self) -> bool:
        loop_time = asyncio.get_running_loop().time()
        if self._flush_at is not None and loop_time >= self._flush_at:
            return True
        gathered_bytes = self._text_bytes + self.waiting_rows * ROW_BYTES
        if gathered_bytes >= FLUSH_SHARE * self._limits.queue_bytes_max:
            return True
        if self.waiting_rows >= self._limits.flush_rows:
            return loop_time >= self._cut_at + self._limits.flush_seconds_min
        if self._due.next_ms < NOT_DUE and self._intake.is_empty:
            return self._due.next_ms <= int(self._clock().timestamp() * 1000)
        return self._is_snapshot_due(loop_time)

    def _is_snapshot_due(self, loop_time: float) -> bool:
        due_at = self._checkpointer.due_at
        return self._is_changed and due_at is not None and due_at <= loop_time

    @property
    def _is_changed(self) -> bool:
        """Since the newest snapshot."""
        in_force = self._in_force
        return bool(self._offered != self._intake.position or in_force.dirty or in_force.gone)

    def _idle_seconds(self) -> float | None:
        """How long nothing has to be done unless a record comes."""
        loop_time = asyncio.get_running_loop().time()
        found: list[float] = []
        if self._flush_at is not None:
            found.append(self._flush_at - loop_time)
        if self._due.next_ms < NOT_DUE:
            left = self._due.next_ms / 1000 - self._clock().timestamp()
            found.append(min(left, self._limits.clock_seconds))
        if self._is_changed:
            due_at = self._checkpointer.due_at
            found.append(ROOM_LOOK_SECONDS if due_at is None else due_at - loop_time)
        return max(0.001, min(found)) if found else None

    async def _cut(self) -> None:
        """Hand over what gathered; write down where we are when that is due."""
        now_ms = self._intake.received_before(int(self._clock().timestamp() * 1000))
        await self._due.close(self._received_ms if now_ms is None else now_ms, self._out)
        loop_time = asyncio.get_running_loop().time()
        self._flush_at, self._cut_at = None, loop_time
        position, out = self._intake.position, self._out
        self._counters.nonfinite_windows += out.nonfinite_windows
        self._out, log_rows, self._log_rows = Rows(), self._log_rows, []
        values = [(node, text, ms) for node, (text, ms) in out.last_values.items()]
        self._put(self._lanes.series, position, (out.n_records, out.time_windows, out.aggregates))
        self._put(self._lanes.values, position, (values,))
        self._put(self._lanes.logs, position, (log_rows,))
        self._text_bytes = 0
        if self._is_finishing or self._is_snapshot_due(loop_time):
            slice_nodes = self._limits.slice_nodes
            snapshot = await self._in_force.snapshot(position, self._codec, slice_nodes)
            self._offered = position
            self._checkpointer.offer(snapshot)

    def _put(self, lane: Lane, position: int, tables: Tables) -> None:
        if any(tables):
            lane.put(self._number, position, tables, self._text_bytes)
            self._number += 1

    async def _wait_for_room(self) -> None:
        """Stand still while a store's rows take more memory than they may."""
        cap = self._limits.queue_bytes_max
        while any(lane.memory_bytes > cap for lane in self._lanes):
            self._checkpointer.is_hurried = True
            if self._is_changed and self._checkpointer.is_idle:
                await self._cut()
            await self._progressed.wait(ROOM_LOOK_SECONDS)
        self._checkpointer.is_hurried = False
