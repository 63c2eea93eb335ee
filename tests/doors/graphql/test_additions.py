"""API tokens, access and links over GraphQL tell what REST tells (docs/wire/additions.md)."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import build_schema

from pepeunit.entrypoints.graphql.binder import read_sdl
from tests.access.graphql_calls import in_snake_case
from tests.doors.graphql.generating import everything
from tests.doors.graphql.platform import Gql
from tests.doubles.rows import node_of

API = "/pepeunit/api/v1"
SCHEMA = build_schema(read_sdl())
CREATE = everything(SCHEMA, "mutation", "createApiToken")
LIST = everything(SCHEMA, "query", "getApiTokens")
DELETE = everything(SCHEMA, "mutation", "deleteApiToken")
ACCESS = everything(SCHEMA, "query", "getNodeAccess")
ALL_ACCESS = everything(SCHEMA, "query", "getNodeAccessList")
LINKS = everything(SCHEMA, "query", "getLinkCheck")


def as_rest(value: Any) -> Any:
    """Names and enums as REST writes them; __typename is ours alone."""
    if isinstance(value, dict):
        return {
            key: as_rest(one) for key, one in in_snake_case(value).items() if key != "__typename"
        }
    if isinstance(value, list):
        return [as_rest(one) for one in value]
    return value.lower() if isinstance(value, str) and value.isupper() else value


async def rest(gql: Gql, path: str, who: str = "alice") -> Any:
    reply = await gql.send("GET", f"{API}{path}", who=who)
    assert reply.status == 200, reply.content
    return reply.json


@pytest.fixture
async def node(gql: Gql) -> str:
    await gql.sign_up("alice")
    node = await node_of(gql.database, "alice")
    return str(node.uuid)


async def test_a_token_does_what_its_scope_names_until_it_is_revoked(gql: Gql, node: str) -> None:
    made = await gql.done(CREATE, "alice", apiToken={"name": "lamp", "scope": "READ"})
    token, uuid = made["token"], made["apiToken"]["uuid"]
    assert made["apiToken"]["scope"] == "READ" and made["apiToken"]["unitUuids"] is None
    look = "query($u: UUID!) { getUnitNode(uuid: $u) { uuid } }"
    assert await gql.done(look, token, u=node) == {"uuid": node}
    change = """mutation($u: UUID!) {
        updateUnitNode(uuid: $u, unitNode: {maxConnections: 3}) { uuid } }"""
    assert (await gql.refused(change, token, u=node)).startswith("403: 1: No Access: ")
    assert (await gql.refused(LIST, token)).startswith("403: 1: No Access: ")
    listed = await gql.done(LIST, "alice")
    assert listed["apiTokens"][0]["lastUseDatetime"] is not None
    assert as_rest(listed) == as_rest(await rest(gql, "/users/api_tokens"))
    assert await gql.done(DELETE, "alice", uuid=uuid) == {"__typename": "NoneType", "isNone": True}
    assert (await gql.refused(look, token, u=node)).startswith("403: 1: No Access: ")


@pytest.mark.parametrize(
    "wrong",
    [{"expiresInSeconds": 0}, {"expiresInSeconds": 2**31 - 1}, {"unitUuids": []}, {"name": ""}],
)
async def test_every_rule_of_a_token_is_that_of_rest(
    gql: Gql, node: str, wrong: dict[str, Any]
) -> None:
    given = {"name": "lamp", "scope": "OWN"} | wrong
    message = await gql.refused(CREATE, "alice", apiToken=given)
    assert message.startswith("422: 3: ")
    assert (await gql.done(LIST, "alice"))["count"] == 0


async def test_access_is_explained_as_over_rest(gql: Gql, node: str) -> None:
    bert = await gql.sign_up("bert")
    named = {"agentUuid": bert, "agentType": "USER"}
    for given, query in (({}, ""), (named, f"?agent_uuid={bert}&agent_type=User")):
        told = await gql.done(ACCESS, "alice", uuid=node, **given)
        assert as_rest(told) == as_rest(await rest(gql, f"/unit_nodes/access/{node}{query}"))
    told = await gql.done(ALL_ACCESS, "alice", uuid=node)
    assert as_rest(told) == as_rest(await rest(gql, f"/unit_nodes/access_list/{node}"))
    half = await gql.refused(ACCESS, "alice", uuid=node, agentUuid=bert)
    assert "agent_uuid and agent_type belong together" in half


async def test_links_are_checked_as_over_rest(gql: Gql, node: str) -> None:
    told = await gql.done(LINKS, "alice")
    assert told["nodeCount"] == 1 and told["picture"] is None
    assert as_rest(told) == as_rest(await rest(gql, "/units/link_check"))
    drawn = await gql.done(LINKS, "alice", format="MERMAID")
    assert drawn["picture"].startswith("flowchart LR")
    assert drawn["picture"] == (await rest(gql, "/units/link_check?format=mermaid"))["picture"]
