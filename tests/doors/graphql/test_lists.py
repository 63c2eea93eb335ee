"""Lists: null, absent and empty arguments, order, and no cap (spec graphql.md 3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.nodes.node import NodeType
from tests.doors.graphql.platform import Gql
from tests.doubles.rows import NOON, a_node, a_registry, a_repo, a_unit, a_user

UNITS = """
query($f: UnitFilterInput!) { getUnits(filters: $f) { count units { name } } }
"""
NODES = """
query($f: UnitFilterInput!) {
  getUnits(filters: $f) { count units { name unitNodes { type } } }
}
"""
MANY = 501


@pytest.fixture
async def town(gql: Gql) -> Gql:
    """Units a, b and c, made in that order and changed in the other; c has no nodes."""
    await gql.sign_up("alice")
    creator = a_user()
    registry = a_registry(creator)
    repo = a_repo(registry, creator)
    async with gql.database.begin() as tx:
        await tx.users.put(creator)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        for number, (name, level) in enumerate(
            (("b", Visibility.PUBLIC), ("a", Visibility.INTERNAL), ("c", Visibility.PUBLIC))
        ):
            unit = a_unit(
                repo,
                creator,
                name=name,
                visibility_level=level,
                create_datetime=NOON + timedelta(hours=number),
                last_update_datetime=NOON + timedelta(hours=9 - number),
            )
            await tx.units.put(unit)
            if name != "c":
                kinds = (NodeType.INPUT, NodeType.OUTPUT) if name == "a" else (NodeType.INPUT,)
                await tx.nodes.put([a_node(unit, type=kind) for kind in kinds])
    return gql


async def names(town: Gql, **filters: Any) -> list[str]:
    found = await town.done(UNITS, "alice", f=filters)
    assert found["count"] == len(found["units"])
    return [unit["name"] for unit in found["units"]]


async def test_absent_filters_keep_everything_and_show_the_newest_first(town: Gql) -> None:
    assert await names(town) == ["c", "a", "b"]


@pytest.mark.parametrize("field", ["uuids", "reposUuids"])
@pytest.mark.parametrize("value", [None, []])
async def test_null_and_no_uuids_keep_everything(town: Gql, field: str, value: Any) -> None:
    assert len(await names(town, **{field: value})) == 3


async def test_null_is_the_default_and_an_empty_list_matches_nothing(town: Gql) -> None:
    assert len(await names(town, visibilityLevel=None)) == 3
    assert await names(town, visibilityLevel=[]) == []
    assert await names(town, visibilityLevel=["INTERNAL"]) == ["a"]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ({"orderByUnitName": "asc"}, ["a", "b", "c"]),
        ({"orderByUnitName": "desc"}, ["c", "b", "a"]),
        ({"orderByLastUpdate": "asc"}, ["c", "a", "b"]),
        ({"orderByLastUpdate": "desc"}, ["b", "a", "c"]),
        ({"orderByCreateDate": "asc", "orderByUnitName": "desc"}, ["b", "a", "c"]),
        ({"orderByCreateDate": None, "orderByLastUpdate": None}, ["a", "b", "c"]),
        ({"orderByCreateDate": None}, ["b", "a", "c"]),
    ],
)
async def test_orders_that_are_written_lead_and_null_drops_one(
    town: Gql, orders: dict[str, str | None], expected: list[str]
) -> None:
    assert await names(town, **orders) == expected
    inside = ", ".join(f"{key}: {value or 'null'}" for key, value in orders.items())
    text = f"{{ getUnits(filters: {{{inside}}}) {{ units {{ name }} }} }}"
    found = await town.done(text, "alice")
    assert [unit["name"] for unit in found["units"]] == expected


async def test_nodes_are_loaded_where_they_are_selected_and_then_units_need_some(
    town: Gql,
) -> None:
    found = await town.done(NODES, "alice", f={"orderByUnitName": "asc"})
    assert found["count"] == 2
    assert [(unit["name"], len(unit["unitNodes"])) for unit in found["units"]] == [
        ("a", 2),
        ("b", 1),
    ]
    inputs = await town.done(NODES, "alice", f={"unitNodeType": ["INPUT"]})
    assert [[node["type"] for node in unit["unitNodes"]] for unit in inputs["units"]] == [
        ["INPUT"],
        ["INPUT"],
    ]
    null = await town.done(NODES, "alice", f={"unitNodeType": None, "orderByUnitName": "asc"})
    assert null == found


async def test_the_filters_by_node_have_no_effect_without_nodes(town: Gql) -> None:
    assert len(await names(town, unitNodeType=["OUTPUT"])) == 3


async def test_a_list_without_limit_is_not_capped(town: Gql) -> None:
    async with town.database.begin() as tx:
        for _ in range(MANY):
            await tx.users.put(a_user())
    query = "query($f: UserFilterInput!) { getUsers(filters: $f) { count users { uuid } } }"
    for page in ({}, {"limit": 0}, {"limit": None}):
        found = await town.done(query, "alice", f=page)
        assert len(found["users"]) == found["count"] > MANY
    page = await town.done(query, "alice", f={"limit": 500, "offset": 1})
    assert len(page["users"]) == 500


@pytest.mark.parametrize("uuid", ["{}", "{{{}}}", "urn:uuid:{}"])
async def test_a_uuid_is_taken_in_any_text_form_and_given_in_one(gql: Gql, uuid: str) -> None:
    alice = await gql.sign_up("alice")
    query = "query($u: UUID!) { getUser(uuid: $u) { uuid createDatetime } }"
    for form in (alice, alice.upper(), alice.replace("-", "")):
        found = await gql.done(query, "alice", u=uuid.format(form))
        assert found["uuid"] == alice
    assert "+" not in found["createDatetime"] and "Z" not in found["createDatetime"]


async def test_a_date_may_have_an_offset(gql: Gql) -> None:
    await gql.sign_up("alice")
    query = "query($f: AuditFilterInput!) { getAudit(filters: $f) { entries { createDatetime } } }"
    (moment,) = {
        one["createDatetime"]
        for one in (await gql.done(query, "alice", f={"verb": "users.create"}))["entries"]
    }
    for since in (moment, f"{moment}Z", f"{moment}+00:00"):
        found = await gql.done(query, "alice", f={"verb": "users.create", "since": since})
        assert len(found["entries"]) == 1
    later = await gql.done(query, "alice", f={"verb": "users.create", "since": f"{moment}-01:00"})
    assert later["entries"] == []
