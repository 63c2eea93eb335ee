"""What every journal promises (ports/journal.py; rulings 27, 31)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pepeunit.adapters.embedded.journal import FileJournal, JournalLimits
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.domain.errors import Invalid, Unavailable
from pepeunit.ports.journal import Journal

SMALL = JournalLimits(segment_bytes=1024, buffer_bytes_max=1024, disk_bytes_max=8192)


@pytest.fixture(params=["memory", "files"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal(bytes_max=8192)
        return
    files = await FileJournal.open(tmp_path / "journal", SMALL)
    yield files
    await files.close()


async def stored(journal: Journal, position: int = 0) -> list[bytes]:
    return [record async for _, record in journal.read(position)]


async def test_records_come_back_in_order_byte_for_byte(journal: Journal) -> None:
    records = [b"first", b"", b"\x00" * 40, b"third" * 100, bytes(range(256))]
    await journal.append(records[:2])
    await journal.append(records[2:])
    assert await stored(journal) == records


async def test_append_returns_the_position_behind_the_last_record(journal: Journal) -> None:
    first = await journal.append([b"a", b""])
    second = await journal.append([b"", b"b"])
    positions = [position async for position, _ in journal.read(0)]
    assert positions == sorted(set(positions))
    assert positions[1] == first
    assert positions[3] == second


async def test_reading_begins_behind_any_record(journal: Journal) -> None:
    await journal.append([b"%d" % n for n in range(200)])
    seen = [position async for position, _ in journal.read(0)]
    for n in range(0, 200, 17):
        assert await stored(journal, seen[n]) == [b"%d" % m for m in range(n + 1, 200)]


async def test_nothing_to_append_is_the_end(journal: Journal) -> None:
    assert await journal.append([]) == 0
    end = await journal.append([b"a"])
    assert await journal.append([]) == end
    assert await stored(journal, end) == []


async def test_release_is_remembered_and_never_goes_back(journal: Journal) -> None:
    assert journal.released == 0
    first = await journal.append([b"a"])
    second = await journal.append([b"b"])
    await journal.release(second)
    await journal.release(first)
    assert journal.released == second
    assert await stored(journal, journal.released) == []


async def test_release_of_what_is_not_stored_is_invalid(journal: Journal) -> None:
    end = await journal.append([b"a"])
    with pytest.raises(Invalid):
        await journal.release(end + 1)
    assert journal.released == 0


async def test_concurrent_appends_keep_each_callers_records_together(journal: Journal) -> None:
    async def one(caller: int) -> int:
        return await journal.append([b"%d %d" % (caller, n) for n in range(5)])

    ends = await asyncio.gather(*(one(caller) for caller in range(40)))
    found = [(position, *record.split()) async for position, record in journal.read(0)]
    callers = [int(caller) for _, caller, _ in found]
    assert [int(n) for _, _, n in found] == list(range(5)) * 40
    assert all(len(set(callers[at : at + 5])) == 1 for at in range(0, 200, 5))
    assert {callers[at]: found[at][0] for at in range(4, 200, 5)} == dict(enumerate(ends))


async def test_a_full_journal_refuses_until_records_are_released(journal: Journal) -> None:
    accepted: list[bytes] = []

    async def fill() -> None:
        for n in range(1000):
            await journal.append([b"%d" % n * 50])
            accepted.append(b"%d" % n * 50)

    with pytest.raises(Unavailable, match="full"):
        await fill()
    assert len(accepted) > 20
    assert await stored(journal) == accepted
    end = await journal.append([])
    await journal.release(end)
    await journal.append([b"again"])
    assert await stored(journal, end) == [b"again"]
    assert len(await stored(journal)) < len(accepted)


async def test_the_tail_begins_at_a_record_and_has_the_newest_bytes(journal: Journal) -> None:
    assert await stored(journal, journal.tail(100)) == []
    for n in range(40):
        await journal.append([b"%03d" % n * 30])
    tail = await stored(journal, journal.tail(900))
    assert tail[-1] == b"039" * 30
    assert 900 <= sum(map(len, tail)) < 3_000
    assert len(await stored(journal, journal.tail(1 << 20))) == 40


async def test_reading_goes_on_when_what_it_reads_is_released(journal: Journal) -> None:
    ends = [await journal.append([bytes(180)]) for _ in range(30)]
    found = []
    async for end, _ in journal.read(0):
        found.append(end)
        if len(found) == 1:
            await journal.release(ends[25])
    assert found[-1] == ends[-1]
