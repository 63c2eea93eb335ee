"""Strict primitives for requests, and what may be declared about a field.

A number is never taken for a text, a text never for a number or a list.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NewType, Union, get_args, get_origin
from uuid import UUID

import attrs
import orjson
from attrs import frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from pepeunit.codecs.rest.violations import Unfit

INTEGER_MAX: Final = 2**63 - 1
"""What the stores hold."""

JsonText = NewType("JsonText", str)
"""A text, or any JSON object or array taken as its compact text (spec rest.md 8.4)."""


@frozen
class Within:
    """Bounds of an integer, both included."""

    minimum: int
    maximum: int


@frozen
class Hidden:
    """A value that no answer may repeat."""


Secret = Annotated[str, Hidden()]


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


def takes_list(declared: Any) -> bool:
    return get_origin(without_none(declared)) is tuple


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


def _list_hook(declared: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    items: Any = list[get_args(declared)[0]]  # type: ignore[misc]
    structure = converter.get_structure_hook(items)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise Unfit("list_type", "Input should be a valid list", None)
        return tuple(structure(value, items))

    return read


def _is_tuple(declared: Any) -> bool:
    return get_origin(declared) is tuple


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
    converter.register_structure_hook_factory(_is_tuple, _list_hook)
    converter.register_structure_hook_factory(attrs.has, _object_hook)
    converter.register_structure_hook_factory(lambda d: bool(_marks(d, Within)), _within_hook)
    converter.register_structure_hook_factory(lambda d: bool(_marks(d, Hidden)), _hidden_hook)
    return converter


FROM_TEXT: Final = _converter(_integer_text, _boolean_text)
FROM_JSON: Final = _converter(_integer, _boolean)
