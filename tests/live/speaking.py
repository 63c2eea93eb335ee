"""A subscriber over each of the two doors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from attrs import define

PROTOCOL = "graphql-transport-ws"
DEADLINE_SECONDS = 10.0
VALUES = "subscription($u: [UUID!]!) { nodeValue(uuids: $u) { uuid value isSnapshot passedOver } }"
UNIT = {
    "unitState": "unitState { ifconfig freq } currentCommitVersion",
    "unitPresence": "isOnline",
    "unitUpdate": "firmwareUpdateStatus",
    "unitLog": "entry { text level }",
    "nodeValue": "value",
    "registryProgress": "syncStatus syncProgress",
    "rolloutProgress": "rollout { state } stages { units }",
}


def subscription(field: str) -> str:
    return (
        f"subscription($u: [UUID!]!) {{ {field}(uuids: $u) "
        f"{{ uuid isSnapshot passedOver moment {UNIT[field]} }} }}"
    )


@define
class Socket:
    """A connection that speaks the protocol, whatever it is told."""

    socket: aiohttp.ClientWebSocketResponse

    async def send(self, kind: str, **rest: Any) -> None:
        await self.socket.send_str(json.dumps({"type": kind} | rest))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, (message, self.socket.close_code)
        document: dict[str, Any] = json.loads(message.data)
        return document

    async def closed(self) -> int | None:
        """The close code, after whatever comes before it."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        return self.socket.close_code

    async def init(self, payload: Any = None) -> None:
        await self.send("connection_init", payload=payload)
        assert await self.hear() == {"type": "connection_ack"}

    async def subscribe(self, name: str, query: str, *uuids: str) -> None:
        await self.send(
            "subscribe", id=name, payload={"query": query, "variables": {"u": list(uuids)}}
        )

    async def event(self, name: str = "1") -> dict[str, Any]:
        """The next event of that subscription."""
        message = await self.hear()
        assert (message["type"], message["id"]) == ("next", name), message
        (value,) = message["payload"]["data"].values()
        found: dict[str, Any] = value
        return found

    async def refused(self, name: str = "1") -> str:
        """Why the subscription ended, past the events before."""
        while (message := await self.hear())["type"] == "next":
            pass
        assert (message["type"], message["id"]) == ("error", name), message
        text: str = message["payload"][0]["message"]
        return text


@asynccontextmanager
async def bare(port: int, *protocols: str) -> AsyncIterator[Socket]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"http://127.0.0.1:{port}/pepeunit/graphql", protocols=protocols or (PROTOCOL,)
        ) as socket,
    ):
        yield Socket(socket)


@asynccontextmanager
async def connected(port: int, token: str | None) -> AsyncIterator[Socket]:
    async with bare(port) as socket:
        await socket.init({"x-auth-token": token} if token else None)
        yield socket


@define
class Stream:
    """Server-sent events, read block by block."""

    response: aiohttp.ClientResponse

    async def block(self) -> tuple[str, Any]:
        """Name and data of the next event; heartbeats and the like are passed over."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                text = (await self.response.content.readuntil(b"\n\n")).decode()
                fields = dict(
                    line.split(": ", 1) for line in text.strip().splitlines() if ": " in line
                )
                if "event" in fields:
                    return fields["event"], json.loads(fields["data"])

    async def begun(self) -> list[tuple[str, Any]]:
        """How things stood."""
        found = []
        while (block := await self.block())[0] != "ready":
            found.append(block)
        return found

    async def ended(self) -> str:
        while (block := await self.block())[0] != "end":
            pass
        assert await self.response.content.read() == b""
        detail: str = block[1]["detail"]
        return detail


@asynccontextmanager
async def streaming(port: int, token: str | None, query: str) -> AsyncIterator[Stream]:
    headers = {} if token is None else {"x-auth-token": token}
    url = f"http://127.0.0.1:{port}/pepeunit/api/v1/events?{query}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():
            await asyncio.sleep(0.005)
