"""Subscribing obeys the same cells as reading, over WebSocket as over server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from tests.access.cells import Call, Cell
from tests.access.runs import MATRIX, Run, filled
from tests.access.world import World
from tests.live.speaking import bare, subscription

FIELDS = {
    "nodes": "nodeValue",
    "units": "unitUpdate",
    "registries": "registryProgress",
    "repos": "rolloutProgress",
}


def asked(call: Call, names: dict[str, str]) -> tuple[str, str]:
    """The root field and the uuid of an events call."""
    query = parse_qs(urlsplit(filled(call.path, names)).query)
    name = next(name for name in FIELDS if name in query)
    field = "unitLog" if "kinds" in query else FIELDS[name]
    return field, query[name][0]


async def verdict(world: World, call: Call, cell: Cell) -> str:
    field, uuid = asked(call, world.names(cell.column, cell.row))
    async with bare(world.client.port) as socket:
        await socket.send(
            "connection_init", payload={"x-auth-token": world.token(cell.column, cell.row)}
        )
        message = await socket.socket.receive()
        if message.data == 4403:
            return "-"
        await socket.subscribe("1", subscription(field), uuid)
        if field == "unitLog":  # nothing is told at first: a ping comes back after the verdict
            await socket.send("ping")
        told = await socket.hear()
        if told["type"] in ("next", "pong"):
            return "y"
        text = told["payload"][0]["message"]
        if text.startswith("403: 1: No Access: "):
            return "-"
        return "0" if text.startswith("422: 2: ") and text.endswith(" not found") else str(text)


async def test_w8_every_cell_of_every_subscription(
    world: World, say: Callable[[str], None]
) -> None:
    run = Run()
    for call in MATRIX.calls:
        if call.path.startswith("/events"):
            for cell in call.cells:
                run.note(cell, await verdict(world, call, cell))
    say(f"{run.count} cells of subscriptions")
    run.check()
