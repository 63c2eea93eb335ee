"""GraphQL over WebSocket: subscriptions, and operations for those who ask so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web
from attrs import field, frozen
from graphql import GraphQLError, OperationType

from pepeunit.codecs.bearer import presented_token
from pepeunit.codecs.rest.live import event_model
from pepeunit.domain.errors import OverLimit, Refused, Unavailable
from pepeunit.entrypoints.graphql.documents import Broken
from pepeunit.entrypoints.graphql.execution import (
    Asked,
    Authentication,
    Engine,
    Request,
    Subscribed,
    errors_of,
)
from pepeunit.entrypoints.graphql.protocol import (
    SUBPROTOCOL,
    CloseCode,
    Closing,
    Message,
    read_message,
    read_request,
    read_token,
    write_message,
)
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.live.reader import Reader, TooSlow, Watch
from pepeunit.usecases.live.watch import WatchLive

INIT_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 30.0
SEND_SECONDS_MAX: Final = 30.0
"""Who reads nothing for so long is cut off."""
MESSAGE_BYTES_MAX: Final = 256 * 1024
OPERATIONS_MAX: Final = 8
WAITING_MAX: Final = 1_000
"""Connections that have not said who they are."""


@frozen(eq=False)
class Sockets:
    """The connections of the GraphQL path. A connection is one reader: its token's."""

    engine: Engine
    watch: WatchLive
    authenticate: Authentication
    acts: RecordActs
    lists: UnlimitedLists
    asked_from: Callable[[web.Request], str]
    init_seconds: float = INIT_SECONDS
    waiting: set[web.WebSocketResponse] = field(factory=set, init=False)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=MESSAGE_BYTES_MAX,
            compress=False,
        )
        await socket.prepare(request)
        connection = Connection(self, socket, self.asked_from(request))
        try:
            if socket.ws_protocol is None:
                code = CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE
                raise Closing(code, f"speak {SUBPROTOCOL}")
            await connection.run(presented_token(request.headers))
        except Closing as closing:
            await _close(socket, closing)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        return socket


async def _close(socket: web.WebSocketResponse, closing: Closing) -> None:
    async with asyncio.timeout(SEND_SECONDS_MAX):
        await socket.close(code=closing.code, message=closing.reason.encode(), drain=False)


