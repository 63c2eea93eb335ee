"""Whatever dies and whenever: what was acknowledged is stored, once, as if nothing had happened.

Random scenarios (the seed is in the test's name) mix batches, config changes, purges, faults of
both stores and crashes at any await. What the stores hold at the end must be what the journal's
records give in one uninterrupted run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

import pytest
from attrs import define, field

from pepeunit.adapters.memory.checkpoint import MemoryCheckpoint
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.codecs import records
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.record import ControlRecord, SampleRecord
from pepeunit.domain.pipes.compiled import CompiledPipe, compile_pipe
from pepeunit.domain.pipes.drops import no_drops
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.rows import Rows
from pepeunit.domain.pipes.validation import read_config
from pepeunit.ports.checkpoint import Commit
from tests.usecases.samples.site import Row, Site, config

FAULTS = ("down", "slow", "answer lost", "half", "bug")
CONFIGS = (
    config("NRecords", n_records_count=100),
    config("NRecords", n_records_count=100, rate=3),
    config("NRecords", "Number", n_records_count=100, unique=True),
    config("TimeWindow", time_window_size=86_400),
    config("Aggregation", "Number", time_window_size=60, aggregation_functions="Sum"),
    config("Aggregation", "Number", time_window_size=300, aggregation_functions="Max"),
    config("LastValue", rate=2),
    config(),
)
NAMES = ("a", "b", "c")


@define
class SteppingJournal(MemoryJournal):
    """Takes its time, and remembers every record it was ever given."""

    log: list[bytes] = field(factory=list)
    life: int = 0

    async def append(self, records: Sequence[bytes]) -> int:
        life = self.life
        await asyncio.sleep(0)
        if life != self.life:  # of a process that is gone
            raise Unavailable("journal", "gone")
        position = await MemoryJournal.append(self, records)
        self.log += records
        await asyncio.sleep(0)
        return position


@define
class SteppingCheckpoint(MemoryCheckpoint):
    async def commit(self, change: Commit) -> None:
        await asyncio.sleep(0)
        await MemoryCheckpoint.commit(self, change)
        await asyncio.sleep(0)


class Scenario:
    """One random history."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.site = Site()
        self.site.journal = self.journal = SteppingJournal()
        self.site.checkpoint = SteppingCheckpoint()
        self.at = 0.0
        self.count = 0
        self.acknowledged: list[bytes] = []
        self.sending: set[asyncio.Task[None]] = set()

    async def run(self, steps: int) -> None:
        dice, site = self.dice, self.site
        await site.furnish(**{name: dice.choice(CONFIGS) for name in NAMES})
        await site.start()
        for _ in range(steps):
            await self._step(dice.random())
            await self._turns(dice.choice((0, 0, 1, 3, 10, 40)))
        site.series.troubles.is_down = site.database.troubles.is_down = False
        site.series.troubles.faults.clear()
        if self.sending:
            await asyncio.wait(self.sending)
        self.at += 90_000
        site.clock.at(self.at)
        await site.windows_over()

    async def _turns(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def _step(self, die: float) -> None:
        dice, site = self.dice, self.site
        name = dice.choice(NAMES)
        if die < 0.55:
            self.at += dice.choice((0.0, 0.001, 0.5, 1.0, 2.0, 7.0, 25.0))
            site.clock.at(self.at)
            self._send(name)
        elif die < 0.65:
            await self._configure(name)
        elif die < 0.70:
            async with MemoryDatabase.begin(site.database) as tx:
                await tx.pipes.renew(site.nodes[name])
            self._ask()
        elif die < 0.80:
            site.series.troubles.faults += dice.choices(FAULTS, k=dice.randrange(1, 4))
        elif die < 0.84:
            site.series.troubles.is_down = not site.series.troubles.is_down
        elif die < 0.87:
            site.database.troubles.is_down = not site.database.troubles.is_down
        elif die < 0.93:
            await self._turns(dice.randrange(60))
            await self._crash()
        else:
            await asyncio.sleep(0.002)

    def _send(self, name: str) -> None:
        payloads = []
        for _ in range(self.dice.randrange(1, 6)):
            self.count += 1
            payloads.append(str(self.dice.choice((self.count, 7, 7.5, "no number"))))

        async def send() -> None:
            await self.site.send(name, *payloads)
            self.acknowledged += [payload.encode() for payload in payloads]

        task = asyncio.create_task(send())
        self.sending.add(task)
        task.add_done_callback(self.sending.discard)

    async def _configure(self, name: str) -> None:
        text = json.dumps(self.dice.choice(CONFIGS))
        node = await self.site.node(name)
        active = self.dice.random() < 0.8
        await self.site.put(node, text, active=active)
        self._ask()

    def _ask(self) -> None:
        if self.site.ingest.tenure is not None:
            self.site.ingest.tenure.follow.ask()

    async def _crash(self) -> None:
        for task in self.sending:
            task.cancel()
        self.journal.life += 1
        await self.site.crash()
        await self._turns(5)
        await self.site.begin()


class Uninterrupted:
    """The journal's records in one run."""

    def __init__(self, log: Sequence[bytes]) -> None:
        self.out = Rows()
        self.values: dict[UUID, str] = {}
        self._memories: dict[UUID, NodeMemory] = {}
        self._pipes: dict[str, CompiledPipe] = {}
        self._configs: dict[UUID, str | None] = {}
        for packed in log:
            record = records.unpack_record(packed)
            if isinstance(record, ControlRecord):
                for row in record.rows:
                    self._apply(*row)
            elif isinstance(record, SampleRecord):
                self._feed(record)
        for node, memory in self._memories.items():
            memory.close(node, memory.generation, 2**60, self.out)

    def _apply(self, node: UUID, text: str | None, generation: int, seq: int, version: int) -> None:
        memory = self._memories.setdefault(node, NodeMemory(node, generation))
        if memory.generation != generation:
            memory.begin_series(generation, seq)
        self._configs[node] = text
        if text is not None and text not in self._pipes:
            self._pipes[text] = compile_pipe(read_config(json.loads(text)))

    def _feed(self, record: SampleRecord) -> None:
        for node, payloads in record.payloads.items():
            text = self._configs.get(node)
            if text is None:
                continue
            memory = self._memories[node]
            times = [record.received_ms] * len(payloads)
            self._pipes[text].feed(
                node, memory.generation, memory, times, list(payloads), self.out, no_drops()
            )
            if node in self.out.last_values:
                self.values[node] = self.out.last_values[node][0]

    def rows(self, node: UUID, generation: int) -> set[Row]:
        tables = (self.out.n_records, self.out.time_windows, self.out.aggregates)
        return {row for table in tables for row in table if row[:2] == (node, generation)}


@pytest.mark.parametrize("seed", range(150))
async def test_stores_hold_what_the_journal_gives_however_often_the_process_died(
    seed: int,
) -> None:
    scenario = Scenario(seed)
    site = scenario.site
    try:
        await scenario.run(steps=60)
        whole = Uninterrupted(scenario.journal.log)
        await _compare(site, whole)
        journalled = [
            payload
            for packed in scenario.journal.log
            if isinstance(record := records.unpack_record(packed), SampleRecord)
            for payloads in record.payloads.values()
            for payload in payloads
        ]
        for payload in set(scenario.acknowledged):
            assert journalled.count(payload) >= scenario.acknowledged.count(payload)
        assert await site.stop()
        assert site.journal.waiting_bytes == 0
        await _compare(site, whole)
    finally:
        await site.crash()


async def _compare(site: Site, whole: Uninterrupted) -> None:
    for name in NAMES:
        node = site.nodes[name]
        async with MemoryDatabase.read(site.database) as tx:
            series = await tx.pipes.series(node)
        assert series is not None
        found: list[Any] = [
            row
            for table in site.series.tables
            for row in table.values()
            if row[:2] == (node, series.generation)
        ]
        assert set(found) == whole.rows(node, series.generation)
        assert await site.value(name) == whole.values.get(node)
