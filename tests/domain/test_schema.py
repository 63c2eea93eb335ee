"""schema_example.json and schema.json (devices.md 6 and 7, O18)."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.messaging.topic import parse_topic
from pepeunit.domain.nodes.node import Node, NodeType, setting_violations
from pepeunit.domain.nodes.reconcile import reconcile
from pepeunit.domain.units.schema import (
    TOPIC_LENGTH_MAX,
    SchemaExample,
    build_schema,
    read_schema_example,
)
from tests.domain.making import OWN_UNIT, a_node

DOMAIN = "iot.example.com"
GOOD: dict[str, Any] = {
    "input_base_topic": ["update/pepeunit", "env_update/pepeunit"],
    "output_base_topic": ["state/pepeunit"],
    "input_topic": ["led/set/pepeunit", "raw"],
    "output_topic": ["temp/pepeunit"],
}


def violations(**changes: Any) -> set[tuple[str, str]]:
    document = {key: value for key, value in (GOOD | changes).items() if value is not ...}
    with pytest.raises(Invalid) as refused:
        read_schema_example(json.dumps(document))
    assert refused.value.topic is Topic.GIT
    return set(refused.value.violations)


def test_a_good_example_keeps_the_order_of_its_file() -> None:
    example = read_schema_example(json.dumps(GOOD | {"more": ["a"]}))
    assert example.input_topic == ("led/set/pepeunit", "raw")
    assert example.extra == ("more",)
    assert example.accepts("env_update")
    assert not example.accepts("log_sync")


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000, "1" * 5000])
def test_text_that_is_no_json_has_the_topic_json(text: str | bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read_schema_example(text)
    assert refused.value.topic is Topic.JSON


@pytest.mark.parametrize("text", ["[]", "5", "null", '"x"'])
def test_o18_a_root_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_schema_example(text)
    assert refused.value.topic is Topic.GIT


@pytest.mark.parametrize("section", list(GOOD))
def test_each_missing_section_is_named(section: str) -> None:
    assert violations(**{section: ...}) == {(section, "is missing")}


@pytest.mark.parametrize(
    ("section", "names", "path", "reason"),
    [
        ("input_topic", {}, "input_topic", "list"),
        ("more", "text", "more", "list"),
        ("input_topic", [5], "input_topic[0]", "string"),
        ("input_topic", [None, "a"], "input_topic[0]", "string"),
        ("input_topic", [""], "input_topic[0]", "empty"),
        ("input_topic", ["a", "a"], "input_topic[1]", "repeats"),
        ("input_topic", ["/a"], "input_topic[0]", "empty levels"),
        ("input_topic", ["a/"], "input_topic[0]", "empty levels"),
        ("input_topic", ["a//b"], "input_topic[0]", "empty levels"),
        ("input_topic", ["a+"], "input_topic[0]", "may not contain"),
        ("input_topic", ["#"], "input_topic[0]", "may not contain"),
        ("output_topic", ["t é"], "output_topic[0]", "may not contain"),
        ("output_topic", ["\ud800"], "output_topic[0]", "may not contain"),
        ("output_topic", ["a" * (TOPIC_LENGTH_MAX + 1)], "output_topic[0]", "characters"),
        ("input_base_topic", ["update"], "input_base_topic[0]", "<word>/pepeunit"),
        ("input_base_topic", ["a/b/pepeunit"], "input_base_topic[0]", "<word>/pepeunit"),
        ("output_base_topic", ["/pepeunit"], "output_base_topic[0]", "<word>/pepeunit"),
    ],
)
def test_o18_each_hole_of_the_check_is_closed(
    section: str, names: object, path: str, reason: str
) -> None:
    found = violations(**{section: names})
    assert any(where == path and reason in text for where, text in found), found


def test_every_violation_is_listed_at_once() -> None:
    found = violations(
        input_base_topic=["update"],
        output_base_topic=...,
        input_topic=[1, "a", "a"],
        output_topic=5,
    )
    assert {path for path, _ in found} == {
        "input_base_topic[0]",
        "output_base_topic",
        "input_topic[0]",
        "input_topic[2]",
        "output_topic",
    }


def test_the_longest_topic_is_allowed() -> None:
    name = "a" * TOPIC_LENGTH_MAX
    assert read_schema_example(json.dumps(GOOD | {"input_topic": [name]})).input_topic == (name,)


def test_unknown_base_words_are_allowed_rulings_23() -> None:
    example = read_schema_example(json.dumps(GOOD | {"input_base_topic": ["reboot/pepeunit"]}))
    assert example.accepts("reboot")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "x"]), json_values))
def test_no_json_makes_the_reader_fail_otherwise(document: dict[str, Any]) -> None:
    with contextlib.suppress(Invalid):
        read_schema_example(json.dumps(document))


def nodes_of(example: SchemaExample) -> list[Node]:
    return [
        a_node(number, kind, name)
        for number, (kind, name) in enumerate(example.node_names(), start=100)
    ]


def test_the_schema_maps_every_name_to_its_physical_topics() -> None:
    example = read_schema_example(json.dumps(GOOD | {"more": ["a"]}))
    led, raw, temp = nodes_of(example)
    other = a_node(500, NodeType.OUTPUT, "far/pepeunit", unit_uuid=UUID(int=9))
    plain = a_node(501, NodeType.OUTPUT, "far", unit_uuid=UUID(int=9))
    schema = build_schema(example, DOMAIN, OWN_UNIT, (temp, raw, led), {led.uuid: [other, plain]})
    assert schema == {
        "input_base_topic": {
            "update/pepeunit": [f"{DOMAIN}/input_base_topic/{OWN_UNIT}/update/pepeunit"],
            "env_update/pepeunit": [f"{DOMAIN}/input_base_topic/{OWN_UNIT}/env_update/pepeunit"],
        },
        "output_base_topic": {
            "state/pepeunit": [f"{DOMAIN}/output_base_topic/{OWN_UNIT}/state/pepeunit"],
        },
        "input_topic": {
            "led/set/pepeunit": [
                f"{DOMAIN}/{led.uuid}/pepeunit",
                f"{DOMAIN}/{other.uuid}/pepeunit",
                f"{DOMAIN}/{plain.uuid}",
            ],
            "raw": [f"{DOMAIN}/{raw.uuid}"],
        },
        "output_topic": {"temp/pepeunit": [f"{DOMAIN}/{temp.uuid}/pepeunit"]},
        "more": {},
    }


names = st.lists(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,2})?(/pepeunit)?", fullmatch=True), max_size=4)
examples = st.builds(
    SchemaExample,
    st.just(("update/pepeunit",)),
    st.just(("state/pepeunit",)),
    names.map(lambda found: tuple(dict.fromkeys(found))),
    names.map(lambda found: tuple(dict.fromkeys(found))),
)


@given(examples)
def test_every_topic_of_a_schema_is_in_the_grammar(example: SchemaExample) -> None:
    schema = build_schema(example, DOMAIN, OWN_UNIT, nodes_of(example), {})
    for section in schema.values():
        for topics in section.values():
            assert topics
            assert all(parse_topic(topic, {DOMAIN}) is not None for topic in topics)


def test_a_name_may_be_both_an_input_and_an_output() -> None:
    example = read_schema_example(json.dumps(GOOD | {"input_topic": ["a"], "output_topic": ["a"]}))
    one, two = nodes_of(example)
    schema = build_schema(example, DOMAIN, OWN_UNIT, [one, two], {})
    assert schema["input_topic"] != schema["output_topic"]


@given(examples, examples)
def test_reconciling_leads_to_exactly_the_wanted_nodes(
    before: SchemaExample, after: SchemaExample
) -> None:
    existing = nodes_of(before)
    changes = reconcile(existing, after.node_names())
    kept = {(node.type, node.topic_name) for node in changes.keep}
    assert kept | set(changes.create) == set(after.node_names())
    assert not kept & set(changes.create)
    assert {*changes.keep, *changes.delete} == set(existing)
    assert not set(changes.keep) & set(changes.delete)


@given(examples)
def test_reconciling_twice_changes_nothing(example: SchemaExample) -> None:
    changes = reconcile(nodes_of(example), [*example.node_names(), *example.node_names()])
    assert changes.is_empty
    assert list(changes.keep) == nodes_of(example)


def test_a_renamed_node_is_deleted_and_made_anew() -> None:
    old = a_node(1, NodeType.INPUT, "old")
    changes = reconcile([old], [(NodeType.INPUT, "new")])
    assert changes.create == ((NodeType.INPUT, "new"),)
    assert changes.delete == (old,)


def test_a_node_that_changes_its_kind_is_deleted_and_made_anew() -> None:
    old = a_node(1, NodeType.INPUT, "x")
    changes = reconcile([old], [(NodeType.OUTPUT, "x")])
    assert (changes.create, changes.delete) == (((NodeType.OUTPUT, "x"),), (old,))


def test_node_settings_name_everything_that_is_wrong() -> None:
    node = a_node(
        1,
        NodeType.OUTPUT,
        "x",
        is_rewritable_input=True,
        is_data_pipe_active=True,
        max_connections=0,
    )
    assert {path for path, _ in setting_violations(node)} == {
        "is_rewritable_input",
        "is_data_pipe_active",
        "max_connections",
    }
    good = a_node(2, NodeType.INPUT, "x/pepeunit", is_rewritable_input=True, max_connections=1)
    assert not list(setting_violations(good))
