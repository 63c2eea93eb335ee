"""One connection to the broker: bytes in, batches of publishes out, acknowledgements back."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Any, Final, Protocol, cast

from attrs import field, frozen

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import VERSION_5, Reason
from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.pipeline.limits import InboxLimits

log = logging.getLogger(__name__)

DEPENDENCY: Final = "MQTT broker"
REFUSED: Final = 0x80
"""Reason codes from here on are refusals."""
SUBSCRIBE_ID: Final = 1
TOPIC_BYTES: Final = 64 * 1024
_PUBACK: Final = Struct(">BBH").pack


@frozen
class Broker:
    """Where it is and who we are there. ``username`` is called for each connection."""

    host: str
    port: int
    client_id: str
    username: Callable[[], str] = field(repr=False)
    keepalive_seconds: int = 60
    tls: ssl.SSLContext | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class Taker(Protocol):
    """Whom a link brings what it reads."""

    def greeted(self, *, is_known: bool) -> None:
        """The broker let us in, before anything else comes; ``is_known`` when it has our
        session."""
        ...

    async def note_session(self) -> None:
        """Before the broker is asked for anything. Raises ``Unavailable`` when a new session
        cannot be written down."""
        ...

    def take(self, link: Link, publishes: Sequence[p.Publish]) -> None:
        """The publishes of one read."""
        ...


class Link(asyncio.Protocol):
    """Get one from :meth:`open`; it is subscribed then."""

    def __init__(self, broker: Broker, limits: InboxLimits, taker: Taker) -> None:
        self._broker = broker
        self._limits = limits
        self._taker = taker
        loop = asyncio.get_running_loop()
        self._decoder = Decoder(
            limits.packet_bytes_max + TOPIC_BYTES, from_client=False, version=VERSION_5
        )
        self._transport: asyncio.Transport | None = None
        self._connack: asyncio.Future[p.Connack] = loop.create_future()
        self._suback: asyncio.Future[p.Answer] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        """Why, once it is."""
        self._heard_at = loop.time()
        self._is_paused = False
        self._keepalive_seconds = float(broker.keepalive_seconds)

    @classmethod
    async def open(
        cls,
        broker: Broker,
        filters: Sequence[str],
        limits: InboxLimits,
        taker: Taker,
    ) -> Link:
        """Connected and subscribed at QoS 1. Raises ``Unavailable``."""
        link = cls(broker, limits, taker)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limits.connect_seconds):
                await loop.create_connection(
                    lambda: link,
                    broker.host,
                    broker.port,
                    ssl=broker.tls,
                    server_hostname=broker.host if broker.tls else None,
                )
            await link._greet()
            await taker.note_session()
            await link._subscribe(filters)
        except TimeoutError:
            link.abort("no answer")
            raise Unavailable(DEPENDENCY, f"{broker.address} does not answer") from None
        except OSError as error:
            link.abort("no connection")
            raise Unavailable(DEPENDENCY, f"{broker.address}: {error.strerror or error}") from None
        except BaseException:
            link.abort("given up")
            raise
        return link

    async def _greet(self) -> None:
        broker, limits = self._broker, self._limits
        properties: Mapping[int, Any] = {
            Property.SESSION_EXPIRY: limits.session_expiry_seconds,
            Property.RECEIVE_MAXIMUM: limits.receive_max,
            Property.MAXIMUM_PACKET: limits.packet_bytes_max + TOPIC_BYTES,
        }
        self.send(
            e.encode_connect(
                p.Connect(
                    p.CONNECT,
                    VERSION_5,
                    broker.client_id,
                    False,
                    broker.keepalive_seconds,
                    broker.username(),
                    b"",
                    None,
                    properties,
                )
            )
        )
        answer = await self._answered(self._connack)
        if answer.code >= REFUSED:
            raise Unavailable(DEPENDENCY, f"{broker.address} refuses us: {_told(answer.code)}")
        kept = answer.properties.get(Property.SERVER_KEEP_ALIVE, broker.keepalive_seconds)
        self._keepalive_seconds = float(kept)

    async def _subscribe(self, filters: Sequence[str]) -> None:
        lines = [p.Filter(topic, 1, retain_handling=2) for topic in filters]
        self.send(e.encode_subscribe(SUBSCRIBE_ID, lines, VERSION_5))
        answer = await self._answered(self._suback)
        for topic, code in zip(filters, answer.codes, strict=False):
            if code >= REFUSED:
                raise Unavailable(DEPENDENCY, f"{topic} is refused: {_told(code)}")
            if code < 1:
                log.warning("the broker gives %s at QoS 0 only: it may be lost", topic)

    async def _answered(self, answer: asyncio.Future[Any]) -> Any:
        async with asyncio.timeout(self._limits.connect_seconds):
            await asyncio.wait([answer, self.closed], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Unavailable(DEPENDENCY, f"{self._broker.address}: {self.closed.result()}")
        return answer.result()

    # the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, chunk: bytes) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        packets = self._decoder.feed(chunk)
        publishes: list[Any] = []
        for packet in packets:
            if 0x30 <= packet[0] <= 0x3D:
                publishes.append(packet)
            else:
                self._obey(packet)
        if publishes:
            self._taker.take(self, publishes)
        if self._decoder.error is not None:
            self.abort(f"it broke MQTT: {self._decoder.error}")

    def _obey(self, packet: p.Packet) -> None:
        if isinstance(packet, p.Connack):
            if not self._connack.done():
                self._connack.set_result(packet)
                if packet.code < REFUSED:
                    self._taker.greeted(is_known=packet.session_present)
        elif isinstance(packet, p.Answer):
            if not self._suback.done():
                self._suback.set_result(packet)
        elif isinstance(packet, p.Disconnect):
            self.abort(f"it says goodbye: {_told(packet.reason)}")

    def connection_lost(self, error: Exception | None) -> None:
        self._close(str(error) if error else "the connection ended")

    # ours

    def send(self, content: bytes) -> None:
        """Nothing happens once the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(content)

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        self.send(b"".join([_PUBACK(p.PUBACK, 2, one) for one in packet_ids]))

    def read(self, *, is_wanted: bool) -> None:
        """Stop reading, or go on: what is not read waits at the broker."""
        if self._transport is None or is_wanted != self._is_paused:
            return
        self._is_paused = not is_wanted
        if self._transport.is_closing():
            return
        if is_wanted:
            self._heard_at = asyncio.get_running_loop().time()
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    async def keep_alive(self) -> str:
        """Ping until the connection ends; why it did."""
        loop = asyncio.get_running_loop()
        pause = self._keepalive_seconds / 2 or None
        while not self.closed.done():
            await asyncio.wait([self.closed], timeout=pause)
            if self.closed.done():
                break
            silence = loop.time() - self._heard_at
            if (
                not self._is_paused
                and silence > self._keepalive_seconds * self._limits.silence_factor
            ):
                self.abort("it fell silent")
            self.send(e.PINGREQ_BYTES)
        return self.closed.result()

    async def close(self) -> None:
        """Say goodbye; the session stays at the broker."""
        self.send(e.encode_disconnect(VERSION_5))
        if self._transport is not None:
            self._transport.close()
            await asyncio.wait([self.closed], timeout=self._limits.stop_seconds)
        self.abort("closed by us")

    def abort(self, reason: str) -> None:
        self._close(reason)
        if self._transport is not None:
            self._transport.abort()

    def _close(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)


def _told(code: int) -> str:
    try:
        return Reason(code).name.replace("_", " ").lower()
    except ValueError:
        return f"reason {code:#x}"
