"""The inbox of an external broker: real mosquitto, and a broker that does what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import VERSION_5
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.record import SampleRecord, SessionRecord
from pepeunit.entrypoints.pipeline.inbox import Inbox
from pepeunit.entrypoints.pipeline.limits import InboxLimits
from pepeunit.entrypoints.pipeline.link import Broker
from pepeunit.entrypoints.pipeline.topics import NodeTopics
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.test_tls import contexts
from tests.contracts.broker.world import DEADLINE_SECONDS, executable, free_port
from tests.doubles.mosquitto import Mosquitto

NODE = UUID(int=100)
TOPIC = f"here/{NODE}/pepeunit"
QUICK = InboxLimits(retry_seconds_min=0.05, retry_seconds_max=0.2, store_retry_seconds=0.02)


class Store:
    """Takes batches as the pipeline does, and remembers them."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.records: list[SampleRecord | SessionRecord] = []
        self.refuses = False
        self.sheds_qos_0 = False
        self.dropped = 0
        self.refused = 0
        self.defect: Exception | None = None

    def shed(self, count: int) -> None:
        self.dropped += count

    async def accept(self, record: SampleRecord) -> None:
        await asyncio.sleep(0)
        if self.defect is not None:
            raise self.defect
        if self.refuses:
            self.refused += 1
            raise Unavailable("journal", "full")
        assert set(record.payloads) == {NODE}
        self.payloads += record.payloads[NODE]
        self.records.append(record)

    async def note_session(self, began_ms: int) -> None:
        if self.refuses:
            raise Unavailable("journal", "full")
        self.records.append(SessionRecord(began_ms))

    async def late(self) -> AsyncIterator[SampleRecord | SessionRecord]:
        for record in self.records:
            yield record


def broker(port: int, keepalive_seconds: int = 60) -> Broker:
    return Broker("127.0.0.1", port, "pepeunit-pipeline-here", lambda: "token", keepalive_seconds)


@asynccontextmanager
async def reading(
    port: int, store: Store, limits: InboxLimits = QUICK, **more: int
) -> AsyncIterator[Inbox]:
    topics = NodeTopics({"here"}, 10)
    inbox = Inbox(broker(port, **more), topics, store, lambda: datetime.now(UTC), limits)
    running = asyncio.create_task(inbox.run())
    try:
        yield inbox
    finally:
        running.cancel()
        await asyncio.wait([running])


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "deadline passed"
        await asyncio.sleep(0.01)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    executable("mosquitto")
    one = Mosquitto(tmp_path / "mosquitto", free_port())
    one.start()
    yield one
    one.stop()


def publish(port: int, *messages: tuple[str, bytes, int]) -> None:
    """Returns when those of QoS 1 are acknowledged."""
    with BareClient(port, VERSION_5) as client:
        client.connect("device")
        for number, (topic, payload, qos) in enumerate(messages, 1):
            client.publish(topic, payload, qos, number)
            if qos:
                assert client.next()[:2] == (p.PUBACK, number)
        assert client.ping()


async def test_both_qualities_of_every_node_are_stored_and_other_topics_are_not(
    mosquitto: Mosquitto,
) -> None:
    store = Store()
    async with reading(mosquitto.port, store) as inbox:
        await until(lambda: inbox.is_connected)
        foreign = ("here/no-uuid/pepeunit", b"x", 1)
        sent = [(TOPIC, b"0", 0), foreign, (f"here/{NODE}", b"y", 1), (TOPIC, b"1", 1)]
        await asyncio.to_thread(publish, mosquitto.port, *sent)
        await until(lambda: len(store.payloads) == 2)
    assert sorted(store.payloads) == [b"0", b"1"]
    assert (inbox.received, inbox.foreign) == (2, 1)


async def test_what_comes_while_nobody_reads_waits_at_the_broker(mosquitto: Mosquitto) -> None:
    store = Store()
    async with reading(mosquitto.port, store) as inbox:
        await until(lambda: inbox.is_connected)
    values = [str(number).encode() for number in range(2_000)]
    await asyncio.to_thread(publish, mosquitto.port, *((TOPIC, one, 1) for one in values))
    async with reading(mosquitto.port, store):
        await until(lambda: len(store.payloads) >= len(values))
    assert store.payloads == values


