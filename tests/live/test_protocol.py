"""The protocol table: what the other side says, and how the connection answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pepeunit.entrypoints.doors import GRAPHQL_DOORS, filled
from pepeunit.entrypoints.graphql.binder import bind, read_sdl
from pepeunit.entrypoints.graphql.execution import Engine, serve
from pepeunit.entrypoints.graphql.limits import Limits
from pepeunit.entrypoints.graphql.sockets import Sockets
from pepeunit.entrypoints.http.events import EventDoor
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.live import watch
from tests.access.world import World
from tests.doors.http.serving import serving
from tests.live.speaking import VALUES, bare, connected, streaming

INIT: dict[str, Any] = {"type": "connection_init"}
ASK = {"type": "subscribe", "id": "1", "payload": {"query": "{ getBaseMetrics { userCount } }"}}

TABLE = [
    ("a binary frame", [INIT, b"{}"], 4400),
    ("no JSON", [INIT, "{"], 4400),
    ("no object", [INIT, "[]"], 4400),
    ("no type", [INIT, "{}"], 4400),
    ("an unknown type", [INIT, {"type": "next"}], 4400),
    ("the words of the older protocol", [INIT, {"type": "start", "id": "1"}], 4400),
    ("subscribe without an id", [INIT, {"type": "subscribe", "payload": {}}], 4400),
    ("subscribe with an empty id", [INIT, ASK | {"id": ""}], 4400),
    ("subscribe with a long id", [INIT, ASK | {"id": "x" * 129}], 4400),
    ("subscribe without a payload", [INIT, {"type": "subscribe", "id": "1"}], 4400),
    ("subscribe without a query", [INIT, ASK | {"payload": {}}], 4400),
    (
        "variables that are a list",
        [INIT, ASK | {"payload": {"query": "{a}", "variables": []}}],
        4400,
    ),
    ("complete without an id", [INIT, {"type": "complete"}], 4400),
    ("a payload that is a text", [INIT | {"payload": "x"}], 4400),
    ("subscribe before all else", [ASK], 4401),
    ("a token that is none", [INIT | {"payload": {"x-auth-token": "x.y.z"}}], 4403),
    ("an API token that is none", [INIT | {"payload": {"Authorization": "Bearer pu_x"}}], 4403),
    ("connection_init twice", [INIT, INIT], 4429),
    ("a message of 300 KiB", [INIT, "x" * 300 * 1024], 1009),
]


@pytest.mark.parametrize(("what", "said", "code"), TABLE, ids=[row[0] for row in TABLE])
async def test_what_breaks_the_protocol_closes_the_connection(
    world: World, what: str, said: list[Any], code: int
) -> None:
    async with bare(world.client.port) as socket:
        for one in said:
            if isinstance(one, bytes):
                await socket.socket.send_bytes(one)
            elif isinstance(one, str):
                await socket.socket.send_str(one)
            else:
                await socket.socket.send_json(one)
        assert await socket.closed() == code
    assert not world.use.watch_live().readers or what


async def test_another_subprotocol_is_not_acceptable(world: World) -> None:
    async with bare(world.client.port, "graphql-ws") as socket:
        assert await socket.closed() == 4406


async def test_an_id_in_use_closes_the_connection(world: World) -> None:
    async with connected(world.client.port, None) as socket:
        node = world.things["Public"]["raw"]
        await socket.subscribe("1", VALUES, node)
        await socket.event()
        await socket.subscribe("1", VALUES, node)
        assert await socket.closed() == 4409


async def test_who_says_nothing_is_sent_away(world: World) -> None:
    use = world.use
    sockets = Sockets(
        Engine.of(bind(read_sdl(), [filled(use, door) for door in GRAPHQL_DOORS], serve), Limits()),
        use.watch_live(),
        use.authenticate(),
        use.record_acts(),
        UnlimitedLists(1),
        lambda request: "",
        init_seconds=0.05,
    )
    app = web.Application()
    app.router.add_get("/pepeunit/graphql", sockets.serve)
    async with TestServer(app) as server, bare(server.port or 0) as socket:
        assert await socket.closed() == 4408


async def test_pings_are_answered_before_and_after_the_beginning(world: World) -> None:
    async with bare(world.client.port) as socket:
        await socket.send("ping")
        assert await socket.hear() == {"type": "pong"}
        await socket.init()
        await socket.send("ping", payload={"a": 1})
        assert await socket.hear() == {"type": "pong", "payload": {"a": 1}}
        await socket.send("pong")
        await socket.send("ping")
        assert await socket.hear() == {"type": "pong"}


@pytest.mark.parametrize("name", ["x-auth-token", "X-Auth-Token"])
async def test_the_token_is_taken_by_its_name_in_any_case(world: World, name: str) -> None:
    node = world.things["Private"]["raw"]
    async with bare(world.client.port) as socket:
        await socket.init({name: world.signed["o"]})
        await socket.subscribe("1", VALUES, node)
        assert (await socket.event())["uuid"] == node


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_the_token_may_come_as_a_bearer(world: World, name: str) -> None:
    node = world.things["Private"]["raw"]
    async with bare(world.client.port) as socket:
        await socket.init({name: f"Bearer {world.signed['o']}"})
        await socket.subscribe("1", VALUES, node)
        assert (await socket.event())["uuid"] == node


async def test_complete_ends_a_subscription_and_frees_its_id(world: World) -> None:
    node = world.things["Public"]["raw"]
    async with connected(world.client.port, None) as socket:
        for _ in range(3):
            await socket.subscribe("1", VALUES, node)
            assert (await socket.event())["isSnapshot"]
            await socket.send("complete", id="1")
        await socket.send("complete", id="never heard of")
        await socket.send("ping")
        assert await socket.hear() == {"type": "pong"}
        assert not world.use.events().nodes


async def test_queries_and_mutations_are_answered_too(world: World) -> None:
    async with connected(world.client.port, world.signed["o"]) as socket:
        await socket.send("subscribe", id="1", payload=ASK["payload"])
        message = await socket.hear()
        assert message["payload"]["data"]["getBaseMetrics"]["userCount"] > 1
        assert await socket.hear() == {"type": "complete", "id": "1"}


@pytest.mark.parametrize(
    ("query", "begins"),
    [
        ("subscription { nothing }", "422: 2: Validation Error: "),
        ("subscription {", "422: 2: Validation Error: "),
        ('subscription { nodeValue(uuids: ["x"]) { value } }', "422: 2: Validation Error: "),
        (
            "subscription { a: unitLog(uuids: []) { uuid } nodeValue(uuids: []) { value } }",
            "422: 2: Validation Error: ",
        ),
    ],
)
async def test_a_document_that_cannot_run_is_told_and_the_connection_goes_on(
    world: World, query: str, begins: str
) -> None:
    async with connected(world.client.port, None) as socket:
        await socket.send("subscribe", id="1", payload={"query": query, "variables": {"u": []}})
        assert (await socket.refused()).startswith(begins)
        await socket.subscribe("1", VALUES, world.things["Public"]["raw"])
        await socket.event()


async def test_subscriptions_things_and_connections_are_counted(world: World) -> None:
    limits = watch.WatchLimits(
        readers_max=3,
        readers_per_agent_max=2,
        watches_per_reader_max=2,
        keys_per_watch_max=2,
        keys_per_reader_max=3,
    )
    world.use.watch_live().limits = limits
    things, port = world.things["Public"], world.client.port
    raw, temp, led = things["raw"], things["temp"], things["led"]
    async with connected(port, world.signed["o"]) as socket:
        await socket.subscribe("1", VALUES, raw, temp, led)
        assert "more than 2 things in a subscription" in await socket.refused()
        await socket.subscribe("1", VALUES, raw, temp)
        await socket.event()
        await socket.event()
        await socket.subscribe("2", VALUES, raw, temp)
        assert "more than 3 things on a connection" in await socket.refused("2")
        await socket.subscribe("2", VALUES, led)
        await socket.event("2")
        await socket.subscribe("3", VALUES, led)
        assert "more than 2 subscriptions" in await socket.refused("3")
        async with connected(port, world.signed["o"]):
            async with bare(port) as third:
                await third.send("connection_init", payload={"x-auth-token": world.signed["o"]})
                assert await third.closed() == 1013
            path = f"/events?nodes={raw}"
            reply = await world.ask("GET", path, world.signed["o"])
            assert (reply.status, reply.headers["Retry-After"]) == (429, "10")


async def test_over_http_a_subscription_is_refused(world: World) -> None:
    reply = await world.ask(
        "POST", "/pepeunit/graphql", None, json={"query": VALUES, "variables": {"u": []}}
    )
    assert "graphql-transport-ws" in reply.json["errors"][0]["message"]


async def test_the_stop_of_the_platform_ends_every_connection(world: World) -> None:
    async with connected(world.client.port, None) as socket:
        world.use.watch_live().close()
        assert await socket.closed() == 1001


async def test_events_need_something_to_watch(world: World) -> None:
    raw = world.things["Public"]["raw"]
    for query in ("", "?kinds=unit_log", f"?nodes={raw}&kinds=unit_log", "?kinds=other"):
        assert (await world.ask("GET", f"/events{query}", None)).status == 422
    reply = await world.ask("GET", f"/events?nodes={raw}", None, headers={"Last-Event-ID": "9"})
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/event-stream"
    assert reply.content.startswith(b"retry: 3000\n\nevent: node_value\ndata: {")
    assert b"id:" not in reply.content


async def test_a_heartbeat_shows_that_the_stream_lives(world: World) -> None:
    door = EventDoor(world.use.watch_live(), heartbeat_seconds=0.05)
    query = f"nodes={world.things['Public']['raw']}"
    async with (
        serving([door], world.use.authenticate()) as client,
        streaming(client.port, None, query) as stream,
        asyncio.timeout(5),
    ):
        await stream.begun()
        assert await stream.response.content.readuntil(b"\n\n") == b":\n\n"
