"""What is watched ends with the right to see it, whatever ended the right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.live.event import EventKind, node_event
from tests.access.mqtt_client import MqttClient
from tests.access.world import DOMAIN, PASSWORD, World
from tests.live.speaking import (
    VALUES,
    Socket,
    Stream,
    connected,
    streaming,
    subscription,
    until,
)

Deed = Callable[[World, dict[str, str]], Awaitable[Any]]


@asynccontextmanager
async def watched(
    world: World, token: str | None, node: str
) -> AsyncIterator[tuple[Socket, Stream]]:
    """The node's values over both doors, its standing read."""
    port = world.client.port
    async with connected(port, token) as socket, streaming(port, token, f"nodes={node}") as stream:
        await socket.subscribe("1", VALUES, node)
        await socket.event()
        await stream.begun()
        yield socket, stream


async def block(world: World, things: dict[str, str]) -> None:
    await world.done("PATCH", f"/users/block/{world.uuids['p']}", "a")


async def sign_out(world: World, things: dict[str, str]) -> None:
    await world.done("POST", "/users/sign_out_everywhere", "p")


async def signed_out(world: World, things: dict[str, str]) -> None:
    await world.done("POST", f"/users/sign_out/{world.uuids['p']}", "a")


async def delete_account(world: World, things: dict[str, str]) -> None:
    await world.done("DELETE", f"/users/{world.uuids['p']}", "p")


async def change_password_elsewhere(world: World, things: dict[str, str]) -> None:
    body = {"credentials": "permitted", "password": PASSWORD}
    other = (await world.ask("POST", "/users/auth", None, json=body)).json["token"]
    reply = await world.ask("PATCH", "/users/me", other, json={"password": "Correct-horse2"})
    assert reply.status == 200


@pytest.mark.parametrize(
    "deed", [block, sign_out, signed_out, delete_account, change_password_elsewhere]
)
async def test_w26_a_token_that_is_ended_ends_what_it_watches(world: World, deed: Deed) -> None:
    things = world.things["Private"]
    async with watched(world, world.signed["p"], things["raw"]) as (socket, stream):
        await deed(world, things)
        assert (await stream.ended()).startswith("403: 1: No Access: ")
        assert await socket.closed() == 4403


async def remove_permission(world: World, things: dict[str, str]) -> None:
    ends = f"agent_uuid={world.uuids['p']}&resource_uuid={things['raw']}"
    await world.done("DELETE", f"/permission/x?{ends}", "o")


async def delete_unit(world: World, things: dict[str, str]) -> None:
    await world.done("DELETE", f"/units/{things['unit']}", "o")


@pytest.mark.parametrize("deed", [remove_permission, delete_unit])
async def test_w28_a_right_that_is_taken_ends_what_hangs_on_it(world: World, deed: Deed) -> None:
    things = world.things["Private"]
    async with watched(world, world.signed["p"], things["raw"]) as (socket, stream):
        other = world.things["Public"]["raw"]
        await socket.subscribe("2", VALUES, other)
        await socket.event("2")
        await deed(world, things)
        assert await stream.ended() == "422: 2: Validation Error: node not found"
        assert await socket.refused() == "422: 2: Validation Error: node not found"
        # the connection goes on, and its other subscription
        unit = world.unit_token(world.things["Public"]["unit"])
        async with MqttClient(world.port, unit) as device:
            await device.publish(f"{DOMAIN}/{other}", b"7")
        assert (await socket.event("2"))["value"] == "7"
    await until(lambda: not world.use.watch_live().readers)
    assert not world.use.events().nodes


async def tighten_node(world: World, things: dict[str, str]) -> None:
    body = {"visibility_level": "Private"}
    await world.done("PATCH", f"/unit_nodes/{things['raw']}", "o", body)


async def tighten_unit(world: World, things: dict[str, str]) -> None:
    body = {"visibility_level": "Private"}
    await world.done("PATCH", f"/units/{things['unit']}", "o", body)


