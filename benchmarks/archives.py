"""How many different units' archives one process packs a second on a warm commit.

Run: ``python benchmarks/archives.py``. Every archive is packed for another env.json and
schema.json over a real repository of 100 files and 1 MiB, mirrored from a code host on
loopback; each body is decoded with the window a device has and compared with what went in.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import platform
import random
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from uuid import UUID

from pepeunit.adapters.archives.tree_archives import TreeArchives
from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.git.mirrors import GitMirrors
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.address import HostRule
from pepeunit.domain.registries.version import Sha
from pepeunit.entrypoints.cli.forge import Forge
from pepeunit.ports.archives import ArchiveFormat

FILES = 100
CONTENT_BYTES = 2**20
UNITS = 100
ROUNDS = 20
AT_ONCE = 8
REGISTRY = RegistryId(UUID(int=1))
GOAL_TGZ_PER_SECOND = 1_000


def repository() -> dict[str, bytes]:
    """Files that compress about as source code does."""
    dice = random.Random(2)
    words = [
        bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz_", k=dice.randint(2, 9)))
        for _ in range(800)
    ]
    size = CONTENT_BYTES // FILES
    return {
        f"src/part{number % 10}/module{number}.py": b" ".join(dice.choices(words, k=size // 4))[
            :size
        ]
        for number in range(FILES)
    }


def own_files(unit: int) -> dict[str, bytes]:
    """About what a unit has: a token, keys, and 20 topics with their nodes."""
    identity = UUID(int=random.Random(unit).getrandbits(128))
    env = {f"KEY_{number}": f"{identity}-{number}" for number in range(20)} | {"unit": unit}
    topics = {f"output/{number}": [f"host/{identity}/{number}"] for number in range(20)}
    return {
        "env.json": json.dumps(env, indent=4).encode(),
        "schema.json": json.dumps({"output_topic": topics}, indent=4).encode(),
    }


def contents(body: bytes, form: ArchiveFormat) -> dict[str, bytes]:
    """The files of an archive, a tgz inflated with a 9-bit window."""
    if form is ArchiveFormat.ZIP:
        with zipfile.ZipFile(io.BytesIO(body)) as opened:
            return {name: opened.read(name) for name in opened.namelist() if name[-1] != "/"}
    plain = zlib.decompressobj(9).decompress(body) if form is ArchiveFormat.TGZ else body
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {
            member.name.removeprefix("./"): file.read()
            for member in tar
            if (file := tar.extractfile(member)) is not None
        }


async def measure(archives: TreeArchives, commit: Sha, form: ArchiveFormat) -> tuple[float, ...]:
    """Seconds of the first archive, archives a second afterwards, bytes of one."""
    units = [own_files(unit) for unit in range(UNITS)]
    started = time.perf_counter()
    await archives.pack(REGISTRY, commit, units[0], form)
    cold = time.perf_counter() - started

    async def device(first: int) -> None:
        for unit in range(first, UNITS, AT_ONCE):
            await archives.pack(REGISTRY, commit, units[unit], form)

    started = time.perf_counter()
    for _ in range(ROUNDS):
        await asyncio.gather(*(device(first) for first in range(AT_ONCE)))
    rate = UNITS * ROUNDS / (time.perf_counter() - started)
    bodies = [(await archives.pack(REGISTRY, commit, unit, form)).body for unit in units]
    expected = repository()
    assert len(set(bodies)) == UNITS
    for unit, body in zip(units, bodies, strict=True):
        assert contents(body, form) == expected | unit
    return cold, rate, len(bodies[0])


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "forge").mkdir()
        forge = Forge(Path(folder) / "forge")
        await forge.start()
        await forge.create("bench/device")
        commit = await forge.commit("bench/device", repository(), "all of it")
        mirrors = GitMirrors(Path(folder) / "mirrors", HostRule.of(forge.authority), resolve)
        mirrors.recover()
        await mirrors.sync(REGISTRY, forge.url("bench/device"), None)
        await forge.stop()
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},",
            end=" ",
        )
        print(
            f"zlib {zlib.ZLIB_RUNTIME_VERSION}; {FILES} files, {CONTENT_BYTES} bytes, {UNITS} units"
        )
        print("| archive | first, ms | then, per second | bytes each | verified | goal |")
        print("|---|---|---|---|---|---|")
        for form in ArchiveFormat:
            cold, rate, size = await measure(TreeArchives(mirrors), commit, form)
            tgz = form is ArchiveFormat.TGZ
            verdict = ("met" if rate >= GOAL_TGZ_PER_SECOND else "MISSED") if tgz else "–"
            row = (form.value, f"{cold * 1000:.0f}", f"{rate:.0f}", f"{size:.0f}", UNITS, verdict)
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    asyncio.run(main())
