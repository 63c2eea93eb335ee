"""Puts the doors' operations and classes onto the schema, name by name.

A name that the schema does not have, or one that no door fills, fails at start-up.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from enum import Enum
from importlib.resources import files
from operator import attrgetter
from typing import Any, Final

import attrs
from attrs import define, field, frozen
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    assert_valid_schema,
    build_schema,
    is_specified_scalar_type,
)

from pepeunit.codecs.rest.requests import Direction
from pepeunit.domain.live.event import Key
from pepeunit.entrypoints.graphql.door import Door, Info, Operation, Resolvers, Watched
from pepeunit.entrypoints.graphql.scalars import SCALARS, bind_scalar

FILES: Final = ("schema.graphql", "additions.graphql")
LOWER_CASE: Final = {"asc": Direction.ASCENDING, "desc": Direction.DESCENDING}
LOWER_CASE_ENUMS: Final = ("OrderByDate", "OrderByText")
GETTER: Final = "getter"
ATTRIBUTE: Final = "attribute"
"""Keys of a field's ``extensions``: what takes its value out of the object, and the name of the
attribute that is all of it."""

Serve = Callable[["Bound", Info, dict[str, Any]], Any]
"""Runs a bound operation for one call."""


class Unbound(Exception):
    """The doors and the schema do not fit; ``complaints`` says where."""

    def __init__(self, complaints: Iterable[str]) -> None:
        self.complaints = tuple(sorted(complaints))
        super().__init__("; ".join(self.complaints))


@frozen
class Bound:
    """An operation as a field of the root; ``verb`` is its name in the audit log."""

    operation: Operation
    verb: str
    collection: str | None
    changes: bool
    reads_token: bool
    wants_call: bool


@frozen
class Source:
    """What a subscription listens to. graphql-core wants to iterate over it; nobody does."""

    verb: str
    keys: Collection[Key]

    def __aiter__(self) -> AsyncIterator[Any]:
        raise TypeError("events of a source come over the reader")


def read_sdl() -> str:
    folder = files("pepeunit.entrypoints.graphql")
    return "\n".join(folder.joinpath(name).read_text() for name in FILES)


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def bind(sdl: str, doors: Iterable[Door], serve: Serve) -> GraphQLSchema:
    """The schema with everything on it. Raises :class:`Unbound` with every misfit."""
    schema = build_schema(sdl)
    assert_valid_schema(schema)
    binder = _Binder(schema, serve)
    for door in doors:
        binder.take(door.resolvers())
    binder.finish()
    return schema


@define
class _Binder:
    schema: GraphQLSchema
    serve: Serve
    complaints: list[str] = field(factory=list)
    filled: set[str] = field(factory=set)
    classes: dict[type, GraphQLObjectType] = field(factory=dict)

    @property
    def roots(self) -> tuple[GraphQLObjectType, ...]:
        schema = self.schema
        query, mutation = schema.query_type, schema.mutation_type
        if query is None or mutation is None:
            raise Unbound(["the schema has no queries or no mutations"])
        live = schema.subscription_type
        return (query, mutation) if live is None else (query, mutation, live)

    def take(self, given: Resolvers) -> None:
        query, mutation, *_ = self.roots
        for root, operations, changes in (
            (query, given.queries, False),
            (mutation, given.mutations, True),
        ):
            for name, operation in operations.items():
                found = root.fields.get(name)
                if found is not None:
                    self._operation(f"{root.name}.{name}", found, operation, given, changes=changes)
                self._fill(f"{root.name}.{name}", found)
        live = self.schema.subscription_type
        for name, watched in given.subscriptions.items():
            found = None if live is None else live.fields.get(name)
            self._fill(f"Subscription.{name}", found)
            if found is not None:
                self._subscription(f"Subscription.{name}", found, watched, given)
        for name, declared in given.inputs.items():
            self._input(name, declared)
        for name, declared in given.outputs.items():
            self._output(name, declared, given.readers)
        for name, members in given.enums.items():
            self._enum(name, {one.name: one for one in members})
        for name in given.absent:
            self._fill(name, self.schema.type_map.get(name))

    def finish(self) -> None:
        for name in LOWER_CASE_ENUMS:
            self._enum(name, LOWER_CASE)
        for name, one in self.schema.type_map.items():
            if name.startswith("__") or one in self.roots or is_specified_scalar_type(one):
                continue
            if isinstance(one, GraphQLScalarType) and name in SCALARS:
                bind_scalar(one)
            elif isinstance(one, GraphQLUnionType):
                self._union(one)
            elif name not in self.filled:
                self.complaints.append(f"{name} is bound to nothing")
        for root in self.roots:
            for name in root.fields:
                if f"{root.name}.{name}" not in self.filled:
                    self.complaints.append(f"{root.name}.{name} is bound to nothing")
        if self.complaints:
            raise Unbound(self.complaints)

    def _fill(self, name: str, found: object) -> None:
        if found is None:
            self.complaints.append(f"{name} is not in the schema")
        elif name in self.filled:
            self.complaints.append(f"{name} is bound twice")
        self.filled.add(name)

    def _operation(
        self,
        name: str,
        found: GraphQLField,
        operation: Operation,
        given: Resolvers,
        *,
        changes: bool,
    ) -> None:
        parameters = dict(inspect.signature(operation).parameters)
        takes_anything = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        names = set(parameters) - {"agent", "call"}
        for argument, one in found.args.items():
            one.out_name = snake(argument)
            if one.out_name not in names and not takes_anything:
                self.complaints.append(f"{name} does not take {argument}")
        if not takes_anything:
            for extra in names - {one.out_name for one in found.args.values()}:
                self.complaints.append(f"{name} takes {extra}, which the schema does not have")
        verb = f"{given.tag}.{getattr(operation, '__name__', name)}"
        key = name.partition(".")[2]
        bound = Bound(
            operation,
            verb,
            given.collection,
            changes=changes or key in given.told,
            reads_token=key not in given.tokenless,
            wants_call="call" in parameters,
        )
        serve = self.serve

        def resolve(_root: Any, info: Info, **arguments: Any) -> Any:
            return serve(bound, info, arguments)

        found.resolve = resolve
        found.extensions = {"bound": bound}

    def _subscription(
        self, name: str, found: GraphQLField, watched: Watched, given: Resolvers
    ) -> None:
        """Each event is the root's value; before, the arguments become a :class:`Source`."""
        for argument, one in found.args.items():
            one.out_name = snake(argument)
        theirs = {one.out_name for one in found.args.values()}
        self._same(name, theirs, set(inspect.signature(watched).parameters))
        verb = f"{given.tag}.{name.partition('.')[2]}"
        found.resolve = lambda event, _info, **_arguments: event
        found.subscribe = lambda _root, _info, **arguments: Source(verb, watched(**arguments))

    def _type(self, name: str, kind: type[GraphQLNamedType]) -> Any:
        found = self.schema.type_map.get(name)
        self._fill(name, found)
        if found is not None and not isinstance(found, kind):
            self.complaints.append(f"{name} is another kind of type")
            return None
        return found

    def _input(self, name: str, declared: type) -> None:
        found = self._type(name, GraphQLInputObjectType)
        if found is None:
            return
        ours = {one.name for one in attrs.fields(declared)}
        for key, one in found.fields.items():
            one.out_name = snake(key)
        self._same(name, {one.out_name for one in found.fields.values()}, ours)
        found.out_type = lambda values: declared(**values)

    def _output(
        self, name: str, declared: type, readers: Mapping[str, Callable[[Any], Any]]
    ) -> None:
        found = self._type(name, GraphQLObjectType)
        if found is None:
            return
        self.classes[declared] = found
        ours = {one.name for one in attrs.fields(declared)}
        for key, one in found.fields.items():
            getter, attribute = readers.get(f"{name}.{key}"), None
            if getter is None:
                getter = attrgetter(snake(key))
                if snake(key) not in ours:
                    self.complaints.append(f"{declared.__name__} has no {name}.{key}")
                attribute = snake(key)
            one.extensions = {GETTER: getter, ATTRIBUTE: attribute}
            one.resolve = _reading(getter)

    def _union(self, union: GraphQLUnionType) -> None:
        names = {declared: one.name for declared, one in self.classes.items()}
        union.resolve_type = lambda value, _info, _type: names.get(type(value))

    def _enum(self, name: str, members: Mapping[str, Enum]) -> None:
        found = self._type(name, GraphQLEnumType)
        if found is None:
            return
        self._same(name, set(found.values), set(members))
        for key, one in found.values.items():
            one.value = members.get(key)

    def _same(self, name: str, theirs: set[Any], ours: set[str]) -> None:
        for key in theirs - ours:
            self.complaints.append(f"{name}: {key} is not ours")
        for key in ours - theirs:
            self.complaints.append(f"{name}: {key} is not in the schema")


def _reading(getter: Callable[[Any], Any]) -> Callable[[Any, Info], Any]:
    def resolve(source: Any, _info: Info) -> Any:
        return getter(source)

    return resolve