class Connection:
    """One socket, from its first message to its last."""

    def __init__(self, sockets: Sockets, socket: web.WebSocketResponse, address: str) -> None:
        self.sockets = sockets
        self.socket = socket
        self.address = address
        self.flows: dict[Watch, tuple[str, Subscribed]] = {}
        self.watches: dict[str, Watch] = {}
        self.operations: dict[str, asyncio.Task[None]] = {}

    async def run(self, header_token: str | None) -> None:
        """Raises :class:`Closing` for the end that the protocol wants."""
        init = await self._first()
        token = read_token(init.payload) or header_token
        try:
            async with self.sockets.watch.reading(token, self.address) as reader:
                await self._send("connection_ack")
                await self._converse(reader)
        except Refused as refusal:
            code = CloseCode.FORBIDDEN
            if isinstance(refusal, OverLimit):
                code = CloseCode.TRY_AGAIN_LATER
            raise Closing(code, refusal.message) from None
        except TooSlow:
            raise Closing(CloseCode.TRY_AGAIN_LATER, "read faster") from None
        except Unavailable as outage:
            raise Closing(CloseCode.GOING_AWAY, f"{outage.dependency} does not answer") from None

    async def _first(self) -> Message:
        waiting = self.sockets.waiting
        if len(waiting) >= WAITING_MAX:
            raise Closing(CloseCode.TRY_AGAIN_LATER, "too many connections begin at once")
        waiting.add(self.socket)
        try:
            async with asyncio.timeout(self.sockets.init_seconds):
                while True:
                    message = await self._receive()
                    if message.kind == "connection_init":
                        return message
                    await self._outside_of_operations(message)
        except TimeoutError:
            code = CloseCode.INITIALISATION_TIMEOUT
            raise Closing(code, "connection_init is missing") from None
        finally:
            waiting.discard(self.socket)

    async def _outside_of_operations(self, message: Message) -> None:
        match message.kind:
            case "ping":
                payload = b"" if message.payload is None else orjson.dumps(message.payload)
                await self._send("pong", payload=payload)
            case "subscribe":
                raise Closing(CloseCode.UNAUTHORIZED, "connection_init comes first")

    async def _receive(self) -> Message:
        """Raises ``ConnectionError`` when the client is gone."""
        received = await self.socket.receive()
        if received.type is WSMsgType.TEXT:
            return read_message(received.data)
        if received.type is WSMsgType.BINARY:
            raise Closing(CloseCode.BAD_REQUEST, "messages are text")
        raise ConnectionError

    async def _send(self, kind: str, name: str = "", payload: bytes = b"") -> None:
        """Raises ``TimeoutError`` when nobody reads."""
        async with asyncio.timeout(SEND_SECONDS_MAX):
            await self.socket.send_str(write_message(kind, name, payload))

    async def _converse(self, reader: Reader) -> None:
        works = [asyncio.create_task(self._listen(reader)), asyncio.create_task(self._tell(reader))]
        try:
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            for work in works:
                if work.done():
                    work.result()
        finally:
            all_works = [*works, *self.operations.values()]
            for work in all_works:
                work.cancel()
            await asyncio.gather(*all_works, return_exceptions=True)

    async def _tell(self, reader: Reader) -> None:
        while True:
            for told in await reader.next():
                flow = self.flows.get(told.watch)
                if flow is None:
                    continue
                name, subscribed = flow
                if told.event is None:
                    self._forget(told.watch)
                    await self._refuse(name, told.watch.ended or TooSlow())
                else:
                    await self._send("next", name, subscribed.written(event_model(told.event)))

    async def _listen(self, reader: Reader) -> None:
        while True:
            message = await self._receive()
            match message.kind:
                case "connection_init":
                    code = CloseCode.TOO_MANY_INITIALISATIONS
                    raise Closing(code, "Too many initialisation requests")
                case "subscribe":
                    await self._begin(reader, message.id, read_request(message.payload))
                case "complete":
                    await self._complete(message.id)
                case _:
                    await self._outside_of_operations(message)

    async def _begin(self, reader: Reader, name: str, request: Request) -> None:
        if name in self.watches or name in self.operations:
            code = CloseCode.SUBSCRIBER_EXISTS
            raise Closing(code, "Subscriber already exists for this id")
        try:
            if self.sockets.engine.kind(request) is OperationType.SUBSCRIPTION:
                await self._subscribe(reader, name, request)
            elif len(self.operations) >= OPERATIONS_MAX:
                text = f"more than {OPERATIONS_MAX} operations at once"
                raise OverLimit(text, limit=OPERATIONS_MAX, actual=OPERATIONS_MAX + 1)
            else:
                work = self._operate(reader, name, request)
                self.operations[name] = asyncio.create_task(work)
        except (ConnectionError, TimeoutError, Closing):
            raise
        except Exception as error:
            await self._refuse(name, error)

    async def _subscribe(self, reader: Reader, name: str, request: Request) -> None:
        sockets = self.sockets
        subscribed = sockets.engine.subscription(request, self._asked(reader))
        verb, is_admin = subscribed.source.verb, reader.agent.is_admin
        act = sockets.acts(reader.agent, verb, self.address, changes=False)
        async with act if is_admin else nullcontext():
            watch = await sockets.watch(reader, subscribed.source.keys)
            # at once: what waits for the watch is told by another task
            self.watches[name] = watch
            self.flows[watch] = name, subscribed

    async def _operate(self, reader: Reader, name: str, request: Request) -> None:
        """A query or mutation: one answer."""
        try:
            answer = await self.sockets.engine.answer(request, self._asked(reader))
            await self._send("next", name, answer)
            await self._send("complete", name)
        finally:
            del self.operations[name]

    def _asked(self, reader: Reader) -> Asked:
        sockets = self.sockets
        return Asked(
            authenticate=sockets.authenticate,
            acts=sockets.acts,
            lists=sockets.lists,
            limits=sockets.engine.limits,
            token=reader.token,
            address=self.address,
        )

    async def _complete(self, name: str) -> None:
        watch = self.watches.get(name)
        if watch is not None:
            self._forget(watch)
            self.sockets.watch.stop(watch)
        elif (work := self.operations.get(name)) is not None:
            work.cancel()
            await asyncio.wait([work])

    def _forget(self, watch: Watch) -> None:
        name, _ = self.flows.pop(watch)
        del self.watches[name]

    async def _refuse(self, name: str, error: Exception) -> None:
        """The end of an operation before its time."""
        found: Any = error.errors if isinstance(error, Broken) else None
        errors = found or [GraphQLError("", original_error=error)]
        await self._send("error", name, orjson.dumps(errors_of(errors)))
