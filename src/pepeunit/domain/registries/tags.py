"""Which tag counts where a commit carries several (spec devices.md 16, O9)."""

from __future__ import annotations

import re
from collections.abc import Collection

_VERSION = re.compile(r"[vV]?(\d{1,9}(?:\.\d{1,9})*)(.*)", re.DOTALL | re.ASCII)

TagOrder = tuple[bool, tuple[int, ...], bool, tuple[tuple[bool, int, str], ...], str]


def tag_order(tag: str) -> TagOrder:
    """A sort key: versions above other names, a release above its pre-releases, total."""
    found = _VERSION.fullmatch(tag)
    if found is None:
        return (False, (), False, (), tag)
    numbers = tuple(int(part) for part in found[1].split("."))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    suffix = found[2].split("+", 1)[0]
    return (True, numbers, not suffix, _pieces(suffix), tag)


def preferred_tag(tags: Collection[str], released: Collection[str]) -> str:
    """The tag that has a release, then the highest version. ``tags`` is not empty."""
    return max((tag for tag in tags if tag in released), key=tag_order, default=None) or max(
        tags, key=tag_order
    )


def _pieces(suffix: str) -> tuple[tuple[bool, int, str], ...]:
    """``rc10`` above ``rc9``: numbers compare as numbers and stand below words."""
    return tuple(
        (False, int(piece), "") if piece.isdecimal() else (True, 0, piece)
        for piece in re.findall(r"[0-9]{1,9}|[^0-9]+", suffix)
    )
