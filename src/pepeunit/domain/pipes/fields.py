"""The keys of a config: what each accepts and becomes (spec datapipe.md 2, rulings 35).

A reader takes what YAML or JSON made of a value and returns the domain's, or raises
:class:`Malformed`. Booleans and numeric texts count as numbers, as in the reference platform.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeVar

from attrs import frozen

from pepeunit.domain.pipes.config import (
    EPOCH,
    RATE_SECONDS_MAX,
    ROUND_MAX,
    AggregationFunction,
    InputType,
    ListType,
    PeriodType,
    PolicyType,
    Stage,
    ThresholdType,
)

INTEGER_MAX: Final = 2**63 - 1
UNIX_SECONDS_MAX: Final = 2e10
"""A greater Unix number is in milliseconds."""
ECHO_LENGTH_MAX: Final = 40

_INTEGER: Final = re.compile(r"[+-]?[0-9]+(\.0*)?")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[+-]?\.?(nan|inf|infinity)", re.IGNORECASE)
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1", "t", "y"), True),
    **dict.fromkeys(("false", "no", "off", "0", "f", "n"), False),
}

Reader = Callable[[Any], Any]
Word = TypeVar("Word", bound=enum.Enum)


class Malformed(ValueError):
    """A value that its key does not take; ``faults`` are ``(path below the key, message)``."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(faults)
        self.faults = faults


@frozen
class Key:
    """``is_null_absent`` is false where ``null`` is an error instead of the default."""

    name: str
    read: Reader
    is_required: bool = False
    default: Any = None
    is_null_absent: bool = True


def _wrong(message: str) -> Malformed:
    return Malformed(("", message))


def _shown(value: object) -> str:
    """A scalar as the user wrote it, cut; of anything else only what it is."""
    if isinstance(value, str | int | float) and len(text := repr(value)) <= ECHO_LENGTH_MAX:
        return text
    return f"this {type(value).__name__}"


def word(words: type[Word]) -> Reader:
    """One of the words, exactly."""
    known = {member.value: member for member in words}

    def read(value: Any) -> Word:
        found = known.get(value) if isinstance(value, str) else None
        if found is None:
            raise _wrong(f"must be one of {', '.join(known)}, not {_shown(value)}")
        return found

    return read


def integer(minimum: int = -INTEGER_MAX, maximum: int = INTEGER_MAX) -> Reader:
    """``5``, ``5.0``, ``"5"`` and booleans; never a fraction."""

    def read(value: Any) -> int:
        number = _integer(value)
        if number < minimum:
            raise _wrong(f"must be at least {minimum}, not {_shown(number)}")
        if number > maximum:
            raise _wrong(f"must be at most {maximum}, not {_shown(number)}")
        return number

    return read


def _integer(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        if len(text) > ECHO_LENGTH_MAX or not _INTEGER.fullmatch(text):
            raise _wrong(f"must be a whole number, not {_shown(value)}")
        return int(text.partition(".")[0])
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _wrong("must be finite")
        if not value.is_integer():
            raise _wrong(f"must be a whole number, not {_shown(value)}")
    elif not isinstance(value, int):
        raise _wrong(f"must be a whole number, not {_shown(value)}")
    return int(value)


def real(value: Any) -> float:
    """A finite float64; YAML 1.1 reads ``1e-3`` as a text, so numeric texts will do."""
    if isinstance(value, str):
        text = value.strip()
        if _NOT_FINITE.fullmatch(text):
            raise _wrong("must be finite")
        if not _NUMBER.fullmatch(text):
            raise _wrong(f"must be a number, not {_shown(value)}")
        number = float(text)
    elif isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    else:
        raise _wrong(f"must be a number, not {_shown(value)}")
    if not math.isfinite(number):
        raise _wrong("must be finite")
    return number


def flag(value: Any) -> bool:
    """true/false, yes/no, on/off, 1/0 and their texts; ``null`` is refused."""
    if isinstance(value, str):
        found = _FLAGS.get(value.strip().lower())
        if found is not None:
            return found
    elif isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise _wrong(f"must be true or false, not {_shown(value)}")


def moment(value: Any) -> datetime:
    """An aware datetime of ISO 8601 text, a YAML timestamp, a date or a Unix number.

    Without an offset it is UTC.
    """
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text):
            return _unix(real(text))
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise _wrong(f"must be a datetime, not {_shown(value)}") from None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _unix(real(value))
    raise _wrong(f"must be a datetime, not {_shown(value)}")


def _unix(number: float) -> datetime:
    seconds = number / 1000 if abs(number) > UNIX_SECONDS_MAX else number
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise _wrong("must be a datetime between the years 1 and 9999") from None


def listed_values(value: Any) -> tuple[str | int | float | bool, ...]:
    """Texts and finite numbers; whether they suit the input type is for V7 and V8."""
    if not isinstance(value, list | tuple):
        raise _wrong(f"must be a list, not {_shown(value)}")
    faults = []
    for index, element in enumerate(value):
        if isinstance(element, str):
            if _HALF_PAIR.search(element):
                faults.append((f"[{index}]", "must not hold half a surrogate pair"))
            continue
        try:
            real(element)
        except Malformed as wrong:
            message = wrong.faults[0][1].replace("a number", "a text or a number")
            faults.append((f"[{index}]", message))
    if faults:
        raise Malformed(*faults)
    return tuple(value)


KEYS: Final[Mapping[Stage, Sequence[Key]]] = {
    Stage.ACTIVE_PERIOD: (
        Key("type", word(PeriodType), is_required=True),
        Key("start", moment),
        Key("end", moment),
    ),
    Stage.FILTERS: (
        Key("type_input_value", word(InputType), is_required=True),
        Key("type_value_filtering", word(ListType)),
        Key("filtering_values", listed_values),
        Key("type_value_threshold", word(ThresholdType)),
        Key("threshold_min", real),
        Key("threshold_max", real),
        Key("max_rate", integer(0, RATE_SECONDS_MAX), is_required=True),
        Key("last_unique_check", flag, default=False, is_null_absent=False),
        Key("max_size", integer(0), is_required=True),
    ),
    Stage.TRANSFORMATIONS: (
        Key("multiplication_ratio", real),
        Key("round_decimal_point", integer(0, ROUND_MAX)),
        Key("slice_start", integer()),
        Key("slice_end", integer()),
    ),
    Stage.PROCESSING_POLICY: (
        Key("policy_type", word(PolicyType), is_required=True),
        Key("n_records_count", integer()),
        Key("time_window_size", integer()),
        Key("aggregation_functions", word(AggregationFunction)),
    ),
}

SECTIONS: Final[Mapping[Stage, str]] = {
    Stage.ACTIVE_PERIOD: "active_period",
    Stage.FILTERS: "filters",
    Stage.TRANSFORMATIONS: "transformations",
    Stage.PROCESSING_POLICY: "processing_policy",
}
