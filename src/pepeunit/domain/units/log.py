"""What a device logs (spec devices.md 12, O35, rulings 33)."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.domain.text import storable_text

MILLISECONDS_ABOVE: Final = 2e10
"""Numbers above this are epoch milliseconds (rulings 35)."""
TEXT_CHARS_MAX: Final = 16_384
"""Of an entry: what is longer is cut."""


class LogLevel(enum.Enum):
    DEBUG = "Debug"
    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"
    CRITICAL = "Critical"


@frozen
class UnitLog:
    """Its identity comes from unit, time, level and text, so that entries sent again by a log
    sync are stored once."""

    unit_uuid: UnitId
    level: LogLevel
    text: str
    create_datetime: datetime
    expiration_datetime: datetime

    @property
    def uuid(self) -> UUID:
        stamp = self.create_datetime.isoformat(timespec="milliseconds")
        return uuid5(self.unit_uuid, f"{stamp}\0{self.level.value}\0{self.text}")


def _time(value: object, fallback: datetime) -> datetime | None:
    try:
        if value is None:
            found = fallback
        elif isinstance(value, str):
            read = datetime.fromisoformat(value)
            found = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value > MILLISECONDS_ABOVE else value
            found = datetime.fromtimestamp(seconds, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def _entry(unit: UnitId, item: object, usual: datetime, expires: datetime) -> UnitLog | None:
    if not isinstance(item, dict):
        return None
    level, text = item.get("level"), item.get("text")
    if not isinstance(level, str) or not isinstance(text, str):
        return None
    created = _time(item.get("create_datetime"), usual)
    try:
        known = LogLevel(level.capitalize())
    except ValueError:
        return None
    if created is None:
        return None
    kept = storable_text(text)[:TEXT_CHARS_MAX]
    return UnitLog(unit, known, kept, created, expires)


def read_logs(
    unit: UnitId, payload: bytes, received: datetime, kept_seconds: float
) -> tuple[list[UnitLog], int]:
    """The entries of a ``log/pepeunit`` message and how many were malformed.

    One object or a list; entries without a time get the receive time plus their index in
    seconds, and each expires by the receive time alone. Raises ``Invalid`` (topic json) when the
    payload is no JSON at all.
    """
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        raise Invalid("a log message must be JSON", Topic.JSON) from None
    items: Iterable[object] = document if isinstance(document, list) else [document]
    expires = received + timedelta(seconds=kept_seconds)
    entries = [
        _entry(unit, item, received + timedelta(seconds=index), expires)
        for index, item in enumerate(items)
    ]
    good = [entry for entry in entries if entry is not None]
    return good, len(entries) - len(good)
