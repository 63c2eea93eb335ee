"""The tables of ``contract.md`` as values, and a schema in the same form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import field, frozen
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    ast_from_value,
    print_ast,
)

FILE = Path(__file__).with_name("contract.md")
PAGING = {"offset": "Int = null", "limit": "Int = null"}
ENUM = re.compile(r"`(\w+)`")


@frozen
class Contract:
    """Names to members, arguments, fields; a type is written as in SDL, a default after ``=``."""

    enums: Mapping[str, tuple[str, ...]] = field(factory=dict)
    queries: Mapping[str, tuple[Mapping[str, str], str]] = field(factory=dict)
    mutations: Mapping[str, tuple[Mapping[str, str], str]] = field(factory=dict)
    inputs: Mapping[str, Mapping[str, str]] = field(factory=dict)
    outputs: Mapping[str, Mapping[str, str]] = field(factory=dict)
    unions: Mapping[str, tuple[str, ...]] = field(factory=dict)


def _sections() -> dict[str, list[list[str]]]:
    """The rows of the table below each heading, as cells."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in FILE.read_text().splitlines():
        if line.startswith("## "):
            heading = line.split(". ")[1]
        elif line.startswith("|") and not line.startswith("|--"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found.setdefault(heading, []).append(cells)
    return {name: rows[1:] for name, rows in found.items()}


def _parts(text: str) -> list[str]:
    """Split at commas outside brackets."""
    return [part.strip() for part in re.split(r",(?![^\[(]*[\])])", text) if part.strip()]


def _input_fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in _parts(text):
        if part == "P":
            fields |= PAGING
            continue
        name, _, rest = part.partition(":")
        declared, _, default = (piece.strip() for piece in rest.partition("="))
        declared = re.sub(r"\s*\(.*\)", "", declared)
        if not default and not declared.endswith("!"):
            default = "null"
        fields[name] = f"{declared} = {default}" if default else declared
    return fields


def _operations(rows: list[list[str]]) -> dict[str, tuple[dict[str, str], str]]:
    found = {}
    for row in rows:
        returns = re.search(r"`([\[\]\w!]+)`", row[2])
        assert returns, row
        for text in re.findall(r"`([^`]+)`", row[0].partition(" (argument")[0]):
            name, _, given = text.partition("(")
            given = given.removesuffix(")")
            if given.startswith("F "):
                arguments = {"filters": f"{given[2:]}!"}
            else:
                given = given.replace("F ", "filters: ")
                arguments = _input_fields(given)
            found[name] = (arguments, returns[1])
    return found


def _output_fields(text: str) -> dict[str, str]:
    fields = {}
    text = text.replace("**", "")
    shared = re.search(r": (\w+!) each$", text)
    for part in _parts(text):
        name, _, declared = part.partition(":")
        declared = declared.strip() or (shared[1] if shared else "")
        fields[name] = re.sub(r"\s*\(.*\)| each", "", declared)
    return fields


def read_contract() -> Contract:
    sections = _sections()
    enums = {}
    for names, members in sections["Enums"]:
        known = tuple(part.partition("=")[0] for part in _parts(members))
        enums |= dict.fromkeys(ENUM.findall(names), known)
    outputs, unions = {}, {}
    for name, text in sections["Output types"]:
        fields, _, union = text.partition(" – union `")
        if union:
            union_name, _, members = union.partition("` = ")
            members = members.partition(".")[0]
            unions[union_name] = tuple(_parts(members))
            fields = fields.replace("[union!]!", f"[{union_name}!]!")
        outputs[name.strip("`")] = _output_fields(fields)
    return Contract(
        enums=enums,
        queries=_operations(sections["Queries"]),
        mutations=_operations(sections["Mutations"]),
        inputs={name.strip("`"): _input_fields(text) for name, text in sections["Input types"]},
        outputs=outputs,
        unions=unions,
    )


def _declared(argument: object) -> str:
    """``Type = default`` of an argument or input field."""
    default = _default(argument)
    return f"{argument.type} = {default}" if default else str(argument.type)


def _default(argument: object) -> str:
    given = argument.default
    if given is not None:
        node = (
            given.literal
            if given.literal is not None
            else ast_from_value(given.value, argument.type)
        )
        return print_ast(node)
    if argument.default_value is Undefined:
        return ""
    return print_ast(ast_from_value(argument.default_value, argument.type))


def contract_of(schema: GraphQLSchema) -> Contract:
    """The same tables of a schema."""

    def operations(root: GraphQLObjectType | None) -> dict[str, tuple[dict[str, str], str]]:
        assert root is not None
        return {
            name: ({key: _declared(one) for key, one in field.args.items()}, str(field.type))
            for name, field in root.fields.items()
        }

    def of(kind: type) -> Iterator[tuple[str, object]]:
        roots = (schema.query_type, schema.mutation_type)
        for name, one in schema.type_map.items():
            if isinstance(one, kind) and not name.startswith("__") and one not in roots:
                yield name, one

    return Contract(
        enums={name: tuple(one.values) for name, one in of(GraphQLEnumType)},
        queries=operations(schema.query_type),
        mutations=operations(schema.mutation_type),
        inputs={
            name: {key: _declared(field) for key, field in one.fields.items()}
            for name, one in of(GraphQLInputObjectType)
        },
        outputs={
            name: {key: str(field.type) for key, field in one.fields.items()}
            for name, one in of(GraphQLObjectType)
        },
        unions={
            name: tuple(member.name for member in one.types) for name, one in of(GraphQLUnionType)
        },
    )
