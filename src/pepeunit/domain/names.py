"""The rule for logins and for the names of repos and units (spec access.md 7)."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable
from typing import Final

NAME_LENGTH_MIN: Final = 4
NAME_LENGTH_MAX: Final = 20
DEFAULT_NAME_SYMBOLS: Final = string.ascii_letters + string.digits + "_-."


def name_violations(
    path: str, name: str, symbols: Collection[str] = DEFAULT_NAME_SYMBOLS
) -> Iterable[tuple[str, str]]:
    """What is wrong with a name, as ``(path, message)`` pairs."""
    if not NAME_LENGTH_MIN <= len(name) <= NAME_LENGTH_MAX:
        yield path, f"must have {NAME_LENGTH_MIN} to {NAME_LENGTH_MAX} characters, has {len(name)}"
    strange = sorted(set(name) - set(symbols))
    if strange:
        yield path, f"may not contain {' '.join(map(repr, strange))}"
