"""Statements compiled once, which the driver runs without anything in between.

Building, looking up and wrapping a statement costs five times what the driver takes to run it
(docs/decisions/0104), so what is read often is built once: either as a constant, or by
:func:`statement_of` for each shape that a query can have.
"""

from __future__ import annotations

import enum
from collections import namedtuple
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

import attrs
from attrs import frozen
from sqlalchemy import ARRAY, BindParameter, DateTime, Select, Text, Uuid, bindparam
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from pepeunit.codecs.text import search_words
from pepeunit.domain.access.scope import Scope

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]
SHAPES_MAX: Final = 512
VALUES_MAX: Final = 32
"""A query with more of them is built anew each time: nobody's search may fill the memory."""
_ASIDE: Final = frozenset({"order", "slice"})
_SEARCH: Final = "search"
ESCAPE: Final = "\\"
_LITERAL: Final = str.maketrans({sign: ESCAPE + sign for sign in "%_" + ESCAPE})
_TYPES: Final[Mapping[type, Any]] = {
    UUID: Uuid(),
    str: Text(),
    datetime: DateTime(timezone=True),
    frozenset: ARRAY(Uuid()),
}

Values = Mapping[str, Any]


@frozen(eq=False)
class Prepared:
    """``text`` for the driver, and by its places the names of the values it takes."""

    statement: Select[Any]
    text: str
    _names: tuple[str, ...]
    _constants: Mapping[str, Any]
    _row: Callable[[Iterable[Any]], Any]

    @classmethod
    def of(cls, statement: Select[Any]) -> Prepared:
        compiled = statement.compile(dialect=_DIALECT)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        names = tuple(compiled.positiontup or ())
        row = namedtuple("Row", statement.selected_columns.keys(), rename=True)  # type: ignore[misc]
        return cls(statement, compiled.string, names, constants, partial(tuple.__new__, row))

    def arguments(self, values: Values) -> list[Any]:
        constants = self._constants
        return [constants[name] if name in constants else values[name] for name in self._names]

    def rows(self, records: Iterable[Any]) -> list[Any]:
        """Named tuples: their columns are read thirty times as fast as those of a ``Row``."""
        return list(map(self._row, records))


_prepared: dict[Hashable, Prepared] = {}


def statement_of(key: Hashable, values: Values, build: Callable[[], Select[Any]]) -> Prepared:
    """What ``build`` made for this key before, or makes now."""
    found = _prepared.get(key)
    if found is None:
        found = Prepared.of(build())
        if len(values) <= VALUES_MAX:
            if len(_prepared) >= SHAPES_MAX:
                _prepared.clear()
            _prepared[key] = found
    return found


@cache
def _fields(kind: Any) -> Sequence[str]:
    return tuple(one.name for one in attrs.fields(kind) if one.name not in _ASIDE)


def split(query: Any) -> tuple[Hashable, dict[str, Any]]:
    """A query as its shape, by which statements differ, and the values they are run with.

    Order and slice belong to neither. Enumerations, flags and what is absent are shape; texts,
    dates, ids and sets of ids are values. Raises ``Invalid`` as :func:`search_words` does.
    """
    shape: list[Any] = []
    values: dict[str, Any] = {}
    _split(query, "", shape, values)
    return tuple(shape), values


def _split(query: Any, prefix: str, shape: list[Any], values: dict[str, Any]) -> None:
    kind: Any = type(query)
    shape.append(kind)
    for name in _fields(kind):
        value = getattr(query, name)
        if _is_shape(value):
            shape.append(value)
        elif name == _SEARCH:
            words = search_words(value)
            shape.append(len(words))
            for place, word in enumerate(words):
                values[f"{prefix}{name}_{place}"] = f"%{word.translate(_LITERAL)}%"
        elif type(value) in _TYPES:
            shape.append(type(value))
            values[prefix + name] = tuple(value) if type(value) is frozenset else value
        else:
            _split(value, f"{prefix}{name}_", shape, values)


def _is_shape(value: Any) -> bool:
    if value is None or value is True or value is False or isinstance(value, enum.Enum):
        return True
    return type(value) is frozenset and not isinstance(next(iter(value), None), UUID)


@frozen
class FewRows(Scope):
    """A scope for the first rows of an order: permissions are looked up for one row after the
    other, where a statement about every row reads all of an agent's at once."""


def named(query: Any, prefix: str = "", *, few: bool = False) -> Any:
    """The query with a parameter of the statement in the place of every value; ``search`` is a
    tuple of patterns, and a scope one of :class:`FewRows` if only ``few`` are wanted."""
    found: dict[str, Any] = {}
    kind: Any = type(query)
    for name in _fields(kind):
        value = getattr(query, name)
        if _is_shape(value):
            continue
        if name == _SEARCH:
            found[name] = tuple(
                bindparam(f"{prefix}{name}_{place}", type_=Text)
                for place, _ in enumerate(search_words(value))
            )
        elif type(value) in _TYPES:
            found[name] = bindparam(prefix + name, type_=_TYPES[type(value)])
        else:
            found[name] = named(value, f"{prefix}{name}_", few=few)
    if few and kind is Scope:
        return FewRows(**attrs.asdict(query, recurse=False) | found)
    return attrs.evolve(query, **found)


def is_array(value: object) -> bool:
    return isinstance(value, BindParameter) and isinstance(value.type, ARRAY)
