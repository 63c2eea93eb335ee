"""Devices that never say anything twice, and what they remember of it.

Every value carries its device and a counter, so that one that is lost and one that is doubled can
be told. What was under way when a connection broke is not sent again: it may be stored or not,
but what was acknowledged must be, and nothing may be there twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Final

from attrs import define, field

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import VERSION_3

KINDS: Final = ("window", "ring", "last", "sum")
"""Output topics of a device, one for each policy, in the order it speaks."""

UNACKNOWLEDGED_MAX: Final = 400
TICK_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 0.1
MINUTE: Final = 60.0
QUIET_BEFORE_SECONDS: Final = 1.0
QUIET_AFTER_SECONDS: Final = 0.1
"""Nothing is said around the turn of a minute, so that it is known which sum a value is in."""
PACKET_IDS: Final = 65_535
READ_BYTES: Final = 65_536


@define(eq=False)
class Ledger:
    """What one device said and what was acknowledged, by kind."""

    said: dict[str, int] = field(factory=lambda: dict.fromkeys(KINDS, 0))
    """The newest counter that was sent."""
    acknowledged: dict[str, set[int]] = field(factory=lambda: {kind: set() for kind in KINDS})
    blurred: set[int] = field(factory=set)
    """Minutes that began while something was under way."""
    breaks: list[int] = field(factory=list)
    """The newest counter when a connection ended."""

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged.values()))


@define(eq=False)
class Device:
    """Publishes at QoS 1 to its nodes while :meth:`run` runs, through every broken connection.

    ``rate`` is counters a second; each is one message to every node.
    """

    name: str
    port: int
    token: str = field(repr=False)
    topics: dict[str, bytes]
    rate: float
    padding: int = 0
    """Bytes that a value of ``last`` is made longer by."""
    ledger: Ledger = field(factory=Ledger)
    connections: int = 0
    is_silent: bool = False
    _counter: int = 0
    _packet: int = 0
    _waiting: deque[tuple[int, str, int]] = field(factory=deque)

    def value(self, kind: str, counter: int) -> bytes:
        if kind == "sum":
            return str(counter).encode()
        text = f"{self.name}:{counter:08d}"
        if kind == "last" and self.padding:
            text += ":" + "x" * self.padding
        return text.encode()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._live()
            self._waiting.clear()
            self.ledger.breaks.append(self._counter)
            await asyncio.sleep(RETRY_SECONDS)

    async def _live(self) -> None:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            connect = p.Connect(
                p.CONNECT, VERSION_3, self.name, True, 60, self.token, b"", None, {}
            )
            writer.write(e.encode_connect(connect))
            async with asyncio.timeout(10):
                answer = await reader.readexactly(4)
            if answer[3]:
                raise ConnectionRefusedError(f"CONNACK {answer[3]}")
            self.connections += 1
            hearing = asyncio.create_task(self._hear(reader))
            try:
                while not hearing.done():
                    self._speak(writer)
                    await asyncio.wait([hearing], timeout=TICK_SECONDS)
                    await writer.drain()
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
        finally:
            writer.close()

    def _speak(self, writer: asyncio.StreamWriter) -> None:
        minute, second = divmod(time.time(), MINUTE)
        if second < QUIET_AFTER_SECONDS and self._waiting:
            self.ledger.blurred.add(int(minute))
        is_quiet = not QUIET_AFTER_SECONDS <= second < MINUTE - QUIET_BEFORE_SECONDS
        if self.is_silent or is_quiet or len(self._waiting) > UNACKNOWLEDGED_MAX:
            return
        packets = []
        for _ in range(max(1, round(self.rate * TICK_SECONDS))):
            self._counter += 1
            for kind in KINDS:
                self._packet = self._packet % PACKET_IDS + 1
                packets.append(
                    e.encode_publish(
                        self.topics[kind],
                        self.value(kind, self._counter),
                        qos=1,
                        packet_id=self._packet,
                    )
                )
                self._waiting.append((self._packet, kind, self._counter))
                self.ledger.said[kind] = self._counter
        writer.write(b"".join(packets))

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        decoder = Decoder(READ_BYTES, from_client=False, version=VERSION_3)
        while chunk := await reader.read(READ_BYTES):
            for packet in decoder.feed(chunk):
                if isinstance(packet, p.Ack) and self._waiting:
                    number, kind, counter = self._waiting.popleft()
                    assert number == packet.packet_id, "acknowledged out of order"
                    self.ledger.acknowledged[kind].add(counter)
