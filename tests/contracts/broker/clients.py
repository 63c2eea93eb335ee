"""Clients for the contract: a bare socket that may misbehave, and paho."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import VERSION_3, VERSION_5
from tests.contracts.broker.world import DEADLINE_SECONDS, UNIT, token

SILENCE_SECONDS = 0.3


class BareClient:
    """Sends what it is told and returns what comes, packet by packet."""

    def __init__(self, port: int, version: int = VERSION_3) -> None:
        self.version = version
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS)
        self._decoder = Decoder(1 << 28, from_client=False, version=version)
        self._packets: list[Any] = []

    def __enter__(self) -> BareClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, *packets: bytes) -> None:
        self.socket.sendall(b"".join(packets))

    def next(self, seconds: float = DEADLINE_SECONDS) -> Any:
        """The next packet, or None at the end of the stream. TimeoutError if none comes."""
        self.socket.settimeout(seconds)
        try:
            while not self._packets:
                try:
                    chunk = self.socket.recv(65_536)
                except ConnectionResetError:
                    return None
                if not chunk:
                    return None
                self._packets += self._decoder.feed(chunk)
                assert self._decoder.error is None, self._decoder.error
        finally:
            with contextlib.suppress(OSError):
                self.socket.settimeout(DEADLINE_SECONDS)
        return self._packets.pop(0)

    def is_silent(self) -> bool:
        """True if nothing comes for a while."""
        try:
            self.next(SILENCE_SECONDS)
        except TimeoutError:
            return True
        return False

    def is_cut_off(self) -> bool:
        """True once the server has closed; what comes before is skipped."""
        while True:
            try:
                if self.next() is None:
                    return True
            except TimeoutError:
                return False

    def connect(
        self,
        client_id: str = "a",
        username: str | None = None,
        *,
        clean: bool = True,
        keepalive: int = 0,
        will: p.Will | None = None,
        properties: dict[int, Any] | None = None,
    ) -> p.Connack:
        username = token(UNIT) if username is None else username
        self.send(
            e.encode_connect(
                p.Connect(
                    p.CONNECT,
                    self.version,
                    client_id,
                    clean,
                    keepalive,
                    username,
                    b"",
                    will,
                    properties or {},
                )
            )
        )
        answer = self.next()
        assert isinstance(answer, p.Connack)
        return answer

    def subscribe(self, *topics: str, qos: int = 1, **options: Any) -> list[int]:
        """The codes of the answer."""
        filters = [p.Filter(topic, qos, **options) for topic in topics]
        self.send(e.encode_subscribe(7, filters, self.version))
        answer = self.next()
        assert isinstance(answer, p.Answer)
        return list(answer.codes)

    def publish(self, topic: str, payload: bytes, qos: int = 0, packet_id: int = 1) -> None:
        self.send(self.packet(topic, payload, qos, packet_id))

    def packet(self, topic: str, payload: bytes, qos: int = 0, packet_id: int = 1) -> bytes:
        return e.encode_publish(topic.encode(), payload, self.version, qos=qos, packet_id=packet_id)

    def ack(self, packet_id: int) -> None:
        self.send(e.encode_ack(p.PUBACK, packet_id))

    def ping(self) -> bool:
        """True if the connection lives: everything sent before was taken."""
        self.send(e.PINGREQ_BYTES)
        answer = self.next()
        return isinstance(answer, p.Ping)


class PahoClient:
    """paho with everything it hears kept, and waits with a deadline."""

    def __init__(self, port: int, version: int, client_id: str, clean: bool = True) -> None:
        v5 = version == VERSION_5
        self.changed = threading.Condition()
        self.messages: list[tuple[str, bytes, int]] = []
        self.granted: list[int] = []
        self.code: int | None = None
        self.published: set[int] = set()
        self.is_down = False
        options: dict[str, Any] = {} if v5 else {"clean_session": clean}
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            **options,
        )
        self.paho.username_pw_set(token(UNIT), "")
        self.paho.on_connect = lambda c, u, f, reason, pr: self._note(
            lambda: setattr(self, "code", reason.value)
        )
        self.paho.on_message = lambda c, u, m: self._note(
            lambda: self.messages.append((m.topic, m.payload, m.qos))
        )
        self.paho.on_subscribe = lambda c, u, mid, codes, pr: self._note(
            lambda: self.granted.extend(code.value for code in codes)
        )
        self.paho.on_publish = lambda c, u, mid, reason, pr: self._note(
            lambda: self.published.add(mid)
        )
        self.paho.on_disconnect = lambda c, u, f, reason, pr: self._note(
            lambda: setattr(self, "is_down", True)
        )
        self.paho.connect("127.0.0.1", port)
        self.paho.loop_start()

    def _note(self, change: Callable[[], object]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE_SECONDS), "deadline passed"

    def subscribe(self, topic: str, qos: int = 1) -> int:
        self.granted.clear()
        self.paho.subscribe(topic, qos)
        self.wait_for(lambda: self.granted)
        return self.granted[0]

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Returns when the broker has acknowledged."""
        handed = self.paho.publish(topic, payload, qos)
        self.wait_for(lambda: handed.mid in self.published)


@contextlib.contextmanager
def paho_client(
    port: int, version: int, client_id: str, clean: bool = True
) -> Iterator[PahoClient]:
    client = PahoClient(port, version, client_id, clean)
    try:
        client.wait_for(lambda: client.code is not None)
        yield client
    finally:
        client.paho.disconnect()
        client.paho.loop_stop()