@pytest.mark.parametrize("deed", [tighten_node, tighten_unit])
@pytest.mark.parametrize("who", ["u", "n"])
async def test_w28_a_tightened_visibility_ends_what_strangers_watch(
    world: World, deed: Deed, who: str
) -> None:
    things = world.things["Public"]
    async with watched(world, world.signed[who], things["raw"]) as (socket, stream):
        await deed(world, things)
        assert await stream.ended() == "422: 2: Validation Error: node not found"
        assert await socket.refused() == "422: 2: Validation Error: node not found"


async def test_w28_nothing_that_happened_after_the_revocation_is_told(world: World) -> None:
    """The owner publishes the moment the permission is gone."""
    things = world.things["Private"]
    raw, hub = things["raw"], world.use.events()
    async with watched(world, world.signed["p"], raw) as (socket, stream):
        told: list[Any] = []
        async with MqttClient(world.port, world.unit_token(things["unit"])) as device:
            await remove_permission(world, things)
            await device.publish(f"{DOMAIN}/{raw}", b"secret")
        while (block := await stream.block())[0] != "end":
            told.append(block)
        while (message := await socket.hear())["type"] == "next":
            told.append(message)
        assert told == [] and not hub.nodes


async def test_c1_an_administrator_who_is_no_longer_one_sees_no_more(world: World) -> None:
    things = world.things["Private"]
    await world.done("PATCH", f"/users/role/{world.uuids['friend']}", "a", {"role": "Admin"})
    token = world.signed["friend"]
    async with watched(world, token, things["raw"]) as (socket, stream):
        await world.done("PATCH", f"/users/role/{world.uuids['friend']}", "a", {"role": "User"})
        assert await stream.ended() == "422: 2: Validation Error: node not found"
        assert await socket.refused() == "422: 2: Validation Error: node not found"


async def test_w10_a_revoked_unit_token_ends_what_the_unit_watches(world: World) -> None:
    things = world.things["Private"]
    token = world.unit_token(things["unit"])
    async with watched(world, token, things["raw"]) as (socket, stream):
        await world.done("POST", f"/units/revoke_token/{things['unit']}", "o")
        assert (await stream.ended()).startswith("403: 1: No Access: ")
        assert await socket.closed() == 4403


async def test_w22_a_blocked_creators_unit_watches_no_more(world: World) -> None:
    things = world.things["Private"]
    token = world.unit_token(things["unit"])
    async with watched(world, token, things["raw"]) as (socket, stream):
        await world.done("PATCH", f"/users/block/{world.uuids['o']}", "a")
        assert (await stream.ended()).startswith("403: 1: No Access: ")
        assert await socket.closed() == 4403


async def test_w28_a_cut_link_ends_what_it_let_a_unit_watch(world: World) -> None:
    things = world.things["Private"]
    ends = f"node_output_uuid={things['temp']}&node_input_uuid={things['linked']}"
    async with watched(world, world.signed["l"], things["temp"]) as (socket, stream):
        await world.done("DELETE", f"/unit_nodes/delete_unit_node_edge?{ends}", "o")
        assert await stream.ended() == "422: 2: Validation Error: node not found"
        assert await socket.refused() == "422: 2: Validation Error: node not found"


async def api_token(world: World, **settings: Any) -> tuple[str, str]:
    body = {"name": "watcher", "scope": "read", "password": PASSWORD} | settings
    made = await world.done("POST", "/users/api_tokens", "o", body)
    return made["api_token"]["uuid"], made["token"]


async def test_an_api_token_watches_what_its_restriction_leaves(world: World) -> None:
    private, public = world.things["Private"], world.things["Public"]
    _, token = await api_token(world, unit_uuids=[private["unit"]])
    async with watched(world, token, private["raw"]) as (socket, _):
        await socket.subscribe("2", VALUES, public["raw"])
        assert await socket.refused("2") == "422: 2: Validation Error: node not found"
        await socket.subscribe("3", subscription("unitLog"), private["unit"])
        await socket.subscribe("4", subscription("unitState"), private["unit"])
        assert (await socket.event("4"))["isSnapshot"]


