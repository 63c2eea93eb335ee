"""Compiled selections give what graphql-core gives, errors included (docs/decisions/0105)."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from graphql import (
    ExecutionResult,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    execute,
    get_nullable_type,
    parse,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pepeunit.codecs.rest.node import NodeModel
from pepeunit.codecs.rest.unit import UnitModel, UnitsModel, UnitStateModel
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.nodes.node import NodeType
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.entrypoints.graphql.binder import bind, read_sdl
from pepeunit.entrypoints.graphql.documents import Document
from pepeunit.entrypoints.graphql.doors import DOORS
from pepeunit.entrypoints.graphql.execution import written
from pepeunit.entrypoints.graphql.limits import Limits, measure
from pepeunit.entrypoints.graphql.plans import PlanningExecutor, Unplanned


def bound() -> GraphQLSchema:
    """The real schema, whose root fields give what the test hands over."""
    doors = [door(*[None] * len(door.__attrs_attrs__)) for door in DOORS]  # type: ignore[attr-defined]
    return bind(read_sdl(), doors, lambda bound, info, arguments: info.context.value)


SCHEMA = bound()
UNIT = SCHEMA.type_map["UnitsResultType"]
NAIVE = datetime(2026, 11, 23, 8, 39, 9, 725675)  # noqa: DTZ001 the wire form
WORDS = st.text(max_size=3)


def either(good: st.SearchStrategy[Any], *bad: Any) -> st.SearchStrategy[Any]:
    """Mostly as declared, now and then what a type does not hold."""
    return st.one_of(*[good] * 8, *(st.just(one) for one in bad))


UUIDS = either(st.uuids(), None, "text")
MOMENTS = either(
    st.sampled_from([NAIVE, NAIVE.replace(microsecond=0), NAIVE.replace(tzinfo=UTC)]), None
)
FLOATS = either(st.none() | st.floats(allow_nan=False) | st.integers(-5, 5), True, "text")
TEXTS = either(WORDS, None, 5, True)
FLAGS = either(st.booleans(), None, 1, "text")

STATES = st.builds(
    UnitStateModel,
    ifconfig=st.lists(TEXTS, max_size=2),
    millis=FLOATS,
    mem_free=FLOATS,
    mem_alloc=FLOATS,
    freq=FLOATS,
    statvfs=st.lists(FLOATS, max_size=2),
    pu_commit_version=TEXTS,
)
NODES = st.builds(
    NodeModel,
    uuid=UUIDS,
    type=either(st.sampled_from(NodeType), None, "OUTPUT"),
    visibility_level=either(st.sampled_from(Visibility), "Public"),
    is_rewritable_input=FLAGS,
    max_connections=either(st.integers(0, 9), 2**31, 1.5, "1"),
    topic_name=TEXTS,
    last_update_datetime=MOMENTS,
    is_data_pipe_active=FLAGS,
    data_pipe_yml=TEXTS,
    data_pipe_status=TEXTS,
    data_pipe_error=TEXTS,
    create_datetime=MOMENTS,
    state=TEXTS,
    unit_uuid=UUIDS,
    creator_uuid=UUIDS,
)
UNITS = st.builds(
    UnitModel,
    uuid=UUIDS,
    visibility_level=either(st.sampled_from(Visibility), None),
    name=TEXTS,
    create_datetime=MOMENTS,
    is_auto_update_from_repo_unit=FLAGS,
    target_firmware_platform=TEXTS,
    repo_branch=TEXTS,
    repo_commit=TEXTS,
    unit_state=st.none() | STATES,
    current_commit_version=TEXTS,
    last_update_datetime=MOMENTS,
    creator_uuid=UUIDS,
    repo_uuid=UUIDS,
    firmware_update_status=st.none() | st.sampled_from(UpdateStatus),
    firmware_update_error=TEXTS,
    last_firmware_update_datetime=MOMENTS,
    unit_nodes=either(st.lists(NODES, max_size=2), None, (), 5),
    built_commit=TEXTS,
    is_online=FLAGS,
    last_seen_datetime=MOMENTS,
)
LISTS = st.builds(
    UnitsModel, count=either(st.integers(0, 9), None, 2**40), units=st.lists(UNITS, max_size=3)
)
GOOD = UUID(int=7)


@st.composite
def selections(draw: st.DrawFn, declared: Any) -> str:
    """Fields of a type with aliases, repeats, fragments and conditions."""
    while not isinstance(declared, GraphQLObjectType):
        declared = declared.of_type
    parts = []
    for name in draw(st.lists(st.sampled_from(["__typename", *declared.fields]), min_size=1)):
        below = ""
        if name != "__typename":
            inner: Any = get_nullable_type(declared.fields[name].type)
            if isinstance(inner, GraphQLList):
                inner = get_nullable_type(inner.of_type)
            if isinstance(inner, GraphQLObjectType):
                below = draw(selections(inner))
        condition = draw(st.sampled_from(["", "", "", "@include(if: $a)", "@skip(if: $b)"]))
        # one alias for each name: two fields of one response name must be the same field
        alias = draw(st.sampled_from(["", "", f"x_{name}: "]))
        part = f"{alias}{name} {condition} {below}"
        if draw(st.integers(0, 5)) == 0:
            part = f"... on {declared.name} {condition} {{ {part} }}"
        parts.append(part)
    return "{ " + " ".join(parts) + " }"


def both(text: str, value: Any, variables: dict[str, Any]) -> tuple[Any, Any]:
    """What the plain executor and ours make of the same value."""
    syntax = parse(text)
    document = Document(syntax, measure(syntax, Limits(fields_max=10**6, repeats_max=10**6)))
    context = SimpleNamespace(value=value, document=document)
    found = [
        execute(SCHEMA, syntax, context_value=context, variable_values=variables, **how)
        for how in ({}, {"executor_class": PlanningExecutor})
    ]
    told = [
        (written(ExecutionResult(one.data)), [error.formatted for error in one.errors or ()])
        for one in found
    ]
    return told[0], told[1]


@settings(max_examples=300, deadline=None)
@given(st.data(), LISTS, st.booleans(), st.booleans())
def test_a_plan_writes_what_graphql_core_writes(
    data: st.DataObject, value: UnitsModel, a: bool, b: bool
) -> None:
    below = data.draw(selections(UNIT))
    text = f"query($a: Boolean!, $b: Boolean!) {{ r: getUnits(filters: {{}}) {below} }}"
    theirs, ours = both(text, value, {"a": a, "b": b})
    assert repr(ours) == repr(theirs)  # the order of keys, and 1 is not true


@pytest.mark.parametrize("value", [None, [None], 5, ValueError("no")])
def test_a_root_value_of_another_kind_is_told_alike(value: Any) -> None:
    theirs, ours = both('{ getVersions(uuid: "0") { unitCount } }', value, {})
    assert ours == theirs


def test_a_plan_is_made_once_for_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    syntax = parse("{ getUnits(filters: {}) { count } }")
    document = Document(syntax, measure(syntax, Limits()))
    context = SimpleNamespace(value=UnitsModel(1, []), document=document)
    for _ in range(3):
        execute(SCHEMA, syntax, context_value=context, executor_class=PlanningExecutor)
    assert len(document.plans) == 1
    (plan,) = document.plans.values()
    assert plan(UnitsModel(2, [])) == {"count": 2}
    with pytest.raises(Unplanned):
        plan(None)
