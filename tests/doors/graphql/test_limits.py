"""Documents: what is let through, and the classic attacks (docs/decisions/0105)."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from graphql import build_schema, get_introspection_query, parse

from pepeunit.domain.errors import OverLimit
from pepeunit.entrypoints.graphql.binder import read_sdl
from pepeunit.entrypoints.graphql.documents import Broken, Documents
from pepeunit.entrypoints.graphql.limits import Limits, check_variables, measure
from tests.doors.graphql.generating import everything, operations
from tests.doors.graphql.platform import Gql

SCHEMA = build_schema(read_sdl())
LIMITS = Limits()
SECONDS_MAX = 1.0
"""What one hostile document may take on a busy machine; most take a hundredth of it."""
BYTES_MAX = 32 * 2**20


@pytest.mark.parametrize(("kind", "name"), list(operations(SCHEMA)))
def test_a_document_with_every_field_of_an_operation_passes_with_room(kind: str, name: str) -> None:
    text = everything(SCHEMA, kind, name)
    Documents(SCHEMA, LIMITS).get(text)
    third = Limits(
        tokens_max=LIMITS.tokens_max // 3,
        depth_max=LIMITS.depth_max // 3,
        fields_max=LIMITS.fields_max // 3,
        aliases_max=LIMITS.aliases_max // 3,
    )
    Documents(SCHEMA, third).get(text)


def test_every_operation_may_stand_in_one_document() -> None:
    texts = [everything(SCHEMA, kind, name) for kind, name in operations(SCHEMA)]
    Documents(SCHEMA, Limits(document_chars_max=2**20)).get("\n".join(texts))


def test_the_introspection_of_tools_passes() -> None:
    Documents(SCHEMA, LIMITS).get(
        get_introspection_query(specified_by_url=True, input_value_deprecation=True)
    )


def nested(levels: int) -> str:
    return "{ getUnits(filters: {}) " + "{ units " * levels + "{ uuid }" + " }" * levels + " }"


def nested_introspection() -> str:
    return "{ __schema { types " + "{ fields { type " * 8 + "{ name }" + " } }" * 8 + " } }"


def alias_flood() -> str:
    lists = " ".join(f"a{i}: getUnits(filters: {{}}) {{ count }}" for i in range(1000))
    return f"{{ {lists} }}"


def field_flood() -> str:
    return "{ getUnits(filters: {}) { " + "count " * 4000 + "} }"


def object_flood() -> str:
    return "{ getUnits(filters: {}) { " + "units { uuid } " * 900 + "} }"


def inline_flood() -> str:
    parts = " ".join(f"... {{ units {{ a{i}: uuid }} }}" for i in range(400))
    return f"{{ getUnits(filters: {{}}) {{ {parts} }} }}"


def spread_flood() -> str:
    levels = 20
    parts = [
        f"fragment F{i} on UnitsResultType {{ ...F{i + 1} ...F{i + 1} units {{ uuid }} }}"
        for i in range(levels)
    ]
    parts.append(f"fragment F{levels} on UnitsResultType {{ count }}")
    return "{ getUnits(filters: {}) { ...F0 } } " + " ".join(parts)


def doubling() -> str:
    parts = [
        f"fragment F{i} on UnitType "
        f"{{ a: unitNodes {{ uuid }} ...F{i + 1} b: unitNodes {{ uuid }} }}"
        for i in range(98)
    ]
    parts.append("fragment F98 on UnitType { uuid }")
    return "{ getUnits(filters: {}) { units { ...F0 } } } " + " ".join(parts)


def cycle() -> str:
    return "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"


def unknown_fields() -> str:
    return "{ " + " ".join(f"getUnit{i}" for i in range(2000)) + " }"


def tokens() -> str:
    return "{ a(b: [" + "1 " * 20_000 + "]) }"


def parentheses() -> str:
    return "{ a(b: " + "[" * 3000 + "]" * 3000 + ") }"


def many_operations() -> str:
    return " ".join(f"query q{i} {{ getBaseMetrics {{ userCount }} }}" for i in range(600))


ATTACKS = [
    nested_introspection,
    alias_flood,
    field_flood,
    object_flood,
    inline_flood,
    spread_flood,
    doubling,
    cycle,
    unknown_fields,
    tokens,
    parentheses,
    many_operations,
]


def read(text: str) -> str:
    try:
        Documents(SCHEMA, LIMITS).get(text)
    except (Broken, OverLimit) as refused:
        return type(refused).__name__
    return "read"


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("attack", [lambda: nested(300), lambda: nested(30), *ATTACKS])
def test_w23_a_hostile_document_is_read_in_bounded_time_and_memory(
    attack: Callable[[], str], say: Callable[[str], None]
) -> None:
    text = attack()
    tracemalloc.start()
    try:
        verdict = read(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    began = time.thread_time()
    assert read(text) == verdict
    seconds = time.thread_time() - began
    say(f"{verdict}, {seconds * 1000:.0f} ms, {peak / 2**20:.1f} MiB")
    assert seconds < SECONDS_MAX
    assert peak < BYTES_MAX


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (nested(25), "levels"),
        (alias_flood(), "tokens"),
        ("{ " + " ".join(f"a{i}: __typename" for i in range(101)) + " }", "aliases"),
        ("{ getUnits(filters: {}) { " + "count " * 21 + "} }", "repeats"),
        ("{ " + "...A " * 21 + "} fragment A on Query { __typename }", None),
        ("{ " + " ".join(f"a{i}: __typename" for i in range(21)) + " }", "fields at the root"),
        (spread_flood(), None),
        ("{ a: getToken b: getToken }", "getToken"),
        ("query a { getToken } query b { getToken }", "getToken"),
        (
            "{ ...A ...B } fragment A on Query { getToken } fragment B on Query { x: getToken }",
            "getToken",
        ),
    ],
)
def test_w23_limits_name_what_is_too_much(text: str, what: str | None) -> None:
    if what == "tokens":
        with pytest.raises(Broken, match="1 errors"):
            Documents(SCHEMA, LIMITS).get(text)
    elif what is None:
        measure(parse(text), LIMITS)
    else:
        with pytest.raises(OverLimit, match=what):
            measure(parse(text), LIMITS)


def test_w23_fields_are_counted_with_every_fragment_put_in() -> None:
    parts = [f"fragment F{i} on T {{ a {{ ...F{i + 1} }} b {{ ...F{i + 1} }} }}" for i in range(15)]
    text = "{ ...F0 } " + " ".join(parts) + " fragment F15 on T { c }"
    with pytest.raises(OverLimit, match="fields"):
        measure(parse(text), LIMITS)


def test_documents_are_read_once_and_the_oldest_go_first() -> None:
    documents = Documents(SCHEMA, Limits(documents_max=2))
    first = documents.get("{ __typename }")
    assert documents.get("{ __typename }") is first
    documents.get("{ a: __typename }")
    documents.get("{ __typename }")
    documents.get("{ b: __typename }")
    assert list(documents.kept) == ["{ __typename }", "{ b: __typename }"]
    assert documents.chars == sum(map(len, documents.kept))


def test_kept_documents_have_a_bounded_length_together() -> None:
    documents = Documents(SCHEMA, Limits(documents_chars_max=100))
    for number in range(50):
        documents.get(f"{{ a{number}: __typename }}")
        assert documents.chars <= 100


def test_a_refused_document_is_not_kept() -> None:
    documents = Documents(SCHEMA, LIMITS)
    with pytest.raises(Broken):
        documents.get("{ nothing }")
    assert not documents.kept


def test_w23_variables_have_a_bounded_number_of_values() -> None:
    check_variables({"a": [[1] * 100] * 100}, LIMITS)
    with pytest.raises(OverLimit, match="values in variables"):
        check_variables({"a": list(range(LIMITS.variable_values_max + 1))}, LIMITS)
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    check_variables({"a": deep}, LIMITS)


UNLIMITED = "{ " + " ".join(f"a{i}: getUnits(filters: {{}}) {{ count }}" for i in range(5)) + " }"


@pytest.mark.usefixtures("collector_off")
async def test_huge_variables_are_refused_at_once(gql: Gql) -> None:
    await gql.sign_up("alice")
    uuids = ["00000000-0000-0000-0000-000000000000"] * 200_000
    query = "query($f: UnitFilterInput!) { getUnits(filters: $f) { count } }"
    body = json.dumps({"query": query, "variables": {"f": {"uuids": uuids}}}).encode()
    began = time.thread_time()
    reply = await gql.send(
        who="alice", data=io.BytesIO(body), headers={"Content-Type": "application/json"}
    )
    (error,) = reply.json["errors"]
    assert error["message"] == ("422: 2: Validation Error: more than 20000 values in variables")
    assert time.thread_time() - began < 2 * SECONDS_MAX


async def test_w24_lists_without_limit_are_counted_in_a_request(gql: Gql) -> None:
    assert (await gql.refused(UNLIMITED)).endswith("more than 4 lists without limit in a request")
    limited = UNLIMITED.replace("{}", "{limit: 10}")
    assert "errors" not in await gql.ask(limited)
