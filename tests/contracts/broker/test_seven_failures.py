"""What the broker tried before this endpoint got wrong, measured; each is a row here."""

from __future__ import annotations

import resource
import time

import pytest

from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.wire import VERSION_3, VERSION_5, encode_varint
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.topic import NodeTopic
from pepeunit.entrypoints.devices.session import Session, Subscription
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.world import (
    COMMAND,
    NODE,
    OTHER,
    ROOMY,
    SECRET_NODE,
    UNIT,
    Served,
    served,
    token,
)

MIB = 1024 * 1024
FAIR_RATIO = 3.0


@pytest.fixture
def place():
    with served() as place:
        yield place


@pytest.mark.parametrize("version", [VERSION_3, VERSION_5])
def test_1_qos_1_is_acknowledged_only_after_it_is_stored(place: Served, version: int) -> None:
    with BareClient(place.port, version) as client:
        client.connect()
        place.world.open.clear()
        client.publish(NODE, b"1", qos=1, packet_id=9)
        assert client.is_silent()
        assert place.world.stored == []
        place.world.open.set()
        assert client.next()[:3] == (p.PUBACK, 9, 0)
        assert place.world.payloads() == [b"1"]


def test_1_what_could_not_be_stored_is_not_acknowledged_and_comes_again(place: Served) -> None:
    with BareClient(place.port) as client:
        client.connect()
        place.world.failures = 1
        client.publish(NODE, b"1", qos=1, packet_id=9)
        assert client.next() is None
    with BareClient(place.port) as client:
        client.connect()
        client.publish(NODE, b"1", qos=1, packet_id=9)
        assert client.next()[:2] == (p.PUBACK, 9)
    assert place.world.payloads() == [b"1"]


@pytest.mark.parametrize("version", [VERSION_3, VERSION_5])
def test_2_a_last_will_passes_the_publish_check_at_connect(place: Served, version: int) -> None:
    with BareClient(place.port, version) as listener, BareClient(place.port, version) as client:
        listener.connect("listener", "backend")
        will = p.Will(SECRET_NODE, b"gone", 1, False, {})
        code = client.connect(will=will).code
        assert code == (0x87 if version == VERSION_5 else 5)
        assert client.next() is None
        assert listener.ping()
    assert place.world.stored == []


@pytest.mark.parametrize("version", [VERSION_3, VERSION_5])
@pytest.mark.parametrize("bad", ["nonsense", token(OTHER)])
def test_3_a_refused_connect_leaves_the_victim_alone(place: Served, version: int, bad: str) -> None:
    with BareClient(place.port, version) as victim, BareClient(place.port, version) as thief:
        victim.connect(str(UNIT))
        victim.subscribe(COMMAND)
        assert thief.connect(str(UNIT), bad).code != 0
        assert thief.next() is None
        assert place.publish(COMMAND, b"still here") == 1
        assert victim.next()[1:3] == (COMMAND.encode(), b"still here")
        assert ("disconnected", UNIT) not in place.world.events


def test_4_a_forbidden_payload_of_60_mib_is_never_held(place: Served) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with BareClient(place.port, VERSION_5) as client:
        client.connect()
        topic = SECRET_NODE.encode()
        size = 60 * MIB
        client.send(
            bytes((p.PUBLISH,))
            + encode_varint(2 + len(topic) + 1 + size)
            + len(topic).to_bytes(2, "big")
            + topic
            + b"\0"
        )
        block = bytes(MIB)
        try:
            for _ in range(60):
                client.send(block)
        except OSError:
            pass
        assert client.is_cut_off()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 8 * 1024


def test_5_what_a_client_does_not_acknowledge_is_kept_and_sent_again() -> None:
    """There is no timer that discards: only the window and the queue bound what waits."""
    with served() as place:
        with BareClient(place.port) as client:
            client.connect(clean=False)
            client.subscribe(NODE)
            place.publish(NODE, b"1")
            first = client.next()
            assert first[0] == p.PUBLISH | 2
            place.publish(NODE, b"2")
            second = client.next()
            client.ack(second[3])
            assert client.ping()
        with BareClient(place.port) as client:
            assert client.connect(clean=False).session_present
            again = client.next()
            assert again == (p.PUBLISH | 8 | 2, NODE.encode(), b"1", first[3], None)
            client.ack(again[3])
            assert client.ping()


def test_6_thousands_of_subscriptions_do_not_slow_a_message_down(place: Served) -> None:
    """Stated as a ratio within one run: 1 subscription against 5 000 of them."""
    count = 4_000

    def seconds_per_run(client: BareClient) -> float:
        blob = b"".join(client.packet(NODE, b"1") for _ in range(count))
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter()
            client.send(blob)
            assert client.ping()
            best = min(best, time.perf_counter() - started)
        return best

    with BareClient(place.port) as client:
        client.connect()
        few = seconds_per_run(client)
        parsed = NodeTopic(NodeId(UNIT), has_suffix=True)

        async def fill() -> None:
            world_agent = await place.world.authenticate(token(OTHER), "x")
            session = Session(world_agent, "many", ROOMY, place.counters)
            place.exchange.keep(session)
            for number in range(5_000):
                topic = f"here/{number}/pepeunit".encode()
                place.exchange.subscribe(session, topic, Subscription(0, parsed))

        place.call(fill())
        many = seconds_per_run(client)
    assert many < few * FAIR_RATIO


def test_7_mqtt_5_is_spoken(place: Served) -> None:
    with BareClient(place.port, VERSION_5) as client:
        assert client.connect().code == 0
        assert client.subscribe(NODE) == [1]
        client.publish(NODE, b"1", qos=1)
        assert {client.next()[0], client.next()[0]} == {p.PUBACK, p.PUBLISH | 2}
