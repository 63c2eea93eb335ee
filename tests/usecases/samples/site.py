"""An instance around the pipeline: stores that can fail, and a process that can die."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from attrs import define, evolve, field

from pepeunit.adapters.memory.checkpoint import MemoryCheckpoint
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.codecs import records
from pepeunit.domain.errors import Invalid, Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.record import SampleRecord
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.pipes.series import Trim
from pepeunit.ports.database import Transaction
from pepeunit.ports.series_writer import SeriesBatch
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.limits import IngestLimits
from tests.doubles.rows import Household, a_node

EPOCH = datetime(2025, 3, 1, tzinfo=UTC)
DEADLINE_SECONDS = 10.0
JOURNAL_ID = UUID(int=1)
QUICK = IngestLimits(
    flush_seconds=0.001,
    flush_seconds_min=0.0,
    clock_seconds=0.005,
    retry_seconds_min=0.001,
    retry_seconds_max=0.005,
    checkpoint_seconds_min=0.0,
    checkpoint_patience_seconds=0.02,
    room_seconds=0.05,
    stop_seconds=5.0,
)

Row = tuple[Any, ...]


def config(
    policy: str = "LastValue",
    kind: str = "Text",
    *,
    rate: int = 0,
    unique: bool = False,
    **more: Any,
) -> dict[str, Any]:
    return {
        "active_period": {"type": "Permanent"},
        "filters": {
            "type_input_value": kind,
            "max_rate": rate,
            "max_size": 0,
            "last_unique_check": unique,
        },
        "processing_policy": {"policy_type": policy, **more},
    }


LAST_VALUE = config()
RECORDS = config("NRecords", n_records_count=100)
SUMS = config("Aggregation", "Number", time_window_size=60, aggregation_functions="Sum")


class MovableClock:
    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> datetime:
        return self.now

    def at(self, seconds: float) -> None:
        self.now = EPOCH + timedelta(milliseconds=int(seconds * 1000 + 1e-6))


@define(eq=False)
class Troubles:
    """What befalls a store's writes: each call takes the next of ``faults``, then all is well."""

    is_down: bool = False
    is_away: bool = False
    faults: list[str] = field(factory=list)
    gate: asyncio.Event | None = None
    is_poison: Callable[[Row], bool] = lambda row: False
    calls: int = 0

    async def around(
        self,
        write: Callable[[], Awaitable[None]],
        rows: Sequence[Row],
        half: Callable[[], Awaitable[None]],
    ) -> None:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        fault = self.faults.pop(0) if self.faults else ""
        if self.is_down or fault == "down":
            raise Unavailable("store", "down")
        if fault == "slow":
            for _ in range(20):
                await asyncio.sleep(0)
        if fault == "half":
            await half()
            raise Unavailable("store", "the connection was cut")
        if fault == "bug":
            raise RuntimeError("a bug")
        if any(map(self.is_poison, rows)):
            raise Invalid("a row that cannot be stored")
        await write()
        if fault == "answer lost":
            raise Unavailable("store", "the connection was cut")