async def test_a_revoked_api_token_ends_what_it_watches(world: World) -> None:
    uuid, token = await api_token(world)
    async with watched(world, token, world.things["Private"]["raw"]) as (socket, stream):
        await world.done("DELETE", f"/users/api_tokens/{uuid}", "o")
        assert (await stream.ended()).startswith("403: 1: No Access: ")
        assert await socket.closed() == 4403


async def test_w26_what_is_watched_ends_when_its_token_expires(world: World) -> None:
    async with watched(world, world.signed["p"], world.things["Private"]["raw"]) as (
        socket,
        stream,
    ):
        world.use.watch_live().tick()
        world.clock.now += timedelta(days=32)
        world.use.watch_live().tick()
        assert await stream.ended() == "403: 1: No Access: token expired"
        assert await socket.closed() == 4403


async def test_a_change_that_takes_no_right_ends_nothing(world: World) -> None:
    things = world.things["Private"]
    async with watched(world, world.signed["p"], things["raw"]) as (socket, stream):
        body = {"is_rewritable_input": True}
        await world.done("PATCH", f"/unit_nodes/{things['dial']}", "o", body)
        await world.done("PATCH", f"/users/block/{world.uuids['u']}", "a")
        await world.done("PATCH", f"/units/{things['unit']}", "o", {"name": "renamed"})
        async with MqttClient(world.port, world.unit_token(things["unit"])) as device:
            await device.publish(f"{DOMAIN}/{things['raw']}", b"3")
        assert (await socket.event())["value"] == "3"
        assert (await stream.block())[1]["value"] == "3"


async def test_rulings_8_an_administrators_look_by_his_role_is_recorded(world: World) -> None:
    things = world.things["Private"]
    async with watched(world, world.signed["a"], things["raw"]):
        pass
    found = (await world.done("GET", "/audit?limit=20", "a"))["entries"]
    verbs = {entry["verb"] for entry in found if entry["agent_uuid"] == world.uuids["a"]}
    assert {"live.nodeValue", "events.follow"} <= verbs


async def test_rights_changed_by_hand_in_the_store_are_felt_within_the_net(world: World) -> None:
    """Past every use case: the row alone is changed."""
    things = world.things["Public"]
    async with watched(world, world.signed["u"], things["raw"]) as (socket, stream):
        store = world.database._world
        for uuid, node in list(store.nodes.items()):
            if str(uuid) == things["raw"]:
                store.nodes[uuid] = evolve(node, visibility_level=Visibility.PRIVATE)
        watch = world.use.watch_live()
        watch.tick()
        for reader in watch.readers:
            reader.judged_at -= 61
        watch.tick()
        assert await stream.ended() == "422: 2: Validation Error: node not found"
        assert await socket.refused() == "422: 2: Validation Error: node not found"


async def test_w28_a_reader_in_doubt_is_told_nothing_until_it_is_judged(world: World) -> None:
    watch, events = world.use.watch_live(), world.use.events()
    node = UUID(world.things["Private"]["raw"])
    async with watch.reading(world.signed["p"], "") as reader:
        await watch(reader, [(EventKind.NODE_VALUE, node)])
        assert len(await reader.next()) == 1
        events.rights_changed({node})
        events.publish(node_event(node, 1_000, b"in doubt"))
        assert reader.at_once() == []
        (told,) = await reader.next()
        assert told.event is not None and told.event.told == "in doubt"
        await remove_permission(world, world.things["Private"])
        events.publish(node_event(node, 1_001, b"secret"))
        (told,) = await reader.next()
        assert told.event is None and told.watch.ended is not None
