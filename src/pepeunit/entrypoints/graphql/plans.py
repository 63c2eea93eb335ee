"""Compiled selections: what is read out of a root field's value, decided once for a document.

Execution walks every field of every object anew, about 10 µs each with its bookkeeping; a plan
walks nested lists of closures instead. graphql-core still reads variables and arguments, runs the
resolvers and places the errors: where a plan meets anything but plain values, its work is thrown
away and graphql-core completes the same value itself (docs/decisions/0105).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from math import isfinite
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from attrs import frozen
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_union_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, collect_fields
from graphql.pyutils import Path

from pepeunit.entrypoints.graphql.binder import ATTRIBUTE, GETTER
from pepeunit.entrypoints.graphql.documents import Document, Plan
from pepeunit.entrypoints.graphql.door import Info

INT_MAX: Final = 2**31 - 1
EXACT_MAX: Final = 2**53
"""Up to here every integer is a float."""
KINDS_MAX: Final = 64
"""Of an object's selection: so many combinations of types are remembered as good."""
NOTHING: Final = type(None)
AS_IT_IS: Final[Mapping[str, type]] = {"String": str, "Boolean": bool, "ID": str, "UUID": UUID}
"""Scalars whose values are left to the JSON writer when they have exactly this type."""


class Unplanned(Exception):
    """A plan cannot write this; graphql-core says what is wrong with it, or writes it."""


@frozen
class Kinds:
    """The types that a field may have; ``good`` None are all, for the plan below looks itself."""

    good: frozenset[type] | None
    is_nullable: bool

    def take(self, kind: type) -> bool:
        if kind is NOTHING:
            return self.is_nullable
        return self.good is None or kind in self.good


class PlanningExecutor(Executor[Any]):
    """graphql-core's executor with plans for what root fields return."""

    _root: tuple[str, Plan] | None = None

    def complete_value(  # noqa: PLR0917 the library's signature
        self,
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: Info,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        if path.prev is None and not isinstance(result, Exception):
            try:
                return self._plan(return_type, field_details_list, str(path.key))(result)
            except Exception:  # noqa: S110 the general way finds it again and tells where it is
                pass
        return super().complete_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def planned_root(self, value: Any) -> dict[str, Any]:
        """The data of an operation whose one root field has this value: a subscription's event.
        Raises where graphql-core must say it."""
        root = self.schema.get_root_type(self.operation.operation)
        if root is None or self.context_value.document.measured.has_conditions:
            raise Unplanned
        if self._root is None:
            collected = collect_fields(
                self.schema, self.fragments, self.variable_values, root, self.operation, False
            )
            ((key, details),) = collected.grouped_field_set.items()
            declared = root.fields[details[0].node.name.value]
            self._root = key, self._plan(declared.type, details, key)
        key, plan = self._root
        return {key: plan(value)}

    def _plan(self, declared: GraphQLOutputType, found: FieldDetailsList, key: str) -> Plan:
        document: Document = self.context_value.document
        if document.measured.has_conditions:
            return self._value(declared, found)
        place = (id(self.operation), key)
        plan = document.plans.get(place)
        if plan is None:
            plan = document.plans[place] = self._value(declared, found)
        return plan

    def _value(self, declared: GraphQLOutputType, found: FieldDetailsList) -> Plan:
        write = self._inner(get_nullable_type(declared), found)
        return _present(write) if is_non_null_type(declared) else _optional(write)

    def _inner(self, inner: Any, found: FieldDetailsList) -> Plan:
        """For values that are not None."""
        if is_leaf_type(inner):
            return _alone(leaf_of(inner))
        if is_list_type(inner):
            return self._list(inner.of_type, found)
        if is_object_type(inner):
            return self._object(inner, found)
        if is_union_type(inner):
            return self._union(inner, found)
        raise Unplanned

    def _list(self, declared: GraphQLOutputType, found: FieldDetailsList) -> Plan:
        inner: Any = get_nullable_type(declared)
        if is_leaf_type(inner):
            good, step = leaf_of(inner)
            kinds = Kinds(good, is_nullable=not is_non_null_type(declared))
            return _leaves(kinds, step)
        # an object's plan cannot read None either
        return _each(
            self._inner(inner, found)
            if is_object_type(inner) and is_non_null_type(declared)
            else self._value(declared, found)
        )

    def _object(self, declared: GraphQLObjectType, found: FieldDetailsList) -> Plan:
        """All attributes are read at once, and their types looked up together: mostly they were
        good before, and only the fields of ``steps`` need a look of their own."""
        attributes: list[tuple[str, str]] = []
        kinds: list[Kinds] = []
        steps: list[tuple[str, Plan]] = []
        taken: list[tuple[str, Plan, Plan]] = []
        collected = self.collect_subfields(declared, found)
        for key, details in collected.grouped_field_set.items():
            name = details[0].node.name.value
            if name == "__typename":  # read as what every object has, to keep its place
                attributes.append((key, "__class__"))
                kinds.append(Kinds(None, is_nullable=False))
                steps.append((key, lambda _: declared.name))
                continue
            one: GraphQLField = declared.fields[name]
            attribute = one.extensions[ATTRIBUTE]
            attributes.append((key, attribute or "__class__"))
            if attribute is None:
                kinds.append(Kinds(None, is_nullable=False))
                taken.append((key, one.extensions[GETTER], self._value(one.type, details)))
                continue
            inner: Any = get_nullable_type(one.type)
            good, step = (
                leaf_of(inner) if is_leaf_type(inner) else (None, self._inner(inner, details))
            )
            kinds.append(Kinds(good, is_nullable=not is_non_null_type(one.type)))
            if step is not None:
                steps.append((key, step))
        keys = [key for key, _ in attributes]
        read = _reader([attribute for _, attribute in attributes])
        known: set[tuple[type, ...]] = set()

        def write(value: Any) -> Any:
            row = read(value)
            met = tuple(map(type, row))
            if met not in known:
                if not all(map(Kinds.take, kinds, met)):
                    raise Unplanned
                if len(known) < KINDS_MAX:
                    known.add(met)
            written = dict(zip(keys, row, strict=True))
            for key, step in steps:
                one = written[key]
                if one is not None:
                    written[key] = step(one)
            for key, take, plan in taken:
                written[key] = plan(take(value))
            return written

        return write

    def _union(self, declared: GraphQLUnionType, found: FieldDetailsList) -> Plan:
        plans = {one.name: self._object(one, found) for one in declared.types}
        resolve: Any = declared.resolve_type

        def write(value: Any) -> Any:
            return plans[resolve(value, None, declared)](value)

        return write


def _reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) == 1:
        return lambda value: (getattr(value, names[0]),)
    return attrgetter(*names) if names else lambda value: ()