@define(eq=False)
class IdentitySeries:
    """Rows by identity, as the specification of the port has it; implements
    :class:`~pepeunit.ports.series_writer.SeriesWriter` and
    :class:`~pepeunit.ports.series_admin.SeriesAdmin`."""

    troubles: Troubles = field(factory=Troubles)
    n_records: dict[tuple[UUID, int, int], Row] = field(factory=dict)
    time_windows: dict[tuple[UUID, int, int, int], Row] = field(factory=dict)
    aggregates: dict[tuple[UUID, int, int, int, str], Row] = field(factory=dict)
    written: int = 0
    asked: int = 0
    tokens: set[str] = field(factory=set)

    async def write(self, batch: SeriesBatch) -> None:
        rows: list[Row] = [*batch.n_records, *batch.time_windows, *batch.aggregates]
        some = evolve(batch, token=f"half of {batch.token}", n_records=batch.n_records[1::2])
        await self.troubles.around(lambda: self._write(batch), rows, half=lambda: self._write(some))

    async def _write(self, batch: SeriesBatch) -> None:
        if batch.token in self.tokens:
            return
        self.tokens.add(batch.token)
        self.written += batch.row_count
        for row in batch.n_records:
            self.n_records[row[:3]] = row
        for row in batch.time_windows:
            self.time_windows[row[0], row[1], row[5], row[2]] = row
        for row in batch.aggregates:
            key = (row[0], row[1], row[6], row[4], row[3])
            if key not in self.aggregates or self.aggregates[key][8] <= row[8]:
                self.aggregates[key] = row

    @property
    def tables(self) -> Sequence[dict[Any, Row]]:
        return self.n_records, self.time_windows, self.aggregates

    async def known(self) -> set[tuple[UUID, int]]:
        return {key[:2] for table in self.tables for key in table}

    async def numbers(self, before_ms: int | None = None) -> Mapping[Any, tuple[int, int]]:
        self.asked += 1
        if self.troubles.is_away:
            raise Unavailable("store", "down")
        greatest: dict[Any, list[int]] = {}
        for place, table in enumerate((self.n_records, self.time_windows)):
            for row in table.values():
                if before_ms is None or row[5] < before_ms:
                    numbers = greatest.setdefault(row[:2], [0, 0])
                    numbers[place] = max(numbers[place], row[2])
        return {series: (seq, window_seq) for series, (seq, window_seq) in greatest.items()}

    async def delete(self, series: Collection[tuple[UUID, int]]) -> None:
        for table in self.tables:
            for key in [key for key in table if key[:2] in set(series)]:
                del table[key]

    async def check(self) -> None: ...


@define(eq=False)
class TroubledDatabase(MemoryDatabase):
    troubles: Troubles = field(factory=Troubles)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        if self.troubles.gate is not None:
            await self.troubles.gate.wait()
        if self.troubles.is_down:
            raise Unavailable("PostgreSQL", "down")
        async with MemoryDatabase.begin(self) as tx:
            yield tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        if self.troubles.is_down:
            raise Unavailable("PostgreSQL", "down")
        async with MemoryDatabase.read(self) as rows:
            yield rows


