"""The time that a device gives with its value (decision 0023).

``t=1740787200;21.5``: whole Unix seconds, or milliseconds above 2e10, then the value as it would
be published without the stamp. Only pipes with ``event_time`` look for it.
"""

from __future__ import annotations

from typing import Final

from pepeunit.domain.pipes.fields import UNIX_SECONDS_MAX

MARK: Final = b"t="
END: Final = b";"
DIGITS_MAX: Final = 15


def unstamped(payload: bytes, received_ms: int) -> tuple[int, bytes]:
    """The time in UTC epoch milliseconds, and the value byte for byte.

    A payload without the form is a value, received when it was.
    """
    if payload[: len(MARK)] != MARK:
        return received_ms, payload
    digits, end, value = payload[len(MARK) :].partition(END)
    if not end or not digits.isdigit() or len(digits) > DIGITS_MAX:
        return received_ms, payload
    number = int(digits)
    return number if number > UNIX_SECONDS_MAX else number * 1000, value
