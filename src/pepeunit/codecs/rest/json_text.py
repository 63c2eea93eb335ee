"""Read models as JSON text (spec rest.md 4): null fields present, enum values, naive UTC dates."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import attrs
import orjson


@cache
def _fields(kind: Any) -> tuple[Sequence[str], Callable[[Any], Any]] | None:
    """The names of a model's fields and what reads them all at once; None for other types."""
    if not attrs.has(kind):
        return None
    names = [field.name for field in attrs.fields(kind)]
    if len(names) == 1:
        return names, lambda model: (getattr(model, names[0]),)
    return names, attrgetter(*names)


def _plain(value: Any) -> Any:
    kind: Any = type(value)
    fields = _fields(kind)
    if fields is not None:
        names, read = fields
        return dict(zip(names, read(value), strict=True))
    match value:
        case UUID():
            return str(value)
        case Mapping():
            return dict(value)
        case enum.Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case _:
            raise TypeError(f"{kind.__name__} has no JSON form")


def dump(value: Any) -> bytes:
    """UTF-8 JSON of a model, of plain JSON values, or of lists of either.

    Dates in models are naive UTC (see :func:`naive_utc`); their fraction has six digits and is
    left out when zero.
    """
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError:
        # what devices and people stored may hold integers above 64 bits or half a surrogate pair
        return json.dumps(value, default=_plain, separators=(",", ":")).encode()


def naive_utc(moment: datetime) -> datetime:
    """The wire form of a date: UTC without an offset."""
    if moment.tzinfo is not UTC:  # as every stored one is
        moment = moment.astimezone(UTC)
    return datetime.combine(moment.date(), moment.time())  # a third of what replace takes


def naive_utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else naive_utc(moment)
