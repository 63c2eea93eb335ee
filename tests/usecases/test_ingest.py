"""Node values: durable when accepted, newest wins, nothing released before it is stored
(rulings 27, 31, 32)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest
from attrs import define, field

from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.codecs.samples import pack_samples, unpack_samples
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.sample import RawSample
from pepeunit.ports.database import Transaction
from pepeunit.usecases.samples.ingest import Ingest
from tests.usecases.platform import Platform, program


@define(eq=False)
class TroubledDatabase(MemoryDatabase):
    """Fails, or waits, where a real one would."""

    error: BaseException | None = None
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(factory=asyncio.Event)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        if self.gate is not None:
            self.entered.set()
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        async with MemoryDatabase.begin(self) as tx:
            yield tx


@define
class SlowJournal(MemoryJournal):
    """Appends in the order of the calls, but returns when it is let go."""

    gate: asyncio.Event | None = None

    async def append(self, records: Sequence[bytes]) -> int:
        gate = self.gate
        position = await MemoryJournal.append(self, records)
        if gate is not None:
            await gate.wait()
        return position


class Pipeline:
    """A platform with one unit, and its ingest over parts that can fail."""

    def __init__(self) -> None:
        self.database, self.journal = TroubledDatabase(), SlowJournal()
        self.platform = Platform(database=self.database)
        self.ingest = self.restarted()
        self.node = NodeId(UUID(int=0))

    def restarted(self) -> Ingest:
        """A new process over the same journal and store."""
        return Ingest(
            self.database, self.journal, pack_samples, unpack_samples, 0.001, retry_seconds=0.001
        )

    def sample(self, value: str | bytes, at_ms: int = 1000) -> RawSample:
        payload = value.encode() if isinstance(value, str) else value
        return RawSample(self.node, at_ms, payload)

    async def state(self) -> str | None:
        row = await self.platform.node_row(self.node)
        assert row is not None
        return row.state

    async def waiting(self) -> int:
        return len([record async for record in self.journal.read(self.journal.released)])


@pytest.fixture
async def pipeline() -> AsyncIterator[Pipeline]:
    pipeline = Pipeline()
    platform = pipeline.platform
    platform.remote.push(program(), tag="v1")
    owner: Agent = await platform.user("owner")
    unit = await platform.unit(owner, await platform.repo(owner))
    pipeline.node = (await platform.node(unit, "temp/pepeunit")).uuid
    yield pipeline
    await platform.close()


async def test_the_newest_value_of_a_batch_is_stored_with_its_receive_time(
    pipeline: Pipeline,
) -> None:
    await pipeline.ingest.accept(
        [pipeline.sample("old", 1000), pipeline.sample("new", 3000), pipeline.sample("mid", 2000)]
    )
    assert await pipeline.state() is None
    await pipeline.ingest.flush()
    row = await pipeline.platform.node_row(pipeline.node)
    assert row is not None
    assert (row.state, row.state_datetime) == ("new", datetime.fromtimestamp(3, UTC))
    assert pipeline.ingest.accepted == 3


async def test_rulings_32_a_value_older_than_the_stored_one_changes_nothing(
    pipeline: Pipeline,
) -> None:
    for value, at_ms in (("new", 3000), ("old", 1000)):
        await pipeline.ingest.accept([pipeline.sample(value, at_ms)])
        await pipeline.ingest.flush()
    assert await pipeline.state() == "new"


async def test_two_values_of_one_millisecond_keep_the_order_they_came_in(
    pipeline: Pipeline,
) -> None:
    await pipeline.ingest.accept([pipeline.sample("first"), pipeline.sample("second")])
    await pipeline.ingest.flush()
    assert await pipeline.state() == "second"


async def test_a_value_of_the_millisecond_that_was_just_flushed_is_not_lost(
    pipeline: Pipeline,
) -> None:
    for value in ("first", "second"):
        await pipeline.ingest.accept([pipeline.sample(value)])
        await pipeline.ingest.flush()
    assert await pipeline.state() == "second"


async def test_rulings_31_a_crash_before_the_flush_is_replayed(pipeline: Pipeline) -> None:
    await pipeline.ingest.accept([pipeline.sample("a", 1000)])
    await pipeline.ingest.accept([pipeline.sample("b", 2000)])
    again = pipeline.restarted()
    assert await again.replay() == 2
    assert await pipeline.state() == "b"
    assert await pipeline.waiting() == 0
    assert await pipeline.restarted().replay() == 0


async def test_a_crash_between_storing_and_releasing_replays_to_the_same_state(
    pipeline: Pipeline,
) -> None:
    await pipeline.ingest.accept([pipeline.sample("a", 1000), pipeline.sample("b", 2000)])
    async with pipeline.database.begin() as tx:
        await tx.nodes.store_states([(pipeline.node, "b", datetime.fromtimestamp(2, UTC))])
    await pipeline.restarted().replay()
    assert await pipeline.state() == "b"


async def test_a_journal_that_refuses_leaves_nothing_behind(pipeline: Pipeline) -> None:
    pipeline.journal.bytes_max = 1
    with pytest.raises(Unavailable):
        await pipeline.ingest.accept([pipeline.sample("a")])
    pipeline.journal.bytes_max = 10_000
    await pipeline.ingest.flush()
    assert (await pipeline.state(), pipeline.ingest.accepted) == (None, 0)


@pytest.mark.parametrize(
    "error", [Unavailable("PostgreSQL", "down"), RuntimeError("bug"), asyncio.CancelledError()]
)
async def test_values_of_a_flush_that_failed_are_kept_and_not_released(
    pipeline: Pipeline, error: BaseException
) -> None:
    await pipeline.ingest.accept([pipeline.sample("a", 1000)])
    pipeline.database.error = error
    with pytest.raises(type(error)):
        await pipeline.ingest.flush()
    assert await pipeline.waiting() == 1
    await pipeline.ingest.accept([pipeline.sample("b", 2000)])
    pipeline.database.error = None
    await pipeline.ingest.flush()
    assert await pipeline.state() == "b"
    assert await pipeline.waiting() == 0


async def test_a_failed_flush_never_puts_an_older_value_over_a_newer_one(
    pipeline: Pipeline,
) -> None:
    await pipeline.ingest.accept([pipeline.sample("new", 5000)])
    pipeline.database.gate = asyncio.Event()
    pipeline.database.error = Unavailable("PostgreSQL", "down")
    flush = asyncio.create_task(pipeline.ingest.flush())
    await pipeline.database.entered.wait()
    await pipeline.ingest.accept([pipeline.sample("late", 4000)])
    pipeline.database.gate.set()
    with pytest.raises(Unavailable):
        await flush
    pipeline.database.error = None
    await pipeline.ingest.flush()
    assert await pipeline.state() == "new"


async def test_a_flush_cancelled_in_the_middle_loses_nothing(pipeline: Pipeline) -> None:
    await pipeline.ingest.accept([pipeline.sample("a")])
    pipeline.database.gate = asyncio.Event()
    flush = asyncio.create_task(pipeline.ingest.flush())
    await pipeline.database.entered.wait()
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    pipeline.database.gate = None
    await pipeline.ingest.flush()
    assert await pipeline.state() == "a"


async def test_a_second_flush_does_not_release_what_the_first_still_stores(
    pipeline: Pipeline,
) -> None:
    await pipeline.ingest.accept([pipeline.sample("a")])
    gate = pipeline.database.gate = asyncio.Event()
    first = asyncio.create_task(pipeline.ingest.flush())
    await pipeline.database.entered.wait()
    second = asyncio.create_task(pipeline.ingest.flush())
    await asyncio.sleep(0)
    assert await pipeline.waiting() == 1
    gate.set()
    await asyncio.gather(first, second)
    assert await pipeline.waiting() == 0


async def test_a_flush_does_not_release_a_record_that_is_still_being_appended(
    pipeline: Pipeline,
) -> None:
    gate = pipeline.journal.gate = asyncio.Event()
    slow = asyncio.create_task(pipeline.ingest.accept([pipeline.sample("slow", 1000)]))
    while not await pipeline.waiting():
        await asyncio.sleep(0)
    pipeline.journal.gate = None
    await pipeline.ingest.accept([pipeline.sample("quick", 500)])
    await pipeline.ingest.flush()
    assert await pipeline.waiting() == 2
    gate.set()
    await slow
    await pipeline.ingest.flush()
    assert (await pipeline.state(), await pipeline.waiting()) == ("slow", 0)


@pytest.mark.parametrize("payload", [b"\xff", b"a\0b"])
async def test_values_that_are_no_text_are_counted_and_leave_the_state(
    pipeline: Pipeline, payload: bytes
) -> None:
    await pipeline.ingest.accept([pipeline.sample(payload)])
    await pipeline.ingest.flush()
    assert (await pipeline.state(), pipeline.ingest.undecodable) == (None, 1)
    assert await pipeline.waiting() == 0


async def test_values_of_nodes_that_are_gone_are_passed_over(pipeline: Pipeline) -> None:
    await pipeline.ingest.accept([RawSample(UUID(int=2**90), 1, b"x"), pipeline.sample("a")])
    await pipeline.ingest.flush()
    assert await pipeline.state() == "a"


async def test_a_record_nobody_can_read_does_not_stop_the_replay(pipeline: Pipeline) -> None:
    await pipeline.journal.append([b"\xff" * 8])
    await pipeline.ingest.accept([pipeline.sample("a")])
    assert await pipeline.restarted().replay() == 1
    assert await pipeline.state() == "a"


async def test_the_flush_loop_outlives_outages_and_bugs(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    ingest = pipeline.ingest
    loop = asyncio.create_task(ingest.run())
    for error in (Unavailable("PostgreSQL", "down"), RuntimeError("bug")):
        pipeline.database.error = error
        await ingest.accept([pipeline.sample(str(error))])
        caplog.clear()
        async with asyncio.timeout(5):
            while "wait in the journal" not in caplog.text:
                await asyncio.sleep(0.001)
    pipeline.database.error = None
    await ingest.accept([pipeline.sample("after", 9000)])
    async with asyncio.timeout(5):
        while await pipeline.state() != "after":
            await asyncio.sleep(0.001)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
