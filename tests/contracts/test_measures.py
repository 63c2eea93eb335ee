"""What monitoring asks of the ports, and counts that are remembered but never wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attrs import evolve
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.embedded.journal import FileJournal, JournalLimits
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.recent import ANSWERS_MAX, SECONDS_MAX, Answers
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


async def test_an_answer_lives_a_second_and_one_asked_before_a_change_is_not_given_after_it() -> (
    None
):
    moment, asked = 0.0, 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        return asked

    answers: Answers[int] = Answers(clock=lambda: moment)
    assert await answers.get("q", ask) == 1
    assert await answers.get("q", ask) == 1
    moment += SECONDS_MAX
    assert await answers.get("q", ask) == 2
    under_way = asyncio.Event()

    async def slow() -> int:
        await under_way.wait()
        return -1

    answers.forget()
    early = asyncio.ensure_future(answers.get("q", slow))
    while "q" not in answers._asked:
        await asyncio.sleep(0)
    answers.forget()
    assert await answers.get("q", ask) == 3
    under_way.set()
    assert await early == -1  # who asked before the change may see what was before it
    assert await answers.get("q", ask) == 3
    for number in range(ANSWERS_MAX):
        await answers.get(number, ask)
    assert len(answers._asked) <= ANSWERS_MAX


async def test_one_question_at_a_time_and_a_failure_is_nobodys_answer_afterwards() -> None:
    asked = 0
    failing = True

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        if failing:
            raise Unavailable("PostgreSQL", "is down")
        return 7

    answers: Answers[int] = Answers()
    both = await asyncio.gather(
        answers.get("q", ask), answers.get("q", ask), return_exceptions=True
    )
    assert asked == 1
    assert all(isinstance(one, Unavailable) for one in both)
    failing = False
    first = asyncio.ensure_future(answers.get("q", ask))
    second = asyncio.ensure_future(answers.get("q", ask))
    await asyncio.sleep(0)
    first.cancel()  # the caller hung up
    assert await second == 7
    assert asked == 2
