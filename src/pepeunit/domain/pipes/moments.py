"""Moments as epoch milliseconds, and intervals in words (spec datapipe.md 8)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from pepeunit.domain.errors import Invalid, Topic

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
MONTHS_A_YEAR: Final = 12
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_INTERVAL: Final = re.compile(r"([0-9]{1,18})([smhdMy])")


def to_ms(moment: datetime) -> int:
    """Truncated to the millisecond it lies in."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * MILLISECOND


def before(now: datetime, interval: str) -> datetime:
    """The moment ``<integer><unit>`` before ``now``; units are ``s m h d M y``, of which ``M`` is
    a calendar month: the day is kept, or becomes the month's last.

    What lies before the first year is the first moment there is. Raises ``Invalid`` (topic pipe).
    """
    found = _INTERVAL.fullmatch(interval)
    if found is None:
        text = "must be a whole number and one of s, m, h, d, M, y, such as 15m"
        raise Invalid([("relative_time", text)], Topic.PIPE)
    count, unit = int(found[1]), found[2]
    first = datetime.min.replace(tzinfo=UTC)
    if unit in _SECONDS:
        try:
            return max(first, now - timedelta(seconds=count * _SECONDS[unit]))
        except OverflowError:
            return first
    months = count * (MONTHS_A_YEAR if unit == "y" else 1)
    year, month = divmod(now.year * MONTHS_A_YEAR + now.month - 1 - months, MONTHS_A_YEAR)
    if year < first.year:
        return first
    day = min(now.day, calendar.monthrange(year, month + 1)[1])
    return now.replace(year=year, month=month + 1, day=day)
