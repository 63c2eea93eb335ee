"""An MQTT 5 client that asks one thing at a time and returns the answer's reason code."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import VERSION_5

DEADLINE_SECONDS = 10
FAILURES_FROM = 0x80


class MqttClient:
    """``code`` is the CONNACK's; messages that come are passed over."""

    def __init__(self, port: int, token: str, client_id: str = "") -> None:
        self.code = -1
        self._address = ("127.0.0.1", port)
        self._connect = p.Connect(p.CONNECT, VERSION_5, client_id, True, 0, token, b"", None, {})
        self._decoder = Decoder(1 << 20, from_client=False, version=VERSION_5)
        self._answers: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        self._reading = asyncio.create_task(self._read())
        self._writer.write(e.encode_connect(self._connect))
        self.code = (await self._next()).code
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
        await self._reading

    async def _read(self) -> None:
        try:
            while chunk := await self._reader.read(65_536):
                for packet in self._decoder.feed(chunk):
                    if packet[0] & 0xF0 != p.PUBLISH:
                        self._answers.put_nowait(packet)
        except ConnectionResetError:
            pass

    async def _next(self) -> Any:
        return await asyncio.wait_for(self._answers.get(), DEADLINE_SECONDS)

    async def publish(self, topic: str, payload: bytes = b"1") -> int:
        """The reason of the PUBACK."""
        packet = e.encode_publish(topic.encode(), payload, VERSION_5, qos=1, packet_id=1)
        self._writer.write(packet)
        answer = await self._next()
        assert answer.head == p.PUBACK, answer
        return int(answer.reason)

    async def subscribe(self, topic: str) -> int:
        """The granted QoS or the reason of the SUBACK; a granted one is given back."""
        self._writer.write(e.encode_subscribe(2, [p.Filter(topic, 1)], VERSION_5))
        (code,) = (await self._next()).codes
        return int(code)

    async def unsubscribe(self, topic: str) -> None:
        self._writer.write(e.encode_unsubscribe(3, [topic], VERSION_5))
        await self._next()

    async def closed(self) -> None:
        """Wait until the other side ends the connection."""
        await asyncio.wait_for(asyncio.shield(self._reading), DEADLINE_SECONDS)
