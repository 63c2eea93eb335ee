"""The schema is the contract's tables, and only grows (rulings 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest
from graphql import GraphQLObjectType, build_schema, print_schema

from pepeunit.entrypoints.doors import GRAPHQL_DOORS, filled
from pepeunit.entrypoints.graphql.binder import GETTER, Unbound, bind, read_sdl, snake
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.execution import serve
from tests.doors.graphql.contract import Contract, contract_of, read_contract
from tests.doors.graphql.platform import Gql

CONTRACT = read_contract()
OURS = contract_of(build_schema(read_sdl()))


def narrowed(theirs: Contract, ours: Contract) -> Iterator[str]:
    """Everything that a client of ``theirs`` would miss or find changed in ``ours``."""
    for part in ("enums", "unions"):
        for name, members in getattr(theirs, part).items():
            missing = set(members) - set(getattr(ours, part).get(name, ()))
            yield from (f"{name}.{member}" for member in missing)
    for part in ("inputs", "outputs"):
        for name, fields in getattr(theirs, part).items():
            yield from changed(name, fields, getattr(ours, part).get(name, {}))
    for name, fields in theirs.inputs.items():
        more = {key: one for key, one in ours.inputs.get(name, {}).items() if key not in fields}
        yield from (f"{name}.{key} is required" for key in required(more))
    for part in ("queries", "mutations"):
        for name, (arguments, answer) in getattr(theirs, part).items():
            given, told = getattr(ours, part).get(name, ({}, ""))
            yield from changed(name, arguments, given)
            yield from changed(name, {"()": answer}, {"()": told})
            more = {key: one for key, one in given.items() if key not in arguments}
            yield from (f"{name}({key}) is required" for key in required(more))


def changed(name: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[str]:
    for key, declared in theirs.items():
        if ours.get(key) != declared:
            yield f"{name}.{key}: {ours.get(key)}, not {declared}"


def required(fields: Mapping[str, str]) -> list[str]:
    return [key for key, declared in fields.items() if declared.endswith("!")]


def test_the_tables_are_whole() -> None:
    assert (len(CONTRACT.queries), len(CONTRACT.mutations)) == (30, 38)
    assert (len(CONTRACT.inputs), len(CONTRACT.outputs), len(CONTRACT.enums)) == (26, 36, 19)
    assert CONTRACT.queries["getUnits"] == ({"filters": "UnitFilterInput!"}, "UnitsResultType!")
    assert CONTRACT.inputs["UserFilterInput"]["role"] == "[UserRole!] = [USER, ADMIN]"


def test_every_type_field_argument_default_and_member_of_the_contract_is_there() -> None:
    assert list(narrowed(CONTRACT, OURS)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  login: String!\n  grafana", "  grafana"),
        ("grafanaOrgId: String\n", "grafanaOrgId: String!\n"),
        ("  STAT\n", ""),
        ("onlyTag: Boolean! = false", "onlyTag: Boolean! = true"),
        ("envJsonStr: String!", "envJsonStr: String"),
        ("getBaseMetrics: BaseMetricsType!", "getBaseMetrics: BaseMetricsType"),
        ("  | LastValueType\n", ""),
        ("input DashboardCreateInput {", "input DashboardCreateInput {\n  more: Int!"),
        ("bulkUpdate: NoneType!", "bulkUpdate(more: Int!): NoneType!"),
    ],
)
def test_a_change_that_is_no_addition_is_seen(old: str, new: str) -> None:
    sdl = read_sdl()
    assert old in sdl
    ours = contract_of(build_schema(sdl.replace(old, new, 1)))
    assert list(narrowed(CONTRACT, ours)) != []


def test_an_addition_is_no_change() -> None:
    sdl = (
        read_sdl()
        .replace("type UserType {", "type UserType {\n  more: Int")
        .replace("input UserAuthInput {", "input UserAuthInput {\n  more: Int = null")
    )
    assert list(narrowed(CONTRACT, contract_of(build_schema(sdl)))) == []


def test_nullable_inputs_have_a_default_that_is_written() -> None:
    for name, fields in OURS.inputs.items():
        for key, declared in fields.items():
            assert declared.endswith("!") or " = " in declared, f"{name}.{key}"


def doors(gql: Gql) -> list[Any]:
    return [filled(gql.use, door) for door in GRAPHQL_DOORS]


async def test_every_field_is_bound(gql: Gql) -> None:
    schema = bind(read_sdl(), doors(gql), serve)
    absent = {name for door in doors(gql) for name in door.resolvers().absent}
    for name, one in schema.type_map.items():
        if isinstance(one, GraphQLObjectType) and not name.startswith("__"):
            for key, found in one.fields.items():
                bound = found.resolve is not None or name in absent
                assert bound, f"{name}.{key}"
                roots = ("Query", "Mutation", "Subscription")
                assert one.name in (*roots, *absent) or found.extensions[GETTER]


@attrs.frozen
class Given:
    given: Resolvers

    def resolvers(self) -> Resolvers:
        return self.given


@attrs.frozen
class Thing:
    name: str
    more: int = 0


async def nothing(agent: object) -> None: ...


async def takes_more(agent: object, uuid: object, more: object) -> None: ...


SMALL = """
type Query { one(uuid: ID!): Thing }
type Mutation { two: Thing }
type Thing { name: String! }
input In { name: String }
enum OrderByDate { asc desc }
enum OrderByText { asc desc }
"""


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "Query.one is bound to nothing"),
        ({}, "Thing is bound to nothing"),
        ({"queries": {"none": nothing}}, "Query.none is not in the schema"),
        ({"queries": {"one": nothing}}, "Query.one does not take uuid"),
        ({"queries": {"one": takes_more}}, "Query.one takes more, which the schema does not have"),
        ({"outputs": {"Thing": Resolvers}}, "Resolvers has no Thing.name"),
        ({"outputs": {"Other": Thing}}, "Other is not in the schema"),
        ({"outputs": {"In": Thing}}, "In is another kind of type"),
        ({"inputs": {"In": Thing}}, "In: more is not in the schema"),
        ({"outputs": {"Thing": Thing}, "absent": frozenset({"Thing"})}, "Thing is bound twice"),
    ],
)
def test_a_name_that_does_not_fit_stops_the_start(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Unbound) as unbound:
        bind(SMALL, [Given(Resolvers("small", **given))], serve)
    assert complaint in unbound.value.complaints


def test_names_become_snake_case() -> None:
    assert snake("isOnlyTagUpdate") == "is_only_tag_update"
    assert snake("isAutoUpdateFromRepoUnit") == "is_auto_update_from_repo_unit"


def test_the_schema_prints_as_it_is_written() -> None:
    printed = contract_of(build_schema(print_schema(build_schema(read_sdl()))))
    assert printed == OURS
