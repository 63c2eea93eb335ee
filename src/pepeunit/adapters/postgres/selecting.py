"""Filters, scopes, search, order and slices as SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
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
    literal_column,
    or_,
    select,
    true,
    union,
    union_all,
)

from pepeunit.adapters.postgres.prepared import (
    ESCAPE,
    FewRows,
    is_array,
    named,
    split,
    statement_of,
)
from pepeunit.adapters.postgres.statements import Statements
from pepeunit.adapters.postgres.tables import edges, nodes, permissions
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.ports.paging import Order, OrderKey, Page

T = TypeVar("T")
Clause = ColumnElement[bool]

FEW_ROWS_MAX: Final = 1_000
"""Up to here a look for each row's permission costs less than reading them all."""


def one_of(column: ColumnElement[Any], uuids: Collection[UUID] | BindParameter[Any]) -> Clause:
    """``= ANY(array)``: one statement text however many there are."""
    if not isinstance(uuids, BindParameter):
        uuids = bindparam(None, list(uuids), type_=ARRAY(Uuid))
    return column == any_(uuids)


def filters(**wanted: tuple[ColumnElement[Any], Any]) -> list[Clause]:
    """A clause for each named ``(column, value)`` whose value is not None."""
    return [
        one_of(column, value)
        if isinstance(value, frozenset) or is_array(value)
        else column == value
        for column, value in wanted.values()
        if value is not None
    ]


def members(**wanted: tuple[ColumnElement[str], Collection[Enum] | None]) -> list[Clause]:
    """A clause for each named ``(column, values)`` that are not None."""
    return [among(column, values) for column, values in wanted.values() if values is not None]


def among(column: ColumnElement[str], members: Collection[Enum]) -> Clause:
    """The column holds the word of one of these."""
    return or_(false(), *(column == word for word in sorted(member.value for member in members)))


def searched(patterns: Any, *columns: ColumnElement[str]) -> list[Clause]:
    """Every one of the patterns that :func:`named` made of a search must fit at least one column,
    ignoring case; None are no patterns."""
    return [
        or_(*(column.ilike(pattern, escape=ESCAPE) for column in columns))
        for pattern in patterns or ()
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
    level, is_few = table.c.visibility_level, isinstance(scope, FewRows)
    narrowed = true() if scope.levels == frozenset(Visibility) else among(level, scope.levels)
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
        permitted = select(permissions.c.uuid).where(
            permissions.c.agent_uuid == scope.permitted_agent,
            permissions.c.resource_uuid == table.c.uuid,
        )
        # an offset keeps PostgreSQL from reading every permission of the agent beforehand
        grounds.append(exists(permitted.offset(literal_column("0")) if is_few else permitted))
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
    build: Callable[[Any], Select[Any]],
    query: Any,
    to_value: Callable[[Any], T],
) -> Page[T]:
    """The slice of what ``build`` selects, in order, for a query of its kind, and the count.

    ``build`` is given the query as :func:`named` makes it, once for each shape. The rows are
    counted only where they do not tell it themselves; outside a transaction that is remembered,
    see :mod:`pepeunit.adapters.postgres.recent`.
    """
    shape, values = split(query)
    cut = query.slice
    offset, limit = cut.offset or 0, cut.limit or 0

    few = 0 < limit <= FEW_ROWS_MAX - offset

    def sliced() -> Select[Any]:
        statement = build(named(query, few=few))
        if limit:
            statement = statement.limit(bindparam("slice_limit", type_=BigInteger))
        if offset:
            statement = statement.offset(bindparam("slice_offset", type_=BigInteger))
        return statement

    def counting() -> Select[Any]:
        statement = build(named(query)).order_by(None)
        matching = statement.with_only_columns(literal(1), maintain_column_froms=True)
        return select(func.count()).select_from(matching.subquery())

    async def count() -> int:
        prepared = statement_of((build, shape), values, counting)
        return int((await statements.rows(prepared, values))[0][0])

    order = getattr(query, "order", ())
    prepared = statement_of((build, shape, order, few, not limit, not offset), values, sliced)
    cuts = {"slice_limit": limit, "slice_offset": offset}
    items = tuple(map(to_value, await statements.rows(prepared, values | cuts)))
    if (items or not offset) and (not limit or len(items) < limit):
        return Page(offset + len(items), items)
    recent = statements.recent
    if recent is None or statements.is_writable:
        return Page(await count(), items)
    question = (build, shape, tuple(values.items()))
    return Page(await recent.counts.get(question, count), items)
