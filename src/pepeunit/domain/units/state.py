"""What a device reports of itself (spec devices.md 12)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.text import storable_text

INTEGER_MAX: Final = 2**63
"""Integers beyond 64 bits become floats: not every reader of JSON takes them."""


@frozen
class UnitState:
    """Wrongly typed values are None, or empty for lists; integers become floats."""

    ifconfig: tuple[Any, ...] = ()
    millis: float | None = None
    mem_free: float | None = None
    mem_alloc: float | None = None
    freq: float | None = None
    statvfs: tuple[Any, ...] = ()
    pu_commit_version: str | None = None


def _number(value: object) -> float | None:
    if type(value) is float:  # as every stored one is
        return value if math.isfinite(value) else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _plain(value: object) -> object:
    """A scalar that every store and every reader takes; anything else becomes None."""
    match value:
        case None | bool():
            return value
        case str():
            return storable_text(value)
        case int() if -INTEGER_MAX <= value < INTEGER_MAX:
            return value
        case _:
            return _number(value)


def _items(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else ()


def state_from_mapping(document: Mapping[str, object]) -> UnitState:
    """Keep the seven known keys of a state message, drop the rest."""
    version = document.get("pu_commit_version")
    return UnitState(
        ifconfig=_items(document.get("ifconfig")),
        millis=_number(document.get("millis")),
        mem_free=_number(document.get("mem_free")),
        mem_alloc=_number(document.get("mem_alloc")),
        freq=_number(document.get("freq")),
        statvfs=_items(document.get("statvfs")),
        pu_commit_version=version if isinstance(version, str) else None,
    )


def read_state(payload: bytes) -> UnitState:
    """The state of a ``state/pepeunit`` message, with nothing in it that no store can hold.

    Raises ``Invalid`` (topic json).
    """
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        raise Invalid("a state message must be a JSON object", Topic.JSON) from None
    if not isinstance(document, dict):
        raise Invalid("a state message must be a JSON object", Topic.JSON)
    return state_from_mapping(
        {
            key: [_plain(item) for item in value] if isinstance(value, list) else _plain(value)
            for key, value in document.items()
        }
    )


def is_due(
    state: UnitState,
    known_version: str | None,
    last: datetime | None,
    now: datetime,
    send_interval_seconds: float,
) -> bool:
    """Whether a state message is stored or throttled (O33).

    The floor is half the send interval, so jitter costs nothing; a changed version always passes,
    and so does a clock that went backwards.
    """
    if last is None or now < last:
        return True
    if state.pu_commit_version is not None and state.pu_commit_version != known_version:
        return True
    return now - last >= timedelta(seconds=send_interval_seconds / 2)
