"""What the journal's files survive."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pepeunit.adapters.embedded.journal import FileJournal, JournalLimits
from pepeunit.adapters.embedded.segments import RECORD_BYTES_MAX
from pepeunit.domain.errors import Invalid, OverLimit, Unavailable

SMALL = JournalLimits(segment_bytes=1024, buffer_bytes_max=1024, disk_bytes_max=64 * 1024)
RECORDS = [b"", b"one", b"two" * 10]

WRITER = """
import asyncio, sys
from pathlib import Path
from pepeunit.adapters.embedded.journal import FileJournal, JournalLimits

async def caller(journal, name):
    n = 0
    while True:
        await journal.append([b"%d %d %d" % (name, n, m) for m in range(3)])
        print(name, n, flush=True)
        n += 1

async def main():
    limits = JournalLimits(segment_bytes=4096, buffer_bytes_max=4096, disk_bytes_max=2**24)
    journal = await FileJournal.open(Path(sys.argv[1]), limits)
    await asyncio.gather(*(caller(journal, name) for name in range(8)))

asyncio.run(main())
"""


async def stored(journal: FileJournal, position: int = 0) -> list[bytes]:
    return [record async for _, record in journal.read(position)]


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.segment"))


async def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path, SMALL)
    records = [b"%d" % n * 20 for n in range(200)]
    middle = 0
    for record in records:
        middle = await journal.append([record]) if record != records[100] else middle
    await journal.release(middle)
    await journal.append([b"last"])
    await journal.close()
    again = await FileJournal.open(tmp_path, SMALL)
    assert again.released == middle
    assert await stored(again, again.released) == [b"last"]
    await again.close()


async def test_released_segments_leave_the_disk(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path, SMALL)
    for n in range(100):
        end = await journal.append([b"%d" % n * 50])
    assert len(files(tmp_path)) > 5
    await journal.release(end)
    assert len(files(tmp_path)) == 1
    await journal.close()


async def test_a_tail_torn_at_any_byte_is_cut_and_writing_goes_on(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    journal = await FileJournal.open(whole)
    ends = [await journal.append([record]) for record in RECORDS]
    await journal.close()
    content = files(whole)[0].read_bytes()
    assert len(content) == ends[-1]
    for cut in range(len(content)):
        for tail in (b"", b"\x00" * 64, b"\xff" * 64):
            torn = tmp_path / f"torn-{cut}-{tail[:1].hex()}"
            torn.mkdir()
            (torn / files(whole)[0].name).write_bytes(content[:cut] + tail)
            journal = await FileJournal.open(torn)
            kept = [record for record, end in zip(RECORDS, ends, strict=True) if end <= cut]
            assert await stored(journal) == kept
            await journal.append([b"next"])
            await journal.close()
            journal = await FileJournal.open(torn)
            assert await stored(journal) == [*kept, b"next"]
            await journal.close()


async def test_any_flipped_byte_of_the_last_record_is_noticed(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path)
    start = await journal.append([b"kept"])
    end = await journal.append([b"spoiled"])
    await journal.close()
    content = files(tmp_path)[0].read_bytes()
    for at in range(start, end):
        files(tmp_path)[0].write_bytes(
            content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
        )
        journal = await FileJournal.open(tmp_path)
        assert await stored(journal) == [b"kept"]
        await journal.close()


async def test_damage_inside_a_full_segment_costs_no_later_segment(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path, SMALL)
    for n in range(30):
        await journal.append([b"%02d" % n * 100])
    damaged = files(tmp_path)[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    kept = await stored(journal)
    assert 25 <= len(kept) < 30
    assert kept[0] == b"00" * 100
    assert kept[-1] == b"29" * 100
    await journal.close()


@pytest.mark.parametrize("acknowledged", [1, 40, 400])
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, acknowledged: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(acknowledged):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    told = [tuple(map(int, line.split())) for line in rest.splitlines() if line.count(" ") == 1]
    journal = await FileJournal.open(tmp_path)
    found = {tuple(map(int, record.split())) for record in await stored(journal)}
    await journal.close()
    for name, n in told:
        assert {(name, n, m) for m in range(3)} <= found
    assert len(found) >= 3 * acknowledged


async def test_callers_that_meet_share_one_flush(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path)
    await asyncio.gather(*(journal.append([b"x"]) for _ in range(500)))
    assert journal.flushes <= 2
    assert len(await stored(journal)) == 500
    await journal.close()


async def test_callers_wait_while_the_buffer_is_full(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path, SMALL)
    await asyncio.gather(*(journal.append([b"x" * 500]) for _ in range(20)))
    assert journal.flushes >= 10
    await journal.append([b"y" * 5000])
    assert len(await stored(journal)) == 21
    await journal.close()


async def test_a_refused_write_leaves_no_trace_and_the_next_one_works(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path)
    await journal.append([b"before"])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(Unavailable, match="journal"):
            await journal.append([b"x" * 50, b"y" * 5000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await stored(journal) == [b"before"]
    await journal.append([b"after"])
    await journal.close()
    again = await FileJournal.open(tmp_path)
    assert await stored(again) == [b"before", b"after"]
    await again.close()


async def test_a_cancelled_caller_harms_nobody(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path)
    first = asyncio.ensure_future(journal.append([b"a"]))
    await asyncio.sleep(0)
    first.cancel()
    assert await journal.append([b"b"]) > 0
    assert b"b" in await stored(journal)
    await journal.close()


async def test_reading_goes_on_while_what_was_read_is_released(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path, SMALL)
    for n in range(150):
        await journal.append([b"%03d" % n * 50])
    seen = []
    async for position, record in journal.read(0):
        seen.append(int(record[:3]))
        await journal.release(position)
    assert seen == list(range(150))
    await journal.close()


async def test_a_lost_checkpoint_reads_twice_rather_than_never(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path)
    await journal.release(await journal.append([b"a"]))
    await journal.close()
    (tmp_path / "released").write_bytes(b"")
    journal = await FileJournal.open(tmp_path)
    assert journal.released == 0
    assert await stored(journal) == [b"a"]
    await journal.close()


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: os.truncate(path, 0)])
async def test_positions_are_never_given_twice_when_segments_are_lost(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    journal = await FileJournal.open(tmp_path)
    end = await journal.append([b"a"])
    await journal.release(end)
    await journal.close()
    lose(files(tmp_path)[0])
    journal = await FileJournal.open(tmp_path)
    assert await journal.append([b"b"]) > end
    assert await stored(journal, end) == [b"b"]
    await journal.close()


async def test_limits_are_checked(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        JournalLimits(disk_bytes_max=1000)
    journal = await FileJournal.open(tmp_path)
    with pytest.raises(OverLimit):
        await journal.append([bytes(RECORD_BYTES_MAX + 1)])
    big = bytes(RECORD_BYTES_MAX)
    await journal.append([big, b"small"])
    assert await stored(journal) == [big, b"small"]
    await journal.close()
    with pytest.raises(Unavailable):
        await journal.append([b"late"])


async def test_files_are_private(tmp_path: Path) -> None:
    journal = await FileJournal.open(tmp_path / "journal")
    await journal.release(await journal.append([b"a"]))
    await journal.close()
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "journal").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=os.strerror(20)):
        await FileJournal.open(tmp_path / "file" / "journal")