def _present(write: Plan) -> Plan:
    def present(value: Any) -> Any:
        if value is None:
            raise Unplanned
        return write(value)

    return present


def _optional(write: Plan) -> Plan:
    def optional(value: Any) -> Any:
        return None if value is None else write(value)

    return optional


def _each(write: Plan) -> Plan:
    def many(values: Any) -> Any:
        if not isinstance(values, list | tuple):
            raise Unplanned
        return [write(value) for value in values]

    return many


def _leaves(kinds: Kinds, step: Plan | None) -> Plan:
    def many(values: Any) -> Any:
        if not isinstance(values, list | tuple) or not all(map(kinds.take, set(map(type, values)))):
            raise Unplanned
        if step is None:
            return list(values)
        return [None if value is None else step(value) for value in values]

    return many


def leaf_of(declared: GraphQLLeafType) -> tuple[frozenset[type] | None, Plan | None]:
    """The types of which a value can be written, and what is still to be done to it."""
    coerce = declared.coerce_output_value
    if isinstance(declared, GraphQLEnumType):
        members = {key: one.value for key, one in declared.values.items()}
        if all(isinstance(one, Enum) and one.name == key for key, one in members.items()):
            return frozenset(map(type, members.values())), attrgetter("_name_")
        return None, coerce
    match declared.name:
        case "Int":
            return frozenset(
                {int}
            ), lambda value: value if -INT_MAX <= value <= INT_MAX else coerce(value)
        case "Float":
            return frozenset({float, int}), lambda value: _float(value, coerce)
        case "DateTime":
            return frozenset(
                {datetime}
            ), lambda value: value if value.tzinfo is None else coerce(value)
        case name if name in AS_IT_IS:
            return frozenset({AS_IT_IS[name]}), None
    return None, coerce


def _float(value: Any, coerce: Plan) -> Any:
    if type(value) is float:
        return value if isfinite(value) else coerce(value)
    return float(value) if -EXACT_MAX <= value <= EXACT_MAX else coerce(value)


def _alone(leaf: tuple[frozenset[type] | None, Plan | None]) -> Plan:
    good, step = leaf
    kinds = Kinds(good, is_nullable=False)

    def write(value: Any) -> Any:
        if not kinds.take(type(value)):
            raise Unplanned
        return value if step is None else step(value)

    return write
