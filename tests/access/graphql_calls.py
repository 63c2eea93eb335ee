"""The operations of the matrix as GraphQL asks them: same names, same values, same verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    build_schema,
)

from pepeunit.entrypoints.graphql.binder import read_sdl, snake
from tests.access.cells import Call, Cell
from tests.access.runs import (
    MATRIX,
    NOT_ABOUT_A_THING,
    Run,
    Select,
    every,
    filled,
    verdict_of,
)
from tests.access.world import World
from tests.doors.graphql.generating import everything, operations
from tests.doors.graphql.platform import PATH, form_of
from tests.doors.http.serving import Reply

SCHEMA: Final = build_schema(read_sdl())
KINDS: Final = {name: kind for kind, name in operations(SCHEMA)}
OTHERWISE: Final = {
    "branches of a registry": "getRepositoryRegistry",
    "push secret": "getPushSecret",
    "addresses in unit_state": "getUnit",
    "import of a table": "importUnitsCsv",
    "import of a file": "importUnits",
    "export": "getUnitsExport",
    "bulkCommand": "sendCommandToUnits",
    "edges": "getUnitNodeEdges",
    "explainAccess": "getNodeAccess",
    "explainAccess, to all": "getNodeAccessList",
    "checkLinks": "getLinkCheck",
}
"""Names of the matrix that the schema has another one for."""
REST_ALONE: Final = {
    "updateUser, another": "there is no uuid to name another by",
    "instance page": "no part of GraphQL",
    "backend_sync_registry": "only REST (spec graphql.md 11)",
    "push without the secret": "for code hosts",
    "firmware zip": "archives are only REST",
    "firmware tar": "archives are only REST",
    "firmware tgz": "archives are only REST",
    "firmware asset": "archives are only REST",
    "getPipeData, CSV": "only REST",
    "Grafana sign-in": "only REST",
    "Grafana token": "only REST",
    "Grafana userinfo": "only REST",
    "Grafana data source": "only REST",
    # subscriptions, whose cells tests/live/test_matrix.py runs
    "follow values, linked": "over WebSocket",
    "follow values": "over WebSocket",
    "follow values, level of its own": "over WebSocket",
    "follow units": "over WebSocket",
    "follow logs": "over WebSocket",
    "follow registries": "over WebSocket",
    "follow rollouts": "over WebSocket",
}
GRAPHQL_ALONE: Final = {"setGrafanaCookies", "deleteUserCookies"}
RENAMED: Final = {
    "input_uuid": "node_input_uuid",
    "output_uuid": "node_output_uuid",
    "env_json_str": "env_json_string",
}
"""Arguments here to what REST calls them."""
WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where a word of REST's values ends: NRecords."""
NESTED: Final = "is_include_output_unit_nodes"


def operation_of(call: Call) -> str | None:
    """The schema's name, None for what is REST's alone."""
    if call.name in REST_ALONE:
        return None
    first = call.name.partition(",")[0]
    name = OTHERWISE.get(call.name) or OTHERWISE.get(first, first).partition(" ")[0]
    assert name in KINDS, f"{call.name} is neither in the schema nor in REST_ALONE"
    return name


def values_of(call: Call, names: Mapping[str, str]) -> dict[str, Any]:
    """What the call sends, by REST's names."""
    asked = urlsplit(filled(call.path, dict(names)))
    found: dict[str, Any] = {key: one for key, (one, *_) in parse_qs(asked.query).items()}
    if "{" in call.path.partition("?")[0]:
        own = re.search(r"\{(\w+)\}", call.path)
        assert own is not None
        found["uuid"] = filled(own[0], dict(names))
    return found | (filled(call.body, dict(names)) or {})


def written(declared: Any, values: Mapping[str, Any], one: Any) -> Any:
    """A value of REST as the declared type takes it."""
    if isinstance(declared, GraphQLNonNull):
        return written(declared.of_type, values, one)
    if isinstance(declared, GraphQLInputObjectType):
        given = one if isinstance(one, dict) else values
        return arguments(declared.fields, given)
    if isinstance(declared, GraphQLList):
        many = one if isinstance(one, list) else [one]
        return [written(declared.of_type, values, each) for each in many]
    if isinstance(declared, GraphQLEnumType):
        return WORDS.sub("_", one).upper()
    return one


def arguments(
    declared: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    found = {}
    for key, one in declared.items():
        name = RENAMED.get(snake(key), snake(key))
        plain = one.type.of_type if isinstance(one.type, GraphQLNonNull) else one.type
        if name in values:
            found[key] = written(one.type, values, values[name])
        elif isinstance(plain, GraphQLInputObjectType) and plain is not one.type:
            found[key] = written(one.type, values, None)
    return found


def in_snake_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(key): in_snake_case(one) for key, one in value.items()}
    return [in_snake_case(one) for one in value] if isinstance(value, list) else value


async def ask(world: World, call: Call, cell: Cell, names: dict[str, str]) -> Reply:
    """The answer in the form REST would have given."""
    name = operation_of(call)
    assert name is not None
    values = values_of(call, names)
    text = everything(SCHEMA, KINDS[name], name)
    if name == "getUnits" and NESTED not in values:
        text = re.sub(r"unitNodes \{[^{}]*\}", "", text)
    root = SCHEMA.query_type if KINDS[name] == "query" else SCHEMA.mutation_type
    assert root is not None
    declared = root.fields[name].args
    document = {"query": text, "variables": arguments(declared, values)}
    options: dict[str, Any] = {"json": document}
    if "file" in declared:
        content = filled(call.file or "", names).encode()
        document["variables"].setdefault("dryRun", False)
        options = {"data": form_of(document, {"file": content})}
    token = world.token(cell.column, cell.row)
    reply = await world.ask("POST", PATH, token, **options)
    assert reply.status == 200, reply.content
    answer = reply.json
    if "errors" in answer:
        error = answer["errors"][0]
        detail = json.dumps({"detail": error["message"]}).encode()
        return Reply(error["extensions"]["code"], reply.headers, detail)
    data = answer["data"][name]
    if name == "getUnitsExport":
        data = json.loads(data)
    return Reply(200, reply.headers, json.dumps(in_snake_case(data)).encode())


async def on_graphql(world: World, selects: Select = every) -> Run:
    """Each cell on the same world: what one changes is undone before the next."""
    run, untouched = Run(), world.database._world
    for call in MATRIX.calls:
        for cell in call.cells:
            if call.is_pending or operation_of(call) is None or not selects(cell):
                continue
            names = world.names(cell.column, cell.row)
            reply = await ask(world, call, cell, names)
            verdict = verdict_of(call, reply, names)
            run.note(cell, verdict)
            await world.settle()
            world.database._world = untouched
            if verdict == "0" and reply.status == 422:
                things = set(world.things[cell.row]) - NOT_ABOUT_A_THING
                absent = names | dict.fromkeys(things, names["absent"])
                other = await ask(world, call, cell, absent)
                if (other.status, other.content) != (reply.status, reply.content):
                    run.wrong.append(f"{cell}: tells an unseen thing from an absent one")
    return run
