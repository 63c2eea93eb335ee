"""A simulated device: its program in a process of its own, its output read line by line."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import signal
import sys
import tarfile
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

from pepeunit.domain.errors import Unavailable

WINDOW_BITS: Final = 9
ARCHIVE_BYTES_MAX: Final = 64 * 2**20
STOP_SECONDS_MAX: Final = 2.0
LINES_KEPT: Final = 200
LINE_BYTES_MAX: Final = 2**20

# the device ends with whoever started it, however that ends; exec keeps the wish
_LAUNCH: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.executable, [sys.executable, "main.py"])
"""


@define(eq=False)
class DeviceProcess:
    """``lines`` are the newest lines it printed."""

    process: asyncio.subprocess.Process
    tell: Callable[[str], None]
    lines: deque[str] = field(factory=lambda: deque(maxlen=LINES_KEPT))
    _printed: asyncio.Condition = field(factory=asyncio.Condition)

    async def read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101
        async for line in self.process.stdout:
            text = line.decode("utf-8", "replace").rstrip()
            self.tell(text)
            async with self._printed:
                self.lines.append(text)
                self._printed.notify_all()
        async with self._printed:
            self._printed.notify_all()

    async def says(self, text: str, seconds: float) -> None:
        """Wait until a kept line contains the text. Raises ``Unavailable`` when none comes."""
        try:
            async with asyncio.timeout(seconds), self._printed:
                await self._printed.wait_for(
                    lambda: self._said(text) or self.process.returncode is not None
                )
        except TimeoutError:
            raise Unavailable("device", f"did not print {text!r} within {seconds:g} s") from None
        if not self._said(text):
            raise Unavailable("device", f"ended: {' | '.join(list(self.lines)[-3:])}")

    def _said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def forget(self) -> None:
        """Start counting lines anew."""
        self.lines.clear()


@asynccontextmanager
async def run_device(folder: Path, tell: Callable[[str], None]) -> AsyncIterator[DeviceProcess]:
    """``python main.py`` in the folder, ended with the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _LAUNCH,
        str(os.getpid()),
        cwd=folder,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LINE_BYTES_MAX,
    )
    device = DeviceProcess(process, tell)
    reader = asyncio.create_task(device.read(), name="output of the device")
    try:
        yield device
    finally:
        await _end(process)
        reader.cancel()
        await asyncio.wait([reader])


async def _end(process: asyncio.subprocess.Process) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signum)
        with contextlib.suppress(TimeoutError):
            # not asyncio.timeout: in a task that is cancelled Python 3.11.2 lets it never end
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
            return


def unpack_firmware(archive: bytes, folder: Path) -> list[str]:
    """Unpack a tgz exactly as a device does, with a window of 9 bits; the names it held.

    The folder is made anew. Raises ``Unavailable`` when the bytes need a larger window, are cut
    short or hold anything but plain files and directories.
    """
    inflate = zlib.decompressobj(WINDOW_BITS)
    try:
        whole = inflate.decompress(archive, ARCHIVE_BYTES_MAX)
    except zlib.error as error:
        raise Unavailable("archive", f"a 9-bit window cannot decode it: {error}") from None
    if not inflate.eof:
        raise Unavailable("archive", "it is cut short or too large")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = []
    with tarfile.open(fileobj=io.BytesIO(whole)) as members:
        for member in members:
            target = (folder / member.name).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise Unavailable("archive", f"{member.name} leads out of its folder")
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            content = members.extractfile(member) if member.isfile() else None
            if content is None:
                raise Unavailable("archive", f"{member.name} is neither a file nor a directory")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            names.append(member.name.removeprefix("./"))
    return names
