"""schema_example.json -> schema.json (spec devices.md 6 and 7, O18, rulings 23)."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.topic import PIPE_SUFFIX, BaseDirection, base_topic, node_topic
from pepeunit.domain.nodes.node import Node, NodeType

DEFAULT_TOPIC_SYMBOLS: Final = string.ascii_letters + string.digits + "/_-"
TOPIC_LENGTH_MAX: Final = 65434
SECTIONS: Final = ("input_base_topic", "output_base_topic", "input_topic", "output_topic")
_BASE_SECTIONS: Final = SECTIONS[:2]


@frozen
class SchemaExample:
    """The topics a program asks for, each list in file order; ``extra`` names other sections."""

    input_base_topic: tuple[str, ...]
    output_base_topic: tuple[str, ...]
    input_topic: tuple[str, ...]
    output_topic: tuple[str, ...]
    extra: tuple[str, ...] = ()

    def accepts(self, word: str) -> bool:
        """Whether the program listens to the command word (``update``, ``log_sync`` ...)."""
        return f"{word}{PIPE_SUFFIX}" in self.input_base_topic

    def node_names(self) -> Iterable[tuple[NodeType, str]]:
        yield from ((NodeType.INPUT, name) for name in self.input_topic)
        yield from ((NodeType.OUTPUT, name) for name in self.output_topic)


def read_schema_example(text: str | bytes, symbols: str = DEFAULT_TOPIC_SYMBOLS) -> SchemaExample:
    """``schema_example.json`` of a commit.

    Raises ``Invalid``: topic json when it is no JSON, topic git with every broken rule.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8 JSON"
        raise Invalid([("schema_example.json", f"is not JSON: {reason}")], Topic.JSON) from None
    violations = list(_violations(document, set(symbols)))
    if violations:
        raise Invalid(violations, Topic.GIT)
    return SchemaExample(
        **{section: tuple(document[section]) for section in SECTIONS},
        extra=tuple(key for key in document if key not in SECTIONS),
    )


def _violations(document: object, symbols: set[str]) -> Iterable[tuple[str, str]]:
    if not isinstance(document, dict):
        yield "schema_example.json", "must be a JSON object"
        return
    for section in SECTIONS:
        if section not in document:
            yield section, "is missing"
    for section, names in document.items():
        if not isinstance(names, list):
            yield section, "must be a list"
            continue
        seen: set[str] = set()
        for index, name in enumerate(names):
            path = f"{section}[{index}]"
            if not isinstance(name, str):
                yield path, "must be a string"
                continue
            yield from ((path, text) for text in _name_violations(name, symbols))
            if name in seen:
                yield path, f"repeats {name!r}"
            seen.add(name)
            if section in _BASE_SECTIONS and not _is_base_name(name):
                yield path, "must have the form <word>/pepeunit"


def _is_base_name(name: str) -> bool:
    word, slash, rest = name.partition("/")
    return bool(word) and slash == "/" and rest == "pepeunit"


def _name_violations(name: str, symbols: set[str]) -> Iterable[str]:
    if not name:
        yield "must not be empty"
    strange = sorted(set(name) - symbols)
    if strange:
        yield f"may not contain {' '.join(map(repr, strange))}"
    if len(name) > TOPIC_LENGTH_MAX:
        yield f"has {len(name)} characters, at most {TOPIC_LENGTH_MAX} are allowed"
    if name.startswith("/") or name.endswith("/") or "//" in name:
        yield "must not have empty levels"


def build_schema(
    example: SchemaExample,
    domain: str,
    unit: UnitId,
    nodes: Sequence[Node],
    linked_outputs: Mapping[NodeId, Sequence[Node]],
) -> dict[str, Any]:
    """schema.json: ``{section: {topic name: [full topic, ...]}}``.

    An input lists its own topic first, then that of every output linked to it. ``nodes`` are the
    unit's nodes for the same commit as ``example``; topics without a node are a bug of the
    caller and raise ``KeyError``.
    """
    by_name = {(node.type, node.topic_name): node for node in nodes}

    def topic_of(node: Node) -> str:
        return node_topic(domain, node.uuid, node.topic_name)

    def inputs(name: str) -> list[str]:
        node = by_name[NodeType.INPUT, name]
        return [topic_of(node), *map(topic_of, linked_outputs.get(node.uuid, ()))]

    schema: dict[str, Any] = {
        direction.value: {
            name: [base_topic(domain, direction, unit, name)]
            for name in getattr(example, direction.value)
        }
        for direction in BaseDirection
    }
    schema["input_topic"] = {name: inputs(name) for name in example.input_topic}
    schema["output_topic"] = {
        name: [topic_of(by_name[NodeType.OUTPUT, name])] for name in example.output_topic
    }
    return schema | {section: {} for section in example.extra}
