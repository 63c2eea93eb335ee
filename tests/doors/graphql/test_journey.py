"""A device's life through GraphQL alone (issue: a journey through a browser-like client)."""

from __future__ import annotations

import json

from pepeunit.domain.access.tokens import BackendClaims
from tests.doors.graphql.platform import PASSWORD, Gql

UNITS = """
query units($filters: UnitFilterInput!) {
  getUnits(filters: $filters) {
    count
    units { __typename uuid name visibilityLevel firmwareUpdateStatus
      unitNodes { __typename uuid type topicName state } }
  }
}
"""


async def test_a_device_lives_its_whole_life_over_graphql(gql: Gql) -> None:
    alice = await gql.sign_up("alice")
    bert = await gql.sign_up("bert")
    assert (await gql.done("query($u: UUID!){getUser(uuid: $u){login role}}", "alice", u=bert)) == {
        "login": "bert",
        "role": "USER",
    }
    registry = await gql.done(
        """mutation($r: RepositoryRegistryCreateInput!) {
             createRepositoryRegistry(repositoryRegistry: $r) { uuid syncStatus branches } }""",
        "alice",
        r={
            "platform": "GITLAB",
            "repositoryUrl": "https://forge.example/lamp.git",
            "isPublicRepository": True,
        },
    )
    assert (registry["syncStatus"], registry["branches"]) == ("UPDATED", ["main"])
    commits = await gql.done(
        """query($u: UUID!, $f: CommitFilterInput!) {
             getBranchCommits(uuid: $u, filters: $f) { commit tag } }""",
        "alice",
        u=registry["uuid"],
        f={"repoBranch": "main"},
    )
    assert [one["tag"] for one in commits] == ["v1"]
    repo = await gql.done(
        "mutation($r: RepoCreateInput!) { createRepo(repo: $r) { uuid isAutoUpdateRepo } }",
        "alice",
        r={
            "repositoryRegistryUuid": registry["uuid"],
            "defaultBranch": "main",
            "visibilityLevel": "PUBLIC",
            "name": "lamp",
            "isCompilableRepo": False,
        },
    )
    units = {}
    for name, level in (("lamp", "PUBLIC"), ("dial", "PRIVATE")):
        unit = await gql.done(
            "mutation($u: UnitCreateInput!) { createUnit(unit: $u) { uuid repoUuid } }",
            "alice",
            u={
                "repoUuid": repo["uuid"],
                "visibilityLevel": level,
                "name": name,
                "isAutoUpdateFromRepoUnit": True,
            },
        )
        units[name] = unit["uuid"]
    listed = await gql.done(UNITS, "alice", filters={})
    assert listed["count"] == 2
    nodes = {
        (unit["name"], node["type"]): node["uuid"]
        for unit in listed["units"]
        for node in unit["unitNodes"]
    }
    await _env(gql, units["lamp"])
    await _nodes(gql, nodes)
    await _permission(gql, units["dial"], bert)
    rollout = await gql.done(
        "query($u: UUID!) { getRollout(uuid: $u) { rule { stages } latest { state } } }",
        "alice",
        u=repo["uuid"],
    )
    assert rollout["rule"] is None
    assert await gql.done(
        "mutation($u: UUID!) { updateUnitsFirmware(uuid: $u) { isNone } }", "alice", u=repo["uuid"]
    ) == {"isNone": True}
    logs = await gql.done(
        "query($f: UnitLogFilterInput!) { getUnitLogs(filters: $f) { count unitLogs { text } } }",
        "alice",
        f={"uuid": units["lamp"]},
    )
    assert logs == {"count": 0, "unitLogs": []}
    for uuid in units.values():
        await gql.done("mutation($u: UUID!) { deleteUnit(uuid: $u) { isNone } }", "alice", u=uuid)
    for name, uuid in (
        ("deleteRepo", repo["uuid"]),
        ("deleteRepositoryRegistry", registry["uuid"]),
    ):
        await gql.done(f"mutation($u: UUID!) {{ {name}(uuid: $u) {{ isNone }} }}", "alice", u=uuid)
    assert (await gql.done(UNITS, "alice", filters={})) == {"count": 0, "units": []}
    backend = gql.tokens.sign(BackendClaims("iot.example").as_mapping())
    refused = await gql.refused("query($u: UUID!){getUser(uuid: $u){login}}", backend, u=alice)
    assert refused.startswith("403: 1: No Access: ")


