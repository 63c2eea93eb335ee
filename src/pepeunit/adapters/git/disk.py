"""A mirror as files: its size, its packs, and what a killed process leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Final

UNFINISHED: Final = ("*.git.incoming-*", "*.git.removing-*")
INTERRUPTED: Final = (
    "*.lock",
    "refs/heads/**/*.lock",
    "refs/tags/**/*.lock",
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    "objects/??/tmp_obj_*",
)


def folder_bytes(folder: Path) -> int:
    """The bytes that the files below take, by length or by disk blocks, whichever is more.

    Blocks count because a remote may send a flood of tiny references. Files that vanish
    meanwhile count as 0.
    """
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(at, name))  # noqa: PTH118
            except FileNotFoundError:
                continue
            total += max(found.st_size, found.st_blocks * 512)
    return total


def pack_count(mirror: Path) -> int:
    return sum(1 for _ in mirror.glob("objects/pack/*.pack"))


def stop_orphans(folder: Path) -> None:
    """Kill the gits that a killed process of ours left working below ``folder``.

    They would go on writing, and the locks cleared here could be theirs. Where there is no
    ``/proc`` they end by themselves, when they find nobody reading their progress.
    """
    for process in Path("/proc").glob("[1-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            place = (process / "cwd").readlink()
            if name.startswith("git") and place.is_relative_to(folder.resolve()):
                os.kill(int(process.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue


def clear_unfinished(folder: Path) -> None:
    """Drop mirrors that never became whole or were being deleted, and every stale lock.

    Only for a moment when no git runs below ``folder``: at start-up.
    """
    for pattern in UNFINISHED:
        for leftover in folder.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)
    for mirror in folder.glob("*.git"):
        clear_interrupted(mirror)
        for leftover in (mirror / "refs").rglob("*.lock"):
            leftover.unlink(missing_ok=True)


def clear_interrupted(mirror: Path) -> None:
    """Drop the locks and half-written packs of a fetch that was stopped in this mirror.

    Locks of pinned commits stay: pinning does not wait for a fetch and may be going on.
    """
    for pattern in INTERRUPTED:
        for leftover in mirror.glob(pattern):
            leftover.unlink(missing_ok=True)
