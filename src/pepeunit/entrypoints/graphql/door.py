"""What a door gives the binder, and what it may ask of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import Enum
from typing import Any, Protocol

from attrs import define, field, frozen
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    ObjectValueNode,
    SelectionSetNode,
    VariableNode,
)

from pepeunit.domain.live.event import Key

Info = GraphQLResolveInfo[Any]
Watched = Callable[..., Collection[Key]]
"""The arguments of a subscription, by name, become the keys it listens to."""
Operation = Callable[..., Awaitable[Any]]
"""First the agent, then the arguments by name; ``call`` is passed to those that declare it."""


@frozen
class Cookie:
    """``seconds`` 0 deletes it; None lets it end with the browser."""

    name: str
    value: str
    seconds: int | None


@define
class Call:
    """What a few operations need beyond their arguments. ``address`` is the client's, behind
    trusted proxies too; the answer carries ``cookies``."""

    address: str
    variables: Mapping[str, Any]
    info: Info
    cookies: list[Cookie] = field(factory=list)

    def selects(self, name: str) -> bool:
        """Whether a field of that name stands anywhere below, fragments included."""
        waiting: list[SelectionSetNode | None] = [
            one.selection_set for one in self.info.field_nodes
        ]
        spread: set[str] = set()
        while waiting:
            below = waiting.pop()
            for node in below.selections if below is not None else ():
                if isinstance(node, FragmentSpreadNode):
                    fragment = node.name.value
                    if fragment not in spread:
                        spread.add(fragment)
                        waiting.append(self.info.fragments[fragment].selection_set)
                    continue
                if isinstance(node, FieldNode) and node.name.value == name:
                    return True
                waiting.append(node.selection_set)  # type: ignore[attr-defined]
        return False

    def given(self, argument: str) -> frozenset[str]:
        """The fields of an input object that the caller wrote, rather than left to defaults."""
        for one in self.info.field_nodes[0].arguments or ():
            if one.name.value != argument:
                continue
            if isinstance(one.value, VariableNode):
                value = self.variables.get(one.value.name.value)
                return frozenset(value) if isinstance(value, dict) else frozenset()
            if isinstance(one.value, ObjectValueNode):
                return frozenset(
                    inner.name.value
                    for inner in one.value.fields
                    if not isinstance(inner.value, VariableNode)
                    or inner.value.name.value in self.variables
                )
        return frozenset()


@frozen
class Resolvers:
    """The part of the schema that a door fills, by the schema's names.

    ``tag`` with the operation's name is the verb in the audit log, the same as over REST;
    ``collection`` says what the argument ``uuid`` is one of. Inputs and outputs are attrs classes
    with the schema's fields in snake case; ``readers`` (``Type.field``) take a value out of one
    where that does not do. ``absent`` are types that nothing fills yet. ``tokenless`` operations
    do not look at the token at all: their agent is the anonymous one. ``told`` are queries that
    the audit log tells of like of a change.
    """

    tag: str
    collection: str | None = None
    queries: Mapping[str, Operation] = {}
    mutations: Mapping[str, Operation] = {}
    subscriptions: Mapping[str, Watched] = {}
    inputs: Mapping[str, type] = {}
    outputs: Mapping[str, type] = {}
    readers: Mapping[str, Callable[[Any], Any]] = {}
    enums: Mapping[str, type[Enum]] = {}
    absent: frozenset[str] = frozenset()
    tokenless: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()


class Door(Protocol):
    """A group of operations over the use cases it holds."""

    def resolvers(self) -> Resolvers: ...
