"""Events reach those who listen: in one process, and joined over notices of either kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from attrs import define, evolve, field

from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.notices import MemoryNotices
from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.notices import PostgresNotices
from pepeunit.codecs.live import NoticeJson
from pepeunit.domain.ids import UnitId
from pepeunit.domain.live.event import Event, EventKind, log_event, node_event
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.database import Database
from pepeunit.ports.notices import NOTICE_BYTES_MAX, Notices
from pepeunit.usecases.background import Background
from pepeunit.usecases.live.announcing import AnnouncingDatabase
from pepeunit.usecases.live.hub import Hub
from pepeunit.usecases.live.load import LoadEvents
from pepeunit.usecases.live.relay import GATHER_SECONDS, WANT_SECONDS, Relay
from tests.doubles.rows import a_registry, a_repo, a_unit, a_user

DEADLINE_SECONDS = 10.0
NODE, OTHER = UUID(int=7), UUID(int=8)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


@define(eq=False)
class Ear:
    heard: list[Event] = field(factory=list)

    def offer(self, event: Event) -> None:
        self.heard.append(event)


@define(eq=False)
class Follower:
    about: list[frozenset[UUID] | None] = field(factory=list)

    def rights_changed(self, about: frozenset[UUID] | None) -> None:
        self.about.append(None if about is None else frozenset(about))

    def wanted(self, keys: object) -> None:
        """Not asked here."""


@define
class Process:
    hub: Hub
    database: AnnouncingDatabase


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def process(stored: Database, notices: Notices | None) -> AsyncIterator[Process]:
    hub, background = Hub(), Background()
    load = LoadEvents(stored, hub, now, background)
    task = None
    if notices is not None:
        relay = Relay(hub, load, notices, NoticeJson(), uuid4().hex[:12])
        task = asyncio.create_task(relay.run())
    try:
        yield Process(hub, AnnouncingDatabase(stored, hub, load, now))
    finally:
        await background.stop()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=["one process", "memory", "postgres"])
def joined_by(request: pytest.FixtureRequest) -> str:
    """PostgreSQL by its URL."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(request.param)


async def two_notices(joined_by: str, stack: AsyncExitStack) -> list[Notices]:
    if joined_by == "memory":
        return [MemoryNotices()] * 2
    each: list[Notices] = []
    for _ in range(2):
        engine, ear = connect(joined_by), connect(joined_by, is_pooled=False)
        stack.push_async_callback(engine.dispose)
        stack.push_async_callback(ear.dispose)
        each.append(PostgresNotices(engine, ear))
    return each


@pytest.fixture
async def two(joined_by: str) -> AsyncIterator[tuple[Process, Process]]:
    """Where things happen, and where somebody listens."""
    stored: Database = MemoryDatabase()
    async with AsyncExitStack() as stack:
        if joined_by == "one process":
            only = await stack.enter_async_context(process(stored, None))
            yield only, only
            return
        each = await two_notices(joined_by, stack)
        here = await stack.enter_async_context(process(stored, each[0]))
        there = await stack.enter_async_context(process(stored, each[1]))
        await _joined(here, there)
        yield here, there


async def _joined(here: Process, there: Process) -> None:
    """Both hear each other: what one wants is known to the other."""
    for asking, told in ((here, there), (there, here)):
        ear, key = Ear(), (EventKind.UNIT_PRESENCE, uuid4())
        asking.hub.listen(ear, [key])
        await until(lambda told=told, key=key: told.hub.is_wanted(*key))  # type: ignore[misc]
        asking.hub.ignore(ear, [key])


@pytest.mark.parametrize("joined_by", ["memory", "postgres"], indirect=True)
async def test_who_begins_later_is_told_at_once_what_the_others_want(joined_by: str) -> None:
    async with AsyncExitStack() as stack:
        notices = await two_notices(joined_by, stack)
        here = await stack.enter_async_context(process(MemoryDatabase(), notices[0]))
        key = (EventKind.UNIT_PRESENCE, uuid4())
        here.hub.listen(Ear(), [key])
        await asyncio.sleep(10 * GATHER_SECONDS)  # it was told to nobody
        there = await stack.enter_async_context(process(MemoryDatabase(), notices[1]))
        async with asyncio.timeout(WANT_SECONDS / 2):
            await until(lambda: there.hub.is_wanted(*key))


async def stored_unit(database: AnnouncingDatabase) -> Unit:
    user = a_user()
    registry = a_registry(user)
    repo = a_repo(registry, user)
    unit = a_unit(repo, user)
    async with database.begin() as tx:
        await tx.users.put(user)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        await tx.units.put(unit)
    return unit


def value(text: str, node: UUID = NODE, ms: int = 1_000) -> Event:
    return node_event(node, ms, text.encode())


async def test_a_value_reaches_who_listens_to_its_node(two: tuple[Process, Process]) -> None:
    here, there = two
    ear = Ear()
    there.hub.listen(ear, [(EventKind.NODE_VALUE, NODE)])
    await until(lambda: NODE in here.hub.nodes)
    here.hub.publish(value("x", OTHER))
    here.hub.publish(value("1"))
    await until(lambda: bool(ear.heard))
    ((heard),) = ear.heard
    assert (heard.key, heard.told) == ((EventKind.NODE_VALUE, NODE), "1")
    assert heard.moment == datetime.fromtimestamp(1, UTC)


