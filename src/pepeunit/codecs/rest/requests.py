"""Path, query and body of a request as attrs values (spec rest.md 3).

Primitives are strict: a number is never taken for a text, a text never for a number. Unknown
names are ignored, a missing optional name takes its default, and every violation is listed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, NewType, TypeVar

import attrs
import orjson
from attrs import frozen
from cattrs import Converter

from pepeunit.codecs.rest.strict import (
    FROM_JSON,
    FROM_TEXT,
    resolved_fields,
    takes_list,
)
from pepeunit.codecs.rest.violations import (
    Location,
    PageOutOfRange,
    RequestInvalid,
    Unfit,
    Violation,
    locate,
)

T = TypeVar("T")

ECHO_BYTES_MAX: Final = 1024
"""Longer bodies and values are never repeated in an answer (rulings 3)."""
PAGE_ROWS_MAX: Final = 500
INTEGER_MAX: Final = 2**63 - 1
"""What the stores hold."""

JsonText = NewType("JsonText", str)
"""A text, or any JSON object or array taken as its compact text (spec rest.md 8.4)."""


class Direction(enum.Enum):
    ASCENDING = "asc"
    DESCENDING = "desc"


@frozen(kw_only=True)
class Paged:
    """Rows to skip and to show at most; ``limit`` absent or 0 shows every row."""

    offset: int | None = None
    limit: int | None = None

    @property
    def is_unlimited(self) -> bool:
        return not self.limit

    def check_range(self, rows_max: int) -> None:
        """Raises :class:`PageOutOfRange` with the contract's plain text."""
        if self.offset is not None and self.offset < 0:
            raise PageOutOfRange("offset must be >= 0")
        if self.limit is not None and self.limit < 0:
            raise PageOutOfRange("limit must be >= 0")
        if self.limit is not None and self.limit > rows_max:
            raise PageOutOfRange(f"limit must be <= {rows_max}")


def _short(violation: Violation) -> Violation:
    if len(repr(violation.input)) > ECHO_BYTES_MAX:
        return attrs.evolve(violation, input=None)
    return violation


def _structure(
    converter: Converter, value: Any, declared: type[T], at: Location, *, echo: bool = True
) -> T:
    try:
        return converter.structure(value, declared)
    except RecursionError:
        raise RequestInvalid((Violation("recursion", at, "Input is nested too deep"),)) from None
    except (Unfit, Exception) as error:
        found = tuple(_short(violation) for violation in locate(error, at))
        if not echo:
            found = tuple(attrs.evolve(violation, input=None) for violation in found)
        raise RequestInvalid(found) from None


def read_texts(declared: type[T], place: str, texts: Mapping[str, Sequence[str]]) -> T:
    """Path parts or query parameters; ``texts`` holds every value given for a name.

    A name with a tuple type takes all of them, any other the last one. Raises
    :class:`RequestInvalid`.
    """
    given: dict[str, Any] = {}
    for field in resolved_fields(declared):
        values = texts.get(field.name)
        if values:
            given[field.name] = list(values) if takes_list(field.type) else values[-1]
    return _structure(FROM_TEXT, given, declared, (place,))


def read_json(declared: type[T], body: bytes) -> T:
    """A JSON body. Raises :class:`RequestInvalid`; nothing of a body over 1 KiB is repeated."""
    if not body:
        raise RequestInvalid((Violation("missing", ("body",), "Field required"),))
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place: Location = ("body", error.pos)
        raise RequestInvalid((Violation("json_invalid", place, "JSON decode error"),)) from None
    return _structure(FROM_JSON, value, declared, ("body",), echo=len(body) <= ECHO_BYTES_MAX)
