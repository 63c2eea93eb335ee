"""Numbers as devices write them and as pipes store them (spec datapipe.md 4)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

from pepeunit.domain.pipes.drops import Drop

DIGITS: Final = b"0123456789+-.eE"
"""All that a number is made of."""
SPACES: Final = b" \t\r\n"
"""All that is trimmed around it."""
ALPHABET: Final = DIGITS + SPACES
PRINTED_ZERO_MAX: Final = 5e-7
"""Six decimals show nothing of a product up to this."""


def parse_number(text: str) -> float | None:
    """The value of a text that is a finite number, spaces around it trimmed; else None."""
    try:
        written = text.encode("ascii")
    except UnicodeEncodeError:
        return None
    if written.translate(None, ALPHABET):
        return None
    try:
        value = float(written)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def unreadable(payload: bytes) -> Drop:
    """Why a payload that is no number is dropped."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return Drop.ENCODING
    return Drop.ENCODING if b"\0" in payload else Drop.TYPE


def product_text(product: float) -> str:
    """Exactly six decimals; a product that would read as zero so keeps its digits instead."""
    if -PRINTED_ZERO_MAX <= product <= PRINTED_ZERO_MAX and product:
        return format(Decimal(repr(product)), "f")
    return f"{product:.6f}"