async def test_every_value_is_told_or_counted_and_the_last_is_told(
    two: tuple[Process, Process],
) -> None:
    here, there = two
    ear = Ear()
    there.hub.listen(ear, [(EventKind.NODE_VALUE, NODE)])
    await until(lambda: NODE in here.hub.nodes)
    for number in range(500):
        here.hub.publish(value(str(number)))
    await until(lambda: bool(ear.heard) and ear.heard[-1].told == "499")
    assert sum(1 + one.passed_over for one in ear.heard) == 500


@pytest.mark.parametrize("text", ["", "é" * 3000, '"\\\0\x01', "x" * 7000])
async def test_values_arrive_as_they_are(two: tuple[Process, Process], text: str) -> None:
    here, there = two
    ear = Ear()
    there.hub.listen(ear, [(EventKind.NODE_VALUE, NODE)])
    await until(lambda: NODE in here.hub.nodes)
    here.hub.publish(value(text))
    await until(lambda: bool(ear.heard))
    assert ear.heard[0].told == text


async def test_log_entries_arrive_in_order(two: tuple[Process, Process]) -> None:
    here, there = two
    ear, unit = Ear(), UnitId(uuid4())
    there.hub.listen(ear, [(EventKind.UNIT_LOG, unit)])
    await until(lambda: here.hub.is_wanted(EventKind.UNIT_LOG, unit))
    for number in range(300):
        later = NOW + timedelta(days=1)
        here.hub.publish(log_event(UnitLog(unit, LogLevel.INFO, str(number), NOW, later)))
    await until(lambda: len(ear.heard) == 300)
    entries = [one.told for one in ear.heard]
    assert [one.text for one in entries if isinstance(one, UnitLog)] == list(map(str, range(300)))


async def test_who_no_longer_listens_hears_nothing(two: tuple[Process, Process]) -> None:
    here, there = two
    gone, stays = Ear(), Ear()
    key = (EventKind.NODE_VALUE, NODE)
    there.hub.listen(gone, [key])
    there.hub.listen(stays, [key])
    await until(lambda: NODE in here.hub.nodes)
    there.hub.ignore(gone, [key])
    there.hub.ignore(gone, [key])
    here.hub.publish(value("1"))
    await until(lambda: bool(stays.heard))
    assert not gone.heard


async def test_changed_rights_are_told_once_to_every_process(two: tuple[Process, Process]) -> None:
    here, there = two
    follower, own = Follower(), Follower()
    there.hub.follow(follower)
    if here is not there:
        here.hub.follow(own)
    here.hub.rights_changed({NODE})
    await until(lambda: frozenset({NODE}) in follower.about)
    here.hub.rights_changed({OTHER})
    await until(lambda: frozenset({OTHER}) in follower.about)
    assert follower.about.count(frozenset({NODE})) == 1
    assert own.about in ([], [frozenset({NODE}), frozenset({OTHER})])


async def test_a_row_that_changes_is_told_as_it_was_committed(two: tuple[Process, Process]) -> None:
    here, there = two
    unit = await stored_unit(here.database)
    ear = Ear()
    there.hub.listen(ear, [(EventKind.UNIT_PRESENCE, unit.uuid)])
    await until(lambda: here.hub.is_wanted(EventKind.UNIT_PRESENCE, unit.uuid))
    async with here.database.begin() as tx:
        await tx.units.mark_presence(unit.uuid, is_online=True, at=NOW)
        assert not ear.heard or here is not there
    await until(lambda: any(getattr(one.told, "is_online", False) for one in ear.heard))


async def test_nothing_is_told_of_what_was_rolled_back(two: tuple[Process, Process]) -> None:
    here, there = two
    unit = await stored_unit(here.database)
    ear, follower = Ear(), Follower()
    there.hub.listen(ear, [(EventKind.UNIT_UPDATE, unit.uuid)])
    await until(lambda: here.hub.is_wanted(EventKind.UNIT_UPDATE, unit.uuid))
    there.hub.follow(follower)
    with pytest.raises(RuntimeError):
        async with here.database.begin() as tx:
            found = await tx.units.get(unit.uuid)
            assert found is not None
            await tx.units.put(evolve(found, token_generation=9))
            raise RuntimeError
    here.hub.rights_changed({NODE})
    await until(lambda: frozenset({NODE}) in follower.about)
    assert frozenset({unit.uuid}) not in follower.about


async def test_many_processes_do_not_echo_each_other() -> None:
    """Each wants the key, so each would pass it on to the others."""
    notices = MemoryNotices()
    stored = MemoryDatabase()
    async with AsyncExitStack() as stack:
        all_of_them = [await stack.enter_async_context(process(stored, notices)) for _ in range(3)]
        ears = [Ear() for _ in all_of_them]
        for one, ear in zip(all_of_them, ears, strict=True):
            one.hub.listen(ear, [(EventKind.NODE_VALUE, NODE)])
        await until(lambda: all(len(one.hub.nodes[NODE]) == 2 for one in all_of_them))
        all_of_them[0].hub.publish(value("1"))
        await until(lambda: all(ear.heard for ear in ears))
        all_of_them[0].hub.publish(value("2"))
        await until(lambda: all(ear.heard[-1].told == "2" for ear in ears))
        assert [len(ear.heard) for ear in ears] == [2, 2, 2]


def test_no_notice_outgrows_what_is_carried() -> None:
    form = NoticeJson()
    items = [form.carried(value("é" * 1000)) for _ in range(50)]
    written = list(form.write("teller", "events", items))
    assert len(written) > 10
    assert all(len(one.encode()) <= NOTICE_BYTES_MAX for one in written)
    assert sum(len(form.read(one)[2]) for one in written) == 50
    assert form.carried(value("x" * 9000)) is None
