"""A change of rights is felt on open connections within seconds (access.md 11.3, W22, W28)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from tests.access.mqtt_client import DEADLINE_SECONDS, FAILURES_FROM, MqttClient
from tests.access.world import DOMAIN, FILES, SCHEMA, World

OUTPUT_ENDS = "node_output_uuid={temp}&node_input_uuid={linked}"


async def becomes(ask: Callable[[], Awaitable[bool]], wanted: bool) -> None:
    """Wait until the answer is this one."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await ask() is not wanted:
            await asyncio.sleep(0)


def taken(world: World, topic: str) -> Callable[[], Awaitable[bool]]:
    """Whether the platform's message on the topic reaches anybody."""

    async def ask() -> bool:
        return bool(await world.use.publisher().publish(topic, b"1"))

    return ask


async def test_w28_a_cut_link_ends_the_subscription_it_allowed(world: World) -> None:
    things = world.things["Private"]
    topic = f"{DOMAIN}/{things['temp']}/pepeunit"
    async with MqttClient(world.port, world.signed["l"] or "") as client:
        assert await client.subscribe(topic) < FAILURES_FROM
        assert await taken(world, topic)()
        ends = OUTPUT_ENDS.format(**things)
        await world.done("DELETE", f"/unit_nodes/delete_unit_node_edge?{ends}", "o")
        await becomes(taken(world, topic), False)
        assert await client.subscribe(topic) >= FAILURES_FROM


async def test_w28_a_permission_taken_back_ends_publishing_and_hearing(world: World) -> None:
    things = world.things["Private"]
    heard, told = f"{DOMAIN}/{things['raw']}", f"{DOMAIN}/{things['dial']}/pepeunit"
    async with MqttClient(world.port, world.signed["q"] or "") as client:
        assert await client.subscribe(heard) < FAILURES_FROM
        assert await client.publish(told) < FAILURES_FROM
        for node in ("raw", "dial"):
            ends = f"agent_uuid={world.uuids['q']}&resource_uuid={things[node]}"
            await world.done("DELETE", f"/permission/x?{ends}", "o")
        assert await client.publish(told) >= FAILURES_FROM
        await becomes(taken(world, heard), False)


async def test_w28_a_new_link_and_a_new_permission_are_felt_after_a_denial(world: World) -> None:
    things = world.things["Private"]
    topic = f"{DOMAIN}/{things['dial']}/pepeunit"
    async with MqttClient(world.port, world.signed["e"] or "") as client:
        assert await client.publish(topic) >= FAILURES_FROM
        row: dict[str, Any] = {
            "agent_uuid": world.uuids["e"],
            "agent_type": "Unit",
            "resource_uuid": things["dial"],
            "resource_type": "UnitNode",
        }
        await world.done("POST", "/permission", "o", row)
        assert await client.publish(topic) < FAILURES_FROM
    async with MqttClient(world.port, world.signed["l"] or "") as client:
        ends = {"node_output_uuid": world.uuids["l raw"], "node_input_uuid": things["bare"]}
        topic = f"{DOMAIN}/{things['bare']}"
        await world.done(
            "PATCH", f"/unit_nodes/{things['bare']}", "o", {"is_rewritable_input": True}
        )
        assert await client.publish(topic) >= FAILURES_FROM
        await world.done("POST", "/unit_nodes/create_unit_node_edge", "o", ends)
        assert await client.publish(topic) < FAILURES_FROM


async def test_w22_blocking_a_user_ends_the_sessions_of_his_units(world: World) -> None:
    async with MqttClient(world.port, world.token("d", "Public") or "") as client:
        assert client.code == 0
        await world.done("PATCH", f"/users/block/{world.uuids['o']}", "a")
        await client.closed()
    async with MqttClient(world.port, world.token("d", "Public") or "") as client:
        assert client.code >= FAILURES_FROM


async def test_w13_nodes_of_a_new_version_belong_to_the_units_creator(world: World) -> None:
    """Not to the repo's owner who updates everybody's units, nor to the timer (access.md 11.6)."""
    things = world.things["Public"]
    made = await world.done(
        "POST",
        "/units",
        "u",
        {
            "repo_uuid": things["repo"],
            "visibility_level": "Private",
            "name": "strangers-own",
            "is_auto_update_from_repo_unit": True,
        },
    )
    wider = SCHEMA | {"output_topic": [*SCHEMA["output_topic"], "newer/pepeunit"]}
    url = "https://forge.example/public.git"
    world.remotes[url].push(FILES | {"schema_example.json": json.dumps(wider)}, tag="v2")
    world.clock.now += timedelta(hours=1)
    registry = things["registry"]
    await world.done("PATCH", f"/repository_registry/update_local_repository/{registry}", "o")
    await world.done("PATCH", f"/repos/update_units_firmware/{things['repo']}", "o")
    await world.settle()
    path = f"/unit_nodes?unit_uuid={made['uuid']}&search_string=newer"
    (node,) = (await world.done("GET", path, "u"))["unit_nodes"]
    assert node["creator_uuid"] == world.uuids["u"]
    holders = await world.done(
        "GET",
        f"/permission/get_resource_agents?resource_uuid={node['uuid']}&resource_type=UnitNode",
        "u",
    )
    assert {row["agent_uuid"] for row in holders["permissions"]} == {
        world.uuids["u"],
        made["uuid"],
    }
    assert (await world.done("GET", path, "o"))["count"] == 0
