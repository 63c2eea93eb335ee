"""Access explained and links checked, as REST tells them (issue 5 part 4)."""

from __future__ import annotations

import pytest

VERBS = ["mqtt_publish", "mqtt_subscribe", "set_input", "read"]


@pytest.fixture
async def nodes(life) -> dict[str, str]:
    """A private unit of alice's whose output feeds its own input."""
    unit = await life.device(visibility_level="Private")
    path = f"/unit_nodes?unit_uuid={unit['uuid']}"
    found = (await life.done("GET", path, "alice"))["unit_nodes"]
    by_type = {node["type"]: node["uuid"] for node in found}
    ends = {"node_output_uuid": by_type["Output"], "node_input_uuid": by_type["Input"]}
    edge = await life.done("POST", "/unit_nodes/create_unit_node_edge", "alice", json=ends)
    return {
        "unit": unit["uuid"],
        "edge": edge["uuid"],
        "input": by_type["Input"],
        "output": by_type["Output"],
    }


async def test_the_model_of_ones_own_access(life, nodes):
    told = await life.done("GET", f"/unit_nodes/access/{nodes['output']}", "lamp")
    assert list(told) == ["uuid", "topic", "access"]
    assert told["topic"].startswith(f"iot.example/{nodes['output']}")
    access = told["access"]
    assert (access["who"], access["agent_uuid"]) == ("its_unit", nodes["unit"])
    assert [verdict["verb"] for verdict in access["verdicts"]] == VERBS
    assert access["verdicts"][0] == {
        "verb": "mqtt_publish",
        "is_allowed": True,
        "reasons": [
            {"ground": "its_unit", "rule": "a unit uses its own nodes", "cites": "access 6.2"}
        ],
        "changes": [],
    }
    assert access["verdicts"][2]["reasons"][0]["ground"] == "not_an_input"


async def test_the_owner_is_told_what_would_let_somebody_in(life, nodes):
    bert = (await life.done("GET", "/users?search_string=bert", "alice"))["users"][0]["uuid"]
    path = f"/unit_nodes/access/{nodes['input']}?agent_type=User&agent_uuid={bert}"
    access = (await life.done("GET", path, "alice"))["access"]
    assert (access["who"], access["agent_name"]) == ("user", "bert")
    reading = access["verdicts"][3]
    assert not reading["is_allowed"]
    assert reading["changes"] == [
        "give it a permission",
        "make the node Public",
        "make the node Internal",
    ]
    assert access["verdicts"][2]["changes"][0] == (
        "give it a permission and make the input rewritable"
    )
    right = {"agent_uuid": bert, "agent_type": "User"}
    thing = {"resource_uuid": nodes["input"], "resource_type": "UnitNode"}
    await life.done("POST", "/permission", "alice", json=right | thing)
    reading = (await life.done("GET", path, "alice"))["access"]["verdicts"][3]
    assert [one["ground"] for one in reading["reasons"]] == ["permission"]


async def test_rulings_8_an_administrators_list_is_read_of_by_the_owner(life, nodes):
    told = await life.done("GET", f"/unit_nodes/access_list/{nodes['input']}", "root")
    assert list(told) == ["uuid", "topic", "count", "access"]
    assert [line["who"] for line in told["access"]] == [
        "owner",
        "its_unit",
        "administrators",
        "other_users",
        "other_units",
        "anonymous",
        "platform",
    ]
    (entry,) = (await life.done("GET", "/audit?verb=unit_nodes.explain_all", "alice"))["entries"]
    assert entry["agent_name"] == "root"
    shown = {change["uuid"] for change in entry["changes"]}
    assert shown == {nodes["input"], nodes["unit"]}  # the node, and its unit's name
    refused = await life.ask("GET", f"/unit_nodes/access_list/{nodes['input']}", "bert")
    assert (refused.status, refused.detail) == (422, "422: 2: Validation Error: node not found")


async def test_the_model_of_checked_links(life, nodes):
    found = await life.done("GET", "/units/link_check", "alice")
    assert found == {
        "unit_count": 1,
        "node_count": 2,
        "edge_count": 1,
        "cycles": [{"unit_uuids": [nodes["unit"]], "edge_uuids": [nodes["edge"]]}],
        "dead_inputs": [],
        "unread_outputs": [],
        "full_nodes": [],
        "nearly_full_nodes": [],
        "lost_edges": [],
        "picture": None,
    }
    await life.done("PATCH", f"/unit_nodes/{nodes['input']}", "alice", json={"max_connections": 1})
    drawn = await life.done("GET", "/units/link_check?format=mermaid", "alice")
    assert [node["uuid"] for node in drawn["full_nodes"]] == [nodes["input"]]
    assert drawn["full_nodes"][0]["connections"] == 1
    assert drawn["picture"].startswith('flowchart LR\n  subgraph u0["lamp"]')
    wrong = await life.ask("GET", "/units/link_check?format=svg", "alice")
    assert wrong.status == 422
    assert (await life.done("GET", "/units/link_check", "bert"))["unit_count"] == 0
