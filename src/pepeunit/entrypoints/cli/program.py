"""The demo device's program in its releases."""

from __future__ import annotations

import re
from importlib.resources import files


def program_files(release: int) -> dict[str, bytes]:
    """The repository's files in the given release."""
    folder = files("pepeunit.entrypoints.cli") / "demo_program"
    found = {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if entry.is_file() and not entry.name.endswith(".pyc")
    }
    main = found["main.py"].decode()
    found["main.py"] = re.sub(r"^RELEASE = \d+$", f"RELEASE = {release}", main, flags=re.M).encode()
    return found


def release_of(tag: str) -> int:
    """The number of a tag such as ``v3``; 0 for any other."""
    digits = tag.removeprefix("v")
    return int(digits) if digits.isdigit() else 0
