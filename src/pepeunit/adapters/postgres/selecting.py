"""Filters, scopes, search, order and slices as SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any, Final, TypeVar
from uuid import UUID

from attrs import evolve
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union,
    union_all,
)

from pepeunit.adapters.postgres.statements import Statements
from pepeunit.adapters.postgres.tables import edges, nodes, permissions
from pepeunit.codecs.text import search_words
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.ports.nodes import NodeQuery
from pepeunit.ports.paging import WHOLE, Order, OrderKey, Page, Slice
from pepeunit.ports.registries import RegistryQuery
from pepeunit.ports.repos import RepoQuery
from pepeunit.ports.units import UnitQuery
from pepeunit.ports.users import UserQuery

T = TypeVar("T")
Query = UserQuery | RegistryQuery | RepoQuery | UnitQuery | NodeQuery
Clause = ColumnElement[bool]

_ESCAPE: Final = "\\"
_LITERAL: Final = str.maketrans({sign: _ESCAPE + sign for sign in "%_" + _ESCAPE})


def one_of(column: ColumnElement[Any], uuids: Collection[UUID]) -> Clause:
    """``= ANY(array)``: one statement text however many there are."""
    return column == any_(bindparam(None, list(uuids), type_=ARRAY(Uuid)))


def filters(**wanted: tuple[ColumnElement[Any], Any]) -> list[Clause]:
    """A clause for each named ``(column, value)`` whose value is not None."""
    return [
        one_of(column, value) if isinstance(value, frozenset) else column == value
        for column, value in wanted.values()
        if value is not None
    ]


def members(**wanted: tuple[ColumnElement[str], Collection[Enum] | None]) -> list[Clause]:
    """A clause for each named ``(column, values)`` that are not None."""
    return [
        column.in_(sorted(member.value for member in values))
        for column, values in wanted.values()
        if values is not None
    ]


def searched(search: str | None, *columns: ColumnElement[str]) -> list[Clause]:
    """Every word must occur in at least one column, ignoring case; no sign is a wildcard."""
    return [
        or_(*(column.ilike(f"%{word.translate(_LITERAL)}%", escape=_ESCAPE) for column in columns))
        for word in search_words(search)
    ]


OUTPUT: Final = nodes.alias("output")
INPUT: Final = nodes.alias("input")
LINKED: Final = edges.join(OUTPUT, edges.c.node_output_uuid == OUTPUT.c.uuid).join(
    INPUT, edges.c.node_input_uuid == INPUT.c.uuid
)


def visible_link(scope: Scope) -> Clause:
    """:meth:`Scope.admits_link` as SQL over :data:`LINKED`."""
    seen = and_(*(visible(scope, end, end.c.unit_uuid) for end in (OUTPUT, INPUT)))
    if scope.owner is None:
        return seen
    owned = (
        and_(end.c.creator_uuid == scope.owner, reached(scope, end.c.unit_uuid))
        for end in (OUTPUT, INPUT)
    )
    return or_(seen, *owned)


def reached(scope: Scope, unit: ColumnElement[UUID] | None) -> Clause:
    """Whether a row of that unit, None for rows of none, is within the scope's units."""
    if scope.within is None:
        return true()
    return false() if unit is None else one_of(unit, scope.within)


def linked_resources(unit: Any) -> CompoundSelect[Any]:
    """The ids that edges join to a unit (rulings 11): an output's unit to the input and to its
    unit, an input's unit to the output."""
    return union_all(
        select(INPUT.c.uuid).select_from(LINKED).where(OUTPUT.c.unit_uuid == unit),
        select(INPUT.c.unit_uuid).select_from(LINKED).where(OUTPUT.c.unit_uuid == unit),
        select(OUTPUT.c.uuid).select_from(LINKED).where(INPUT.c.unit_uuid == unit),
    )


def linked_units(resource: Any) -> CompoundSelect[Any]:
    """The units that edges join to a node or a unit: :func:`linked_resources` backwards."""
    agent = "agent_uuid"
    return union(
        select(OUTPUT.c.unit_uuid.label(agent))
        .select_from(LINKED)
        .where(or_(INPUT.c.uuid == resource, INPUT.c.unit_uuid == resource)),
        select(INPUT.c.unit_uuid.label(agent)).select_from(LINKED).where(OUTPUT.c.uuid == resource),
    )


def visible(scope: Scope, table: FromClause, unit: ColumnElement[UUID] | None = None) -> Clause:
    """:meth:`Scope.admits` as SQL; ``unit`` is the column of the unit that a row belongs to."""
    level = table.c.visibility_level
    narrowed: Clause = (
        true()
        if scope.levels == frozenset(Visibility)
        else level.in_(sorted(found.value for found in scope.levels))
    )
    narrowed = and_(narrowed, reached(scope, unit))
    if scope.everything:
        return narrowed
    grounds: list[Clause] = []
    if scope.public:
        grounds.append(level == Visibility.PUBLIC.value)
    if scope.internal:
        grounds.append(level == Visibility.INTERNAL.value)
    if scope.owner is not None:
        grounds.append(table.c.creator_uuid == scope.owner)
    if scope.unit is not None and unit is not None:
        grounds.append(unit == scope.unit)
    if scope.permitted_agent is not None:
        grounds.append(
            exists().where(
                permissions.c.agent_uuid == scope.permitted_agent,
                permissions.c.resource_uuid == table.c.uuid,
            )
        )
    if scope.permitted_agent is not None and scope.unit is not None:
        grounds.append(table.c.uuid.in_(linked_resources(scope.permitted_agent)))
    return and_(narrowed, or_(false(), *grounds))


def ordered(
    statement: Select[Any],
    orders: tuple[Order, ...],
    columns: Mapping[OrderKey, ColumnElement[Any]],
    uuid: ColumnElement[Any],
) -> Select[Any]:
    keys = (
        (columns[order.key].desc() if order.descending else columns[order.key].asc())
        for order in orders
    )
    return statement.order_by(*keys, uuid)


async def page(
    statements: Statements,
    statement: Select[Any],
    cut: Slice,
    to_value: Callable[[Any], T],
    query: Query | None = None,
) -> Page[T]:
    """The slice and the count in one statement; an empty page beyond the offset needs another.

    The count is a subquery of its own: a window function would carry every matching row, whole,
    through a sort, where the page alone is read off an index. Outside a transaction the count of
    ``query`` is remembered, see :mod:`pepeunit.adapters.postgres.counts`.
    """
    if not cut.offset and not cut.limit:
        rows = (await statements.read(statement)).all()
        return Page(len(rows), tuple(map(to_value, rows)))
    matching = statement.with_only_columns(literal(1), maintain_column_froms=True).order_by(None)
    count = select(func.count()).select_from(matching.subquery())
    counts, generation = statements.counts, statements.counts.generation
    alike = None
    if query is not None and not statements.is_writable:
        alike = evolve(query, order=(), slice=WHOLE)
    known = None if alike is None else counts.get(alike)
    if known is not None:
        sliced = statement.limit(cut.limit or None).offset(cut.offset or None)
        return Page(known, tuple(map(to_value, await statements.read(sliced))))
    counted = statement.add_columns(count.scalar_subquery().label("rows_found"))
    sliced = counted.limit(cut.limit or None).offset(cut.offset or None)
    rows = (await statements.read(sliced)).all()
    if rows:
        if alike is not None:
            counts.put(alike, rows[0].rows_found, generation)
        return Page(rows[0].rows_found, tuple(map(to_value, rows)))
    return Page((await statements.read(count)).scalar_one() if cut.offset else 0, ())
