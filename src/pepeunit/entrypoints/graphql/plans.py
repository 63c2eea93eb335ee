"""Compiled selections: what is read out of a root field's value, decided once for a document.

Execution walks every field of every object anew, about 10 µs each with its bookkeeping; a plan
walks nested lists of closures instead. graphql-core still reads variables and arguments, runs the
resolvers and places the errors: where a plan meets anything but plain values, its work is thrown
away and graphql-core completes the same value itself (docs/decisions/0105).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import (
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

from pepeunit.entrypoints.graphql.binder import GETTER
from pepeunit.entrypoints.graphql.documents import Document, Plan
from pepeunit.entrypoints.graphql.door import Info

PLAIN: Final[Mapping[str, type]] = {"String": str, "Int": int, "Boolean": bool, "ID": str}
"""Scalars whose values are written as they are when they have exactly this type."""
INT_MAX: Final = 2**31 - 1


class Unplanned(Exception):
    """A plan cannot write this; graphql-core says what is wrong with it, or writes it."""


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
        inner = get_nullable_type(declared)
        if is_leaf_type(inner):
            write = _leaf(inner)
        elif is_list_type(inner):
            write = _list(self._value(inner.of_type, found))
        elif is_object_type(inner):
            write = self._object(inner, found)
        elif is_union_type(inner):
            write = self._union(inner, found)
        else:
            raise Unplanned
        return _present(write) if is_non_null_type(declared) else _optional(write)

    def _object(self, declared: GraphQLObjectType, found: FieldDetailsList) -> Plan:
        steps: list[tuple[str, Callable[[Any], Any], Plan]] = []
        collected = self.collect_subfields(declared, found)
        for key, details in collected.grouped_field_set.items():
            name = details[0].node.name.value
            if name == "__typename":
                steps.append((key, _constant(declared.name), _as_it_is))
                continue
            one: GraphQLField = declared.fields[name]
            steps.append((key, one.extensions[GETTER], self._value(one.type, details)))

        def write(value: Any) -> Any:
            return {key: part(take(value)) for key, take, part in steps}

        return write

    def _union(self, declared: GraphQLUnionType, found: FieldDetailsList) -> Plan:
        plans = {one.name: self._object(one, found) for one in declared.types}
        resolve: Any = declared.resolve_type

        def write(value: Any) -> Any:
            return plans[resolve(value, None, declared)](value)

        return write


def _constant(text: str) -> Callable[[Any], Any]:
    return lambda _value: text


def _as_it_is(value: Any) -> Any:
    return value


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


def _list(write: Plan) -> Plan:
    def many(values: Any) -> Any:
        if not isinstance(values, list | tuple):
            raise Unplanned
        return [write(value) for value in values]

    return many


def _leaf(declared: GraphQLLeafType) -> Plan:
    coerce = declared.coerce_output_value
    plain = PLAIN.get(declared.name)
    if plain is int:

        def whole(value: Any) -> Any:
            return value if type(value) is int and -INT_MAX <= value <= INT_MAX else coerce(value)

        return whole
    if plain is None:
        return coerce

    def same(value: Any) -> Any:
        return value if type(value) is plain else coerce(value)

    return same