class Site:
    """What survives a crash, and the process that runs on it."""

    def __init__(
        self, limits: IngestLimits = QUICK, *, journal_bytes: int = 2**24, series: Any = None
    ) -> None:
        self.clock = MovableClock()
        self.database = TroubledDatabase()
        self.series: Any = IdentitySeries() if series is None else series
        self.logs = MemoryLogs()
        self.journal = MemoryJournal(journal_bytes)
        self.checkpoint: Any = MemoryCheckpoint()
        self.leases = MemoryLeases()
        self.limits = limits
        self.home = Household()
        self.nodes: dict[str, NodeId] = {}
        self._task: asyncio.Task[None] | None = None
        self.ingest = self.new()

    def new(self) -> Ingest:
        """A process, not running."""
        parts = IngestParts(
            database=self.database,
            journal=self.journal,
            journal_id=JOURNAL_ID,
            checkpoint=self.checkpoint,
            codec=records,
            series_writer=self.series,
            series_admin=self.series,
            logs=self.logs,
            clock=self.clock,
            new_uuid=uuid4,
            limits=self.limits,
            payload_bytes_max=262_144,
            reread_seconds=60.0,
        )
        return Ingest(parts, self.leases)

    async def furnish(self, **configs: Mapping[str, Any]) -> None:
        """Nodes by name, their pipes active."""
        async with MemoryDatabase.begin(self.database) as tx:
            await self.home.store(tx)
        for name, document in configs.items():
            node = a_node(self.home.unit, topic_name=f"{name}/pepeunit")
            self.nodes[name] = node.uuid
            await self._put(node)
            await self.configure(name, document)

    async def _put(self, node: Node) -> int:
        async with MemoryDatabase.begin(self.database) as tx:
            await tx.nodes.put([node])
            setting = await tx.pipes.setting(node.uuid)
        assert setting is not None
        return setting.version

    async def node(self, name: str) -> Node:
        async with MemoryDatabase.read(self.database) as rows:
            node = await rows.nodes.get(self.nodes[name])
        assert node is not None
        return node

    async def configure(
        self, name: str, document: Mapping[str, Any] | str | None = None, *, active: bool = True
    ) -> None:
        """Set the node's pipe; a None document leaves it. In force for what comes next."""
        node = await self.node(name)
        text = node.data_pipe_yml
        if document is not None:
            text = document if isinstance(document, str) else json.dumps(document)
        if document is not None:
            await self._end_limit(node, document)
        await self.in_force(await self.put(node, text, active=active))

    async def put(self, node: Node, text: str | None, *, active: bool) -> int:
        """Store the pipe's setting; its version."""
        return await self._put(evolve(node, data_pipe_yml=text, is_data_pipe_active=active))

    async def _end_limit(self, node: Node, document: Mapping[str, Any] | str) -> None:
        policy = {} if isinstance(document, str) else document["processing_policy"]
        async with MemoryDatabase.begin(self.database) as tx:
            series = await tx.pipes.series(node.uuid)
            assert series is not None
            if series.limit not in (None, policy.get("n_records_count")):
                now_ms = int(self.clock().timestamp() * 1000)
                await tx.pipes.trim(node.uuid, Trim(now_ms, series.limit))

    async def purge(self, name: str) -> int:
        async with MemoryDatabase.begin(self.database) as tx:
            generation = await tx.pipes.renew(self.nodes[name])
            setting = await tx.pipes.setting(self.nodes[name])
        assert setting is not None
        await self.in_force(setting.version)
        return generation

    async def delete(self, name: str) -> None:
        async with MemoryDatabase.begin(self.database) as tx:
            await tx.nodes.delete([self.nodes[name]])

    async def in_force(self, version: int) -> None:
        if self._task is not None and not self.database.troubles.is_down:
            await until(lambda: self.ingest.tenure is not None)
            assert await self.ingest.applied(version)

    # the process

    async def begin(self) -> None:
        """A new process, as yet with nothing done."""
        self.ingest = self.new()
        self._task = asyncio.create_task(self.ingest.run())

    async def start(self) -> None:
        await self.begin()
        await until(self._is_current)

    def _is_current(self) -> bool:
        tenure = self.ingest.tenure
        return tenure is not None and (
            tenure.follow.is_current.is_set() or self.database.troubles.is_down
        )

    async def crash(self) -> None:
        """The process is gone: nothing of it runs on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def stop(self) -> bool:
        done = await self.ingest.stop()
        await self.crash()
        return done

    async def settled(self) -> None:
        """Everything that was accepted is stored, or waits for a store that is down."""
        await until(lambda: (t := self.ingest.tenure) is not None and t.is_settled)

    async def windows_over(self) -> None:
        """Windows that end by the clock, which may have been moved, are closed and stored."""
        await self.stored()
        tenure = self.ingest.tenure
        assert tenure is not None
        now_ms = int(self.clock().timestamp() * 1000)
        await until(lambda: all(one.memory.due_ms > now_ms for one in tenure.in_force.due()))
        await self.stored()

    async def stored(self) -> None:
        """As :meth:`settled`, with every store up."""
        await until(
            lambda: (
                (t := self.ingest.tenure) is not None
                and t.is_settled
                and not any(lane.row_count for lane in t.lanes)
            )
        )

    async def send(self, name: str, *payloads: str | bytes) -> None:
        """Received now; durable when it returns."""
        bodies = [one.encode() if isinstance(one, str) else one for one in payloads]
        received_ms = int(self.clock().timestamp() * 1000)
        await self.ingest.accept(SampleRecord(received_ms, {self.nodes[name]: bodies}))

    # what readers see

    async def rows(self, name: str) -> list[Row]:
        """Rows of the current generation, in order, without node and generation."""
        async with MemoryDatabase.read(self.database) as rows:
            series = await rows.pipes.series(self.nodes[name])
        assert series is not None
        found = [
            key[2:] + row[2:]
            for table in self.series.tables
            for key, row in table.items()
            if key[:2] == (series.node, series.generation)
        ]
        return sorted(found, key=str)

    async def states(self, name: str) -> list[Any]:
        """States of the current generation's rows, in arrival order."""
        async with MemoryDatabase.read(self.database) as rows:
            series = await rows.pipes.series(self.nodes[name])
        assert series is not None
        key = (series.node, series.generation)
        entries = [*self.series.n_records.values(), *self.series.time_windows.values()]
        kept = sorted((row[2], row[3]) for row in entries if row[:2] == key)
        ended = sorted(
            (row[7], row[2]) for row in self.series.aggregates.values() if row[:2] == key
        )
        return [state for _, state in kept] + [state for _, state in ended]

    async def value(self, name: str) -> str | None:
        return (await self.node(name)).state


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)
