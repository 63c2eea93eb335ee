"""The checkpoint: whole commits, rows in order, and a file that survives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from pepeunit.adapters.embedded.checkpoint import SqliteCheckpoint, copy_checkpoint
from pepeunit.adapters.memory.checkpoint import MemoryCheckpoint
from pepeunit.domain.errors import Unavailable
from pepeunit.ports.checkpoint import Checkpoint, Commit, Quarantined, SpoolEntry

A, B = UUID(int=1), UUID(int=2**127)
Reopen = Callable[[Checkpoint], Awaitable[Checkpoint]]


@pytest.fixture(params=["memory", "sqlite"])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Checkpoint, Reopen]]:
    """The checkpoint, and how a new process would open it."""
    if request.param == "memory":

        async def same(known: Checkpoint) -> Checkpoint:
            return known

        yield MemoryCheckpoint(quarantined_max=3), same
        return
    path = tmp_path / "checkpoint.sqlite"
    open_files: list[SqliteCheckpoint] = []

    async def reopened(known: Checkpoint | None) -> Checkpoint:
        for file in open_files:
            await file.close()
        open_files.append(await SqliteCheckpoint.open(path, quarantined_max=3))
        return open_files[-1]

    yield await reopened(None), reopened
    for file in open_files:
        await file.close()


Opened = tuple[Checkpoint, Reopen]


async def test_a_new_one_is_at_the_beginning(opened: Opened) -> None:
    checkpoint, _ = opened
    saved = await checkpoint.load()
    assert (saved.position, list(saved.settings), dict(saved.memories)) == (0, [], {})
    assert (list(saved.spool), list(await checkpoint.quarantined())) == ([], [])


async def test_what_was_committed_is_there_for_the_next_process(opened: Opened) -> None:
    checkpoint, reopen = opened
    first, second = SpoolEntry(1, "series", 2, 4), SpoolEntry(2, "values", 1, 3)
    await checkpoint.commit(
        Commit(
            10,
            settings=[(A, "{}", 1, 0, 7), (B, None, 2, 5, 8)],
            memories={A: b"one", B: b"\x00\xff"},
            spooled=[(second, b"two"), (first, b"four")],
        )
    )
    saved = await (await reopen(checkpoint)).load()
    assert saved.position == 10
    assert sorted(saved.settings) == [(A, "{}", 1, 0, 7), (B, None, 2, 5, 8)]
    assert saved.memories == {A: b"one", B: b"\x00\xff"}
    assert list(saved.spool) == [first, second]


async def test_a_commit_replaces_what_it_names_and_forgets_what_is_gone(opened: Opened) -> None:
    checkpoint, reopen = opened
    settings = [(A, "{}", 1, 0, 7), (B, "{}", 1, 0, 8)]
    await checkpoint.commit(Commit(10, settings=settings, memories={A: b"1", B: b"1"}))
    await checkpoint.commit(Commit(20, settings=[(A, None, 1, 0, 9)], memories={A: b"2"}, gone=[B]))
    await checkpoint.commit(Commit(5))
    saved = await (await reopen(checkpoint)).load()
    assert saved.position == 5
    assert list(saved.settings) == [(A, None, 1, 0, 9)]
    assert saved.memories == {A: b"2"}


async def test_a_commit_says_whose_it_is_or_that_nobody_knows(opened: Opened) -> None:
    checkpoint, reopen = opened
    assert (await checkpoint.load()).journal is None
    await checkpoint.commit(Commit(10, journal=A))
    assert (await (await reopen(checkpoint)).load()).journal == A
    checkpoint = await reopen(checkpoint)
    await checkpoint.commit(Commit(20))
    assert (await checkpoint.load()).journal is None


async def test_a_copy_is_nobodys(tmp_path: Path) -> None:
    checkpoint = await SqliteCheckpoint.open(tmp_path / "first")
    await checkpoint.commit(Commit(10, settings=[(A, "{}", 1, 0, 7)], journal=A))
    assert copy_checkpoint(tmp_path / "first", tmp_path / "second")
    assert not copy_checkpoint(tmp_path / "third", tmp_path / "fourth")
    assert (await checkpoint.load()).journal == A
    await checkpoint.close()
    copy = await SqliteCheckpoint.open(tmp_path / "second")
    saved = await copy.load()
    assert (saved.position, list(saved.settings), saved.journal) == (10, [(A, "{}", 1, 0, 7)], None)
    await copy.close()


async def test_a_file_of_the_form_before_is_read_and_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.sqlite"
    checkpoint = await SqliteCheckpoint.open(path)
    await checkpoint.commit(Commit(10, journal=A))
    for statement in ("ALTER TABLE position DROP COLUMN journal", "PRAGMA user_version = 1"):
        await checkpoint._run(lambda connection, text=statement: connection.execute(text))
    await checkpoint.close()
    checkpoint = await SqliteCheckpoint.open(path)
    saved = await checkpoint.load()
    assert (saved.position, saved.journal) == (10, None)
    await checkpoint.commit(Commit(20, journal=B))
    assert (await checkpoint.load()).journal == B
    await checkpoint.close()


async def test_spooled_rows_stay_until_they_are_dropped(opened: Opened) -> None:
    checkpoint, reopen = opened
    entries = [(SpoolEntry(n, "series", 1, 1), b"%d" % n) for n in (1, 2, 3)]
    await checkpoint.commit(Commit(1, spooled=entries))
    await checkpoint.drop([2, 9])
    checkpoint = await reopen(checkpoint)
    assert [entry.number for entry in (await checkpoint.load()).spool] == [1, 3]
    assert await checkpoint.body(3) == b"3"
    with pytest.raises(KeyError):
        await checkpoint.body(2)


async def test_of_rows_put_aside_the_newest_are_kept(opened: Opened) -> None:
    checkpoint, reopen = opened
    rows = [Quarantined("series", n, f"reason {n}", b"%d" % n) for n in range(5)]
    await checkpoint.quarantine(rows[:2])
    await checkpoint.quarantine(rows[2:])
    checkpoint = await reopen(checkpoint)
    assert list(await checkpoint.quarantined()) == [rows[4], rows[3], rows[2]]


async def test_a_closed_file_is_unavailable(tmp_path: Path) -> None:
    checkpoint = await SqliteCheckpoint.open(tmp_path / "checkpoint.sqlite")
    await checkpoint.close()
    await checkpoint.close()
    with pytest.raises(Unavailable):
        await checkpoint.load()


async def test_what_is_no_checkpoint_or_a_newer_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, however long it may be" * 100)
    with pytest.raises(Unavailable):
        await SqliteCheckpoint.open(tmp_path / "text")
    newer = await SqliteCheckpoint.open(tmp_path / "newer")
    await newer._run(lambda connection: connection.execute("PRAGMA user_version = 9"))
    await newer.close()
    with pytest.raises(Unavailable, match="another version"):
        await SqliteCheckpoint.open(tmp_path / "newer")
    with pytest.raises(Unavailable):
        await SqliteCheckpoint.open(tmp_path / "no such folder" / "file")
