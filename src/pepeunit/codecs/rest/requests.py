"""Path, query and body of a request as attrs values (spec rest.md 3).

Primitives are strict: a number is never taken for a text, a text never for a number. Unknown
names are ignored, a missing optional name takes its default, and every violation is listed.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NewType, TypeVar, Union, get_args, get_origin
from uuid import UUID

import attrs
import orjson
from attrs import frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

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


@frozen
class Within:
    """Bounds of an integer, both included."""

    minimum: int
    maximum: int


@frozen
class Hidden:
    """A value that no answer may repeat."""


Secret = Annotated[str, Hidden()]


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


def without_none(declared: Any) -> Any:
    """``T`` of ``T | None``; any other type as it is."""
    if get_origin(declared) in (Union, types.UnionType):
        present = [part for part in get_args(declared) if part is not types.NoneType]
        if len(present) == 1:
            return present[0]
    return declared


def resolved_fields(declared: type) -> Sequence[attrs.Attribute[Any]]:
    """The fields of an attrs class with their types as objects."""
    attrs.resolve_types(declared)
    found: Sequence[attrs.Attribute[Any]] = attrs.fields(declared)
    return found


_WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("string_type", "Input should be a valid string", value)
    if "\0" in value:
        raise Unfit("string_nul", "Input should not contain the character NUL", None)
    return value


def _fitting(number: int) -> int:
    if not -INTEGER_MAX <= number <= INTEGER_MAX:
        raise Unfit("int_parsing_size", "Input should fit into 64 bits", None)
    return number


def _integer(value: Any, _: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit("int_type", "Input should be a valid integer", value)
    return _fitting(value)


def _integer_text(value: Any, _: Any) -> int:
    if not _INTEGER.fullmatch(value):
        raise Unfit("int_parsing", "Input should be a valid integer", value)
    return _fitting(int(value))


def _boolean(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("bool_type", "Input should be true or false", value)
    return value


def _boolean_text(value: Any, _: Any) -> bool:
    try:
        return _WORDS[value.lower()]
    except KeyError:
        words = ", ".join(_WORDS)
        raise Unfit("bool_parsing", f"Input should be one of {words}", value) from None


def _uuid(value: Any, _: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise Unfit("uuid_parsing", "Input should be a valid UUID", value) from None


def _moment(value: Any, _: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        naive = moment.tzinfo is None
        return moment.replace(tzinfo=UTC) if naive else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise Unfit("datetime_parsing", "Input should be an ISO 8601 date", value) from None


def _member(value: Any, declared: Any) -> Any:
    try:
        return declared(value)
    except ValueError:
        known = ", ".join(f"'{member.value}'" for member in declared)
        raise Unfit("enum", f"Input should be one of {known}", value) from None


def _json_text(value: Any, declared: Any) -> Any:
    if isinstance(value, dict | list):
        value = orjson.dumps(value).decode()
    return JsonText(_text(value, declared))


def _is_enum(declared: Any) -> bool:
    return inspect.isclass(declared) and issubclass(declared, enum.Enum)


def _marks(declared: Any, mark: type) -> list[Any]:
    if get_origin(declared) is not Annotated:
        return []
    return [found for found in declared.__metadata__ if isinstance(found, mark)]


def _object_hook(declared: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    resolved_fields(declared)
    structure = make_dict_structure_fn(declared, converter, _cattrs_detailed_validation=True)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Unfit("model_attributes_type", "Input should be a valid object", None)
        return structure(value, declared)

    return read


def _within_hook(declared: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    (bounds,) = _marks(declared, Within)
    plain = get_args(declared)[0]

    def read(value: Any, _: Any) -> Any:
        number = converter.structure(value, plain)
        if number < bounds.minimum:
            text = f"Input should be greater than or equal to {bounds.minimum}"
            raise Unfit("greater_than_equal", text, value)
        if number > bounds.maximum:
            text = f"Input should be less than or equal to {bounds.maximum}"
            raise Unfit("less_than_equal", text, value)
        return number

    return read


def _hidden_hook(declared: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    plain = get_args(declared)[0]

    def read(value: Any, _: Any) -> Any:
        try:
            return converter.structure(value, plain)
        except Unfit as unfit:
            raise Unfit(unfit.kind, unfit.message, None) from None

    return read


def _converter(integer: Any, boolean: Any) -> Converter:
    converter = Converter(detailed_validation=True)
    for declared, hook in (
        (str, _text),
        (int, integer),
        (bool, boolean),
        (UUID, _uuid),
        (datetime, _moment),
    ):
        converter.register_structure_hook(declared, hook)
    converter.register_structure_hook_func(_is_enum, _member)
    converter.register_structure_hook_func(lambda declared: declared is JsonText, _json_text)
    converter.register_structure_hook_factory(attrs.has, _object_hook)
    converter.register_structure_hook_factory(lambda d: bool(_marks(d, Within)), _within_hook)
    converter.register_structure_hook_factory(lambda d: bool(_marks(d, Hidden)), _hidden_hook)
    return converter


_FROM_TEXT: Final = _converter(_integer_text, _boolean_text)
_FROM_JSON: Final = _converter(_integer, _boolean)


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


def takes_list(declared: Any) -> bool:
    return get_origin(without_none(declared)) is tuple


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
    return _structure(_FROM_TEXT, given, declared, (place,))


def read_json(declared: type[T], body: bytes) -> T:
    """A JSON body. Raises :class:`RequestInvalid`; nothing of a body over 1 KiB is repeated."""
    if not body:
        raise RequestInvalid((Violation("missing", ("body",), "Field required"),))
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place: Location = ("body", error.pos)
        raise RequestInvalid((Violation("json_invalid", place, "JSON decode error"),)) from None
    return _structure(_FROM_JSON, value, declared, ("body",), echo=len(body) <= ECHO_BYTES_MAX)
