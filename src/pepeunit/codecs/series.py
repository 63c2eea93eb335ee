"""Rows of series as columns, checked for what every store can hold (spec datapipe.md 6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from pepeunit.domain.errors import Invalid, Topic

Column = Sequence[Any]
Check = Callable[[Column], bool]

TIME_MS_MAX: Final = 4_102_444_800_000
"""The year 2100: stores count the seconds of an expiry in 32 bits."""
COUNT_MAX: Final = 2**63 - 1
SIZE_MAX: Final = 2**32 - 1
STATE_TYPES: Final = ("Number", "Text")
FUNCTIONS: Final = ("Avg", "Min", "Max", "Sum")


def _between(most: int) -> Check:
    return lambda column: min(column) >= 0 and max(column) <= most


def _among(words: Iterable[str]) -> Check:
    allowed = frozenset(words)
    return allowed.issuperset


def _encodable(column: Column) -> bool:
    try:
        for text in column:
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(column: Column) -> bool:
    return all(map(math.isfinite, column))


def _anything(_: Column) -> bool:
    return True


_COUNT, _SIZE, _TIME = _between(COUNT_MAX), _between(SIZE_MAX), _between(TIME_MS_MAX)
_ORIGIN: Final = {"node": _anything, "generation": _COUNT}
N_RECORD_CHECKS: Final = {
    **_ORIGIN,
    "seq": _COUNT,
    "state": _encodable,
    "state_type": _among(STATE_TYPES),
    "created": _TIME,
    "max_count": _SIZE,
    "size": _SIZE,
}
TIME_WINDOW_CHECKS: Final = {
    **_ORIGIN,
    "seq": _COUNT,
    "state": _encodable,
    "state_type": _among(STATE_TYPES),
    "created": _TIME,
    "expires": _TIME,
    "size": _SIZE,
}
AGGREGATE_CHECKS: Final = {
    **_ORIGIN,
    "state": _finite,
    "function": _among(FUNCTIONS),
    "window_seconds": _SIZE,
    "created": _TIME,
    "start": _TIME,
    "end": _TIME,
    "samples": _COUNT,
}


def columns_of(rows: Sequence[tuple[Any, ...]], checks: dict[str, Check]) -> list[Column]:
    """The rows turned by a quarter, one sequence a field.

    Raises ``Invalid`` (topic pipe) that names every field with a value no store can hold: counts
    below 0 or beyond 63 bits, sizes beyond 32 bits, times before 1970 or beyond 2100, halves of
    surrogate pairs, unknown words, numbers that are not finite.
    """
    # zip(*rows) takes six times as long: it makes an iterator of every row
    columns: list[Column] = [list(map(itemgetter(place), rows)) for place in range(len(checks))]
    bad = [
        (name, "holds a value that cannot be stored")
        for (name, check), column in zip(checks.items(), columns, strict=True)
        if not check(column)
    ]
    if bad:
        raise Invalid(bad, Topic.PIPE)
    return columns
