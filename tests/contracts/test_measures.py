"""What monitoring asks of the ports, and counts that are remembered but never wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.embedded.journal import FileJournal, JournalLimits
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.adapters.postgres.counts import COUNTS_MAX, SECONDS_MAX, Counts
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.units.update import UpdateProgress, UpdateStatus
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Slice
from pepeunit.ports.users import UserQuery
from tests.doubles.rows import a_command, a_registry, a_repo, a_unit, a_user

PAGE = UserQuery(slice=Slice(0, 1))


async def test_backlogs_are_counted(database: Database) -> None:
    user = a_user()
    registry = a_registry(user)
    repo = a_repo(registry, user)
    sent = UpdateProgress(status=UpdateStatus.REQUEST_SENT)
    waiting, idle = a_unit(repo, user, update=sent), a_unit(repo, user)
    async with database.read() as rows:
        before, commands = await rows.units.update_statuses(), await rows.outbox.length()
    async with database.begin() as tx:
        await tx.users.put(user)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        for unit in (waiting, idle):
            await tx.units.put(unit)
        await tx.outbox.put(a_command(waiting))
    async with database.read() as rows:
        after = await rows.units.update_statuses()
        assert await rows.outbox.length() == commands + 1
    for status in (UpdateStatus.REQUEST_SENT, None):
        assert after[status] == before.get(status, 0) + 1


async def test_a_journal_tells_what_waits_and_whether_it_takes_more(tmp_path: Path) -> None:
    limits = JournalLimits(2**20, 2**20, 4 * 2**20)
    for journal in (MemoryJournal(64), await FileJournal.open(tmp_path / "j", limits)):
        await journal.check()
        assert journal.waiting_bytes == 0
        end = await journal.append([b"x" * 8])
        assert journal.waiting_bytes == end > 0
        await journal.release(end)
        assert journal.waiting_bytes == 0
    assert isinstance(journal, FileJournal)
    (tmp_path / "j").rename(tmp_path / "away")
    with pytest.raises(Unavailable):
        await journal.check()
    await journal.close()
    with pytest.raises(Unavailable):
        await journal.check()


async def test_a_full_journal_is_not_ready() -> None:
    journal = MemoryJournal(16)
    await journal.append([b"x" * 8])
    with pytest.raises(Unavailable):
        await journal.check()


async def test_a_remembered_count_is_forgotten_by_every_insert(engine: AsyncEngine) -> None:
    database = PostgresDatabase(engine)

    async def count() -> int:
        async with database.read() as rows:
            return (await rows.users.find(PAGE)).count

    async with database.begin() as tx:
        await tx.users.put(a_user())  # an empty page remembers nothing
    before = await count()
    assert await count() == before
    async with database.begin() as tx:
        await tx.users.put(a_user())
        assert (await tx.users.find(PAGE)).count == before + 1
        assert await count() == before  # not committed yet
    assert await count() == before + 1


async def test_a_page_is_read_anew_though_its_count_is_remembered(engine: AsyncEngine) -> None:
    database, user = PostgresDatabase(engine), a_user()
    async with database.begin() as tx:
        await tx.users.put(user)
    query = UserQuery(uuids=frozenset({user.uuid}), slice=Slice(0, 1))
    async with database.read() as rows:
        assert (await rows.users.find(query)).items == (user,)
        # another process, which this one's memory knows nothing of
        elsewhere = PostgresDatabase(engine)
        renamed = evolve(user, grafana_org_id="7")
        async with elsewhere.begin() as tx:
            await tx.users.put(renamed)
        found = await rows.users.find(query)
    assert (found.count, found.items) == (1, (renamed,))


def test_a_count_lives_a_second_and_one_begun_before_a_change_is_not_kept() -> None:
    moment = 0.0
    counts = Counts(clock=lambda: moment)
    counts.put("q", 5, counts.generation)
    assert counts.get("q") == 5
    moment += SECONDS_MAX + 0.01
    assert counts.get("q") is None
    begun = counts.generation
    counts.forget()
    counts.put("q", 5, begun)
    assert counts.get("q") is None
    for number in range(COUNTS_MAX + 1):
        counts.put(number, number, counts.generation)
    assert (counts.get(0), counts.get(COUNTS_MAX)) == (None, COUNTS_MAX)
