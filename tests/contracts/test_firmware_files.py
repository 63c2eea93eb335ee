"""Release files kept for devices: in memory and in a folder, under one contract (O11, W32)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define

from pepeunit.adapters.firmware.folder import FirmwareFolder, FirmwareLimits
from pepeunit.adapters.memory.firmware import MemoryFirmware
from pepeunit.domain.errors import Invalid, OverLimit, Topic, Unavailable
from pepeunit.ports.firmware import FirmwareFile, FirmwareFiles
from pepeunit.ports.web import Write

LIMIT = 1_000_000
KEYS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(20)]

Open = Callable[..., FirmwareFolder]


@pytest.fixture
def open_folder(tmp_path: Path) -> Open:
    def open_(**limits: int) -> FirmwareFolder:
        folder = FirmwareFolder(
            tmp_path / "firmware", FirmwareLimits(**({"file_bytes_max": LIMIT} | limits))
        )
        folder.recover()
        return folder

    return open_


@pytest.fixture(params=["memory", "folder"])
def files(request: pytest.FixtureRequest, open_folder: Open) -> FirmwareFiles:
    return MemoryFirmware(LIMIT) if request.param == "memory" else open_folder()


@define
class Source:
    """A file somewhere else; counts how often it was fetched."""

    pieces: list[bytes]
    failure: Exception | None = None
    fetched: int = 0

    async def __call__(self, write: Write) -> None:
        self.fetched += 1
        for piece in self.pieces:
            await write(piece)
            await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure


async def content(files: FirmwareFiles, file: FirmwareFile) -> bytes:
    return b"".join([piece async for piece in files.read(file)])


async def test_w32_what_is_kept_has_the_digest_of_its_content(files: FirmwareFiles) -> None:
    body = bytes(range(256)) * 3000
    source = Source([body[:1000], b"", body[1000:]])
    digest = hashlib.sha256(body).hexdigest()
    assert await files.find(KEYS[0]) is None
    file = await files.keep(KEYS[0], source)
    assert await files.find(KEYS[0]) == file
    assert (file.sha256, file.size_bytes) == (digest, len(body))
    assert await content(files, file) == body
    assert await files.keep(KEYS[0], source, digest) == file
    assert source.fetched == 1
    empty = await files.keep(KEYS[1], Source([]))
    assert (await content(files, empty), empty.size_bytes) == (b"", 0)


async def test_a_file_that_many_ask_for_is_fetched_once(open_folder: Open) -> None:
    files, source = open_folder(), Source([b"x"] * 50)
    found = await asyncio.gather(*(files.keep(KEYS[0], source) for _ in range(50)))
    assert len(set(found)) == source.fetched == 1


async def test_downloads_at_a_time_are_bounded(open_folder: Open) -> None:
    files, gate = open_folder(downloads_max=2), asyncio.Event()
    running = most = 0

    async def slow(write: Write) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    tasks = [asyncio.create_task(files.keep(key, slow)) for key in KEYS[:6]]
    for _ in range(20):
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert most == 2


async def test_w32_other_content_than_the_platform_described_is_not_kept(
    files: FirmwareFiles,
) -> None:
    with pytest.raises(Invalid) as refused:
        await files.keep(KEYS[0], Source([b"swapped"]), hashlib.sha256(b"true").hexdigest())
    assert refused.value.topic is Topic.PLATFORM
    file = await files.keep(KEYS[0], Source([b"true"]))
    assert await content(files, file) == b"true"


async def test_w17_a_file_over_the_limit_is_cut_and_forgotten(files: FirmwareFiles) -> None:
    endless = Source([b"x" * 1000] * 5000)
    with pytest.raises(OverLimit) as refused:
        await files.keep(KEYS[0], endless)
    assert (refused.value.topic, refused.value.limit) == (Topic.PLATFORM, LIMIT)
    assert (await files.keep(KEYS[0], Source([b"small"]))).size_bytes == 5


async def test_a_fetch_that_breaks_off_leaves_nothing(files: FirmwareFiles) -> None:
    with pytest.raises(Unavailable):
        await files.keep(KEYS[0], Source([b"half"], Unavailable("GitHub", "gone")))
    file = await files.keep(KEYS[0], Source([b"whole"]))
    assert await content(files, file) == b"whole"


async def test_a_deleted_registrys_files_go_and_the_others_stay(files: FirmwareFiles) -> None:
    kept = [await files.keep(f"{name}-{KEYS[0]}", Source([b"x"])) for name in ("0a", "0b")]
    await files.forget("0a-")
    assert [await files.find(file.key) for file in kept] == [None, kept[1]]
    assert await content(files, kept[1]) == b"x"


@pytest.mark.parametrize("key", ["", "../x", "*", "0a/0b", "incoming-1"])
async def test_w39_a_key_cannot_lead_out_of_the_folder(open_folder: Open, key: str) -> None:
    files = open_folder()
    with pytest.raises(ValueError, match="hexadecimal"):
        await files.keep(key, Source([b"x"]))
    with pytest.raises(ValueError, match="hexadecimal"):
        await files.forget(key)


async def test_a_restart_keeps_whole_files_and_drops_half_ones(
    open_folder: Open, tmp_path: Path
) -> None:
    file = await open_folder().keep(KEYS[0], Source([b"whole"]))
    half = tmp_path / "firmware" / "incoming-killed"
    half.write_bytes(b"half")
    files, source = open_folder(), Source([b"other"])
    assert await files.keep(KEYS[0], source) == file
    assert (source.fetched, half.exists()) == (0, False)
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "firmware").iterdir()] == [0]


async def test_w17_what_was_not_asked_for_longest_makes_room(open_folder: Open) -> None:
    files = open_folder(folder_bytes_max=2500)
    kept = {key: await files.keep(key, Source([b"x" * 1000])) for key in KEYS[:2]}
    again = Source([b"x" * 1000])
    await files.keep(KEYS[0], again)
    kept[KEYS[2]] = await files.keep(KEYS[2], Source([b"x" * 1000]))
    assert again.fetched == 0
    for key in (KEYS[0], KEYS[2]):
        assert len(await content(files, kept[key])) == 1000
    with pytest.raises(Unavailable) as refused:
        await content(files, kept[KEYS[1]])
    assert str(files.folder) not in str(refused.value)
