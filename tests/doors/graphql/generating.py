"""Documents that select everything, made from the schema."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)


def everything(schema: GraphQLSchema, kind: str, name: str) -> str:
    """One operation with every argument as a variable and every field below it."""
    root = schema.query_type if kind == "query" else schema.mutation_type
    assert root is not None
    found = root.fields[name]
    declared = ", ".join(f"${key}: {one.type}" for key, one in found.args.items())
    passed = ", ".join(f"{key}: ${key}" for key in found.args)
    head = f"{kind} {name}" + (f"({declared})" if declared else "")
    call = name + (f"({passed})" if passed else "")
    return f"{head} {{ {call} {selection(found)} }}"


def selection(found: GraphQLField) -> str:
    named = get_named_type(found.type)
    if isinstance(named, GraphQLObjectType):
        return "{ __typename " + " ".join(_fields(named)) + " }"
    if isinstance(named, GraphQLUnionType):
        # members may clash in type: each field gets a name of its own
        parts = [
            f"... on {one.name} {{ "
            + " ".join(f"{one.name}_{key}: {key}" for key in one.fields)
            + " }"
            for one in named.types
        ]
        return "{ __typename " + " ".join(parts) + " }"
    return ""


def _fields(declared: GraphQLObjectType) -> Iterator[str]:
    for key, one in declared.fields.items():
        yield f"{key} {selection(one)}".strip()


def operations(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    assert schema.query_type is not None and schema.mutation_type is not None
    yield from (("query", name) for name in schema.query_type.fields)
    yield from (("mutation", name) for name in schema.mutation_type.fields)