async def _env(gql: Gql, unit: str) -> None:
    query = "query($u: UUID!) { getUnitEnv(uuid: $u) }"
    env = json.loads(await gql.done(query, "alice", u=unit))
    assert env["WIFI"] == ""
    await gql.done(
        "mutation($u: UUID!, $e: String!) { updateUnitEnv(uuid: $u, envJsonStr: $e) { isNone } }",
        "alice",
        u=unit,
        e=json.dumps(env | {"WIFI": "home"}),
    )
    assert json.loads(await gql.done(query, "alice", u=unit))["WIFI"] == "home"
    assert (await gql.refused(query, "bert", u=unit)).startswith("403: 1: No Access: ")


async def _nodes(gql: Gql, nodes: dict[tuple[str, str], str]) -> None:
    set_ = await gql.done(
        """mutation($u: UUID!, $n: UnitNodeSetStateInput!) {
             setStateUnitNodeInput(uuid: $u, unitNode: $n) { state } }""",
        "alice",
        u=nodes["lamp", "INPUT"],
        n={"state": "on"},
    )
    assert set_ == {"state": "on"}
    ends = {"nodeOutputUuid": nodes["dial", "OUTPUT"], "nodeInputUuid": nodes["lamp", "INPUT"]}
    edge = await gql.done(
        """mutation($e: UnitNodeEdgeCreateInput!) {
             createUnitNodeEdge(unitNodeEdge: $e) { uuid nodeOutputUuid nodeInputUuid } }""",
        "alice",
        e=ends,
    )
    fed = await gql.done(UNITS, "alice", filters={"unitNodeInputUuid": nodes["lamp", "INPUT"]})
    assert [unit["name"] for unit in fed["units"]] == ["dial"]
    edges = await gql.done(
        """query($f: UnitNodeEdgeFilterInput!) {
             getUnitNodeEdges(filters: $f) { unitNodeEdges { uuid } } }""",
        "alice",
        f={},
    )
    assert edges == {"unitNodeEdges": [{"uuid": edge["uuid"]}]}
    await gql.done(
        """mutation($i: UUID!, $o: UUID!) {
             deleteUnitNodeEdge(inputUuid: $i, outputUuid: $o) { isNone } }""",
        "alice",
        i=ends["nodeInputUuid"],
        o=ends["nodeOutputUuid"],
    )


async def _permission(gql: Gql, unit: str, bert: str) -> None:
    get = "query($u: UUID!) { getUnit(uuid: $u) { name } }"
    assert (await gql.refused(get, "bert", u=unit)).startswith("422: 2: Validation Error: ")
    ends = {"agentUuid": bert, "resourceUuid": unit}
    await gql.done(
        "mutation($p: PermissionCreateInput!) { createPermission(permission: $p) { uuid } }",
        "alice",
        p=ends | {"agentType": "USER", "resourceType": "UNIT"},
    )
    assert (await gql.done(get, "bert", u=unit)) == {"name": "dial"}
    agents = await gql.done(
        """query($f: PermissionFilterInput!) {
             getResourceAgents(filters: $f) { count permissions { agentUuid agentType } } }""",
        "alice",
        f={"resourceUuid": unit, "resourceType": "UNIT", "agentType": "USER"},
    )
    assert {one["agentUuid"] for one in agents["permissions"]} >= {bert}
    await gql.done(
        """mutation($a: UUID!, $r: UUID!) {
             deletePermission(agentUuid: $a, resourceUuid: $r) { isNone } }""",
        "alice",
        a=bert,
        r=unit,
    )
    assert (await gql.refused(get, "bert", u=unit)).startswith("422: 2: ")


async def test_a_new_password_ends_the_old_one(gql: Gql) -> None:
    await gql.sign_up("alice")
    await gql.done(
        "mutation($u: UserUpdateInput!) { updateUser(user: $u) { login } }",
        "alice",
        u={"password": "Another-horse2"},
    )
    refused = await gql.refused(
        "query($d: UserAuthInput!) { getToken(data: $d) }",
        d={"credentials": "alice", "password": PASSWORD},
    )
    assert refused == "403: 1: No Access: login or password is wrong"