async def test_a_broker_that_restarts_cleanly_loses_and_doubles_nothing(
    mosquitto: Mosquitto,
) -> None:
    store, sent, acknowledged = Store(), 0, set[int]()

    async def speak_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        connect = p.Connect(p.CONNECT, VERSION_5, "d", True, 60, None, None, None, {})
        writer.write(e.encode_connect(connect))
        decoder = Decoder(1 << 20, from_client=False, version=VERSION_5)
        while chunk := await reader.read(65_536):
            for packet in decoder.feed(chunk):
                if isinstance(packet, p.Ack):
                    acknowledged.add(packet.packet_id)
            for _ in range(50):
                sent += 1
                value = str(sent).encode()
                topic = TOPIC.encode()
                writer.write(e.encode_publish(topic, value, VERSION_5, qos=1, packet_id=sent))

    async def speak() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", mosquitto.port)
                try:
                    await speak_on(reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(0.05)

    async with reading(mosquitto.port, store) as inbox:
        await until(lambda: inbox.is_connected)
        speaking = asyncio.create_task(speak())
        for wanted in (3_000, 6_000, 9_000):
            await until(lambda wanted=wanted: len(acknowledged) > wanted)  # type: ignore[misc]
            connections = inbox.connections
            await asyncio.to_thread(mosquitto.stop)
            await asyncio.to_thread(mosquitto.start)
            await until(lambda before=connections: inbox.connections > before)  # type: ignore[misc]
        speaking.cancel()
        await asyncio.wait([speaking])
        await until(lambda: acknowledged <= set(map(int, store.payloads)))
    doubled = [one for one, count in Counter(store.payloads).items() if count > 1]
    assert not doubled, f"{len(doubled)} doubled, {inbox.repeated} were sent again"


async def test_nothing_is_acknowledged_while_the_journal_refuses(mosquitto: Mosquitto) -> None:
    store = Store()
    async with reading(mosquitto.port, store) as inbox:
        await until(lambda: inbox.is_connected)
        store.refuses = True
        values = [str(number).encode() for number in range(100)]
        await asyncio.to_thread(publish, mosquitto.port, *((TOPIC, one, 1) for one in values))
        await until(lambda: store.refused > 2)
    store.refuses = False
    async with reading(mosquitto.port, store):
        await until(lambda: len(store.payloads) >= len(values))
    assert store.payloads == values


# a broker that does what it is told


class Told:
    """One connection at a time; the test says what it sends."""

    def __init__(self) -> None:
        self.packets: asyncio.Queue[Any] = asyncio.Queue()
        self.port = 0
        self._writer: asyncio.StreamWriter | None = None
        self._serving: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._serving[asyncio.current_task()] = writer
        decoder = Decoder(1 << 20)
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                for packet in decoder.feed(chunk):
                    self.packets.put_nowait(packet)
        writer.close()

    async def next(self) -> Any:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.packets.get()

    def send(self, *packets: bytes) -> None:
        assert self._writer is not None
        self._writer.write(b"".join(packets))

    def cut_off(self) -> None:
        assert self._writer is not None
        self._writer.close()

    async def end(self) -> None:
        """Nothing stays open, also not what nobody reads."""
        for task, writer in self._serving.items():
            if task is not None and not task.done():
                writer.transport.abort()
        await asyncio.gather(*filter(None, self._serving))

    async def greet(self, *, session_present: bool, granted: int = 1) -> p.Connect:
        connect = await self.next()
        assert isinstance(connect, p.Connect)
        self.send(e.encode_connack(0, VERSION_5, session_present=session_present))
        subscribe = await self.next()
        assert isinstance(subscribe, p.Subscribe)
        assert [(one.topic, one.qos) for one in subscribe.filters] == [("here/+/pepeunit", 1)]
        self.send(e.encode_answer(p.SUBACK, subscribe.packet_id, bytes((granted,)), VERSION_5))
        return connect

    def publish(self, payload: bytes, packet_id: int, *, dup: bool = False) -> None:
        self.send(
            e.encode_publish(
                TOPIC.encode(), payload, VERSION_5, qos=1, packet_id=packet_id, dup=dup
            )
        )


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    one = Told()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    yield one
    server.close()
    await one.end()


def acks(*packets: Any) -> list[int]:
    assert all(packet.head == p.PUBACK for packet in packets)
    return [packet.packet_id for packet in packets]


async def test_it_asks_for_a_session_that_lasts_and_for_65535_in_flight(told: Told) -> None:
    async with reading(told.port, Store()):
        connect = await told.greet(session_present=False)
    assert not connect.clean_start
    assert (connect.client_id, connect.username, connect.password) == (
        "pepeunit-pipeline-here",
        "token",
        b"",
    )
    assert connect.properties[Property.RECEIVE_MAXIMUM] == 65_535
    assert connect.properties[Property.SESSION_EXPIRY] == 24 * 3600


async def test_qos_0_is_dropped_and_counted_when_the_pipeline_says_so(told: Told) -> None:
    store = Store()
    store.sheds_qos_0 = True
    async with reading(told.port, store) as inbox:
        await told.greet(session_present=False)
        told.send(e.encode_publish(TOPIC.encode(), b"dropped", VERSION_5))
        told.publish(b"kept", 9)
        assert acks(await told.next()) == [9]
    assert (store.payloads, store.dropped, inbox.received) == ([b"kept"], 1, 2)


async def test_what_a_defect_kept_from_the_journal_comes_again(told: Told) -> None:
    store = Store()
    store.defect = ZeroDivisionError()
    topics = NodeTopics({"here"}, 10)
    inbox = Inbox(broker(told.port), topics, store, lambda: datetime.now(UTC), QUICK)
    running = asyncio.create_task(inbox.run())
    await told.greet(session_present=False)
    told.publish(b"one", 5)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(DEADLINE_SECONDS):
            await running
    store.defect = None
    running = asyncio.create_task(inbox.run())
    while isinstance(packet := await told.next(), p.Disconnect):
        pass
    assert isinstance(packet, p.Connect)
    told.send(e.encode_connack(0, VERSION_5, session_present=True))
    told.publish(b"one", 5, dup=True)
    await until(lambda: store.payloads == [b"one"])
    running.cancel()
    await asyncio.wait([running])


async def test_it_says_goodbye_though_the_journal_refuses(told: Told) -> None:
    store = Store()
    store.refuses = True
    async with reading(told.port, store, evolve(QUICK, stop_seconds=0.1)):
        await told.greet(session_present=True)
        told.publish(b"kept by the broker", 1)
        await until(lambda: store.refused)
    assert isinstance(await told.next(), p.Disconnect)
    assert told.packets.empty()


async def test_it_stops_reading_when_too_much_waits_for_the_journal(told: Told) -> None:
    store = Store()
    store.refuses = True
    limits = InboxLimits(held_bytes_max=100_000, store_retry_seconds=0.02)
    async with reading(told.port, store, limits) as inbox:
        await told.greet(session_present=True)
        block = b"".join(
            e.encode_publish(TOPIC.encode(), b"x" * 1_000, VERSION_5, qos=1, packet_id=n + 1)
            for n in range(1_000)
        )
        for _ in range(30):
            told.send(block)
        await until(lambda: inbox.held_bytes > limits.held_bytes_max)
        await asyncio.sleep(0.2)  # time in which it could have read all of the 30 MB
        assert inbox.held_bytes < 3_000_000
        store.refuses = False
        await until(lambda: len(store.payloads) == 30_000)


async def test_a_broker_that_falls_silent_is_left(told: Told) -> None:
    async with reading(told.port, Store(), keepalive_seconds=1):
        await told.greet(session_present=False)
        packet = await told.next()
        while isinstance(packet, p.Ping):
            packet = await told.next()
        assert isinstance(packet, p.Connect)


@pytest.mark.parametrize("code", [0x87, 0x8A])
async def test_a_refusal_is_told_and_asked_again_later(
    told: Told, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with reading(told.port, Store()) as inbox:
        assert isinstance(await told.next(), p.Connect)
        told.send(e.encode_connack(code, VERSION_5))
        assert isinstance(await told.next(), p.Connect)
    assert "refuses us" in caplog.text
    assert inbox.connections == 0


async def test_w27_it_reads_over_tls_from_a_broker_it_trusts_and_from_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, ours = contexts(tmp_path)
    one, store = Told(), Store()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=theirs)
    port = server.sockets[0].getsockname()[1]
    topics = NodeTopics({"here"}, 10)
    for trust in (ssl.create_default_context(), ours):
        where = Broker("localhost", port, "pepeunit-pipeline-here", lambda: "token", 60, trust)
        inbox = Inbox(where, topics, store, lambda: datetime.now(UTC), QUICK)
        running = asyncio.create_task(inbox.run())
        if trust is ours:
            await one.greet(session_present=False)
            one.publish(b"one", 5)
            assert acks(await one.next()) == [5]
        else:
            await until(lambda: "the inbox waits" in caplog.text)
        running.cancel()
        await asyncio.wait([running])
    server.close()
    await one.end()
    assert store.payloads == [b"one"]
