"""Every limit holds, and no client costs another one its place."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time

import pytest
from attrs import evolve

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import VERSION_3, VERSION_5
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.platform import MqttAction, Platform
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.world import (
    DEADLINE_SECONDS,
    NODE,
    OTHER,
    ROOMY,
    SECOND_NODE,
    UNIT,
    served,
    token,
)

both_versions = pytest.mark.parametrize("version", [VERSION_3, VERSION_5])
KEPT = {Property.SESSION_EXPIRY: 100}


@both_versions
def test_a_packet_over_the_limit_is_cut_off(version: int) -> None:
    with (
        served(evolve(ROOMY, packet_bytes_max=1_000)) as place,
        BareClient(place.port, version) as client,
    ):
        client.connect()
        client.publish(NODE, bytes(900), 1)
        assert client.next()[0] == p.PUBACK
        client.publish(NODE, bytes(1_001), 1)
        if version == VERSION_5:
            assert client.next()[:2] == (p.DISCONNECT, 0x95)
        assert client.next() is None


def test_a_client_over_its_message_rate_waits_and_stays_connected() -> None:
    with (
        served(evolve(ROOMY, messages_per_second=50.0)) as place,
        BareClient(place.port) as device,
        BareClient(place.port) as backend,
    ):
        device.connect()
        backend.connect("b", "backend")

        def seconds(client: BareClient) -> float:
            started = time.monotonic()
            for number in range(100):
                client.publish(NODE, b"1", 1, number + 1)
                assert client.next()[0] == p.PUBACK
            return time.monotonic() - started

        limited, free = seconds(device), seconds(backend)
        assert limited > 0.9
        assert limited > 2 * free
        assert device.ping()
    assert len(place.world.stored) == 200


def test_pings_and_needless_acknowledgements_count_too() -> None:
    with served(evolve(ROOMY, messages_per_second=20.0)) as place, BareClient(place.port) as client:
        client.connect()
        started = time.monotonic()
        client.send(*(e.PINGREQ_BYTES + e.encode_ack(p.PUBACK, 9) for _ in range(20)))
        for _ in range(20):
            assert isinstance(client.next(), p.Ping)
        assert client.ping()
        assert time.monotonic() - started > 0.5


def test_many_kinds_of_packets_in_one_read_cost_linear_time() -> None:
    """Stated as a ratio within one run: eight times the packets, not 64 times the time."""
    with served() as place, BareClient(place.port) as client:
        client.connect()
        pair = client.packet(NODE, b"1") + e.PINGREQ_BYTES

        def seconds(count: int) -> float:
            best = float("inf")
            for _ in range(3):
                started = time.perf_counter()
                client.send(pair * count)
                for _ in range(count):
                    assert isinstance(client.next(), p.Ping)
                best = min(best, time.perf_counter() - started)
            return best

        assert seconds(4_000) < 24 * seconds(500)


def test_a_client_over_its_byte_rate_waits() -> None:
    with (
        served(evolve(ROOMY, bytes_per_second=100_000.0)) as place,
        BareClient(place.port) as client,
    ):
        client.connect()
        started = time.monotonic()
        for number in range(20):
            client.publish(NODE, bytes(10_000), 1, number + 1)
            assert client.next()[0] == p.PUBACK
        assert time.monotonic() - started > 0.8


def test_connections_over_the_rate_wait_for_their_turn() -> None:
    with served(evolve(ROOMY, connects_per_second=20.0)) as place, contextlib.ExitStack() as held:
        started = time.monotonic()
        clients = [held.enter_context(BareClient(place.port)) for _ in range(40)]
        for number, client in enumerate(clients):
            assert client.connect(f"c{number}").code == 0
        assert time.monotonic() - started > 0.8


def test_clients_over_the_number_are_cut_off() -> None:
    with (
        served(evolve(ROOMY, clients_max=2)) as place,
        BareClient(place.port) as one,
        BareClient(place.port) as two,
    ):
        one.connect("one")
        two.connect("two")
        with BareClient(place.port) as three:
            assert three.next() is None
        assert one.ping() and two.ping()


@pytest.mark.parametrize("sent", [b"", b"\x10", b"\x10\x7f\x00\x04MQTT"])
def test_a_late_connect_is_cut_off(sent: bytes) -> None:
    with served(evolve(ROOMY, connect_seconds=0.2)) as place, BareClient(place.port) as client:
        client.send(sent)
        assert client.is_cut_off()


def test_qos_0_beyond_the_buffer_is_dropped_and_counted() -> None:
    with (
        served(evolve(ROOMY, buffer_messages_max=10)) as place,
        BareClient(place.port) as client,
    ):
        client.connect()
        place.world.open.clear()
        client.send(*(client.packet(NODE, b"%d" % number) for number in range(50)))
        assert client.ping()
        place.world.open.set()
        client.publish(NODE, b"end", 1)
        assert client.next()[0] == p.PUBACK
        stored = place.world.payloads()
        assert len(stored) < 50
        assert stored[-1] == b"end"
        assert place.counters.dropped_messages == 51 - len(stored)


def test_qos_1_that_waits_for_storage_stops_the_socket_and_loses_nothing() -> None:
    """64 KiB messages: what the server does not read fills the client's own socket."""
    count = 400
    with served(evolve(ROOMY, receive_max=4)) as place, BareClient(place.port) as client:
        client.connect()
        place.world.open.clear()
        client.socket.settimeout(0.5)
        packets = [client.packet(NODE, bytes(65_536), 1, n + 1) for n in range(count)]
        with pytest.raises(TimeoutError):
            client.send(*packets)
        assert place.world.stored == []
        place.world.open.set()
        acks = 0
        with contextlib.suppress(TimeoutError):
            while client.next(0.5)[0] == p.PUBACK:
                acks += 1
        assert 4 < acks < count
        assert acks == len(place.world.stored)


def test_mqtt_5_is_held_to_the_receive_maximum_it_was_told() -> None:
    with served(evolve(ROOMY, receive_max=4)) as place, BareClient(place.port, VERSION_5) as client:
        assert client.connect().properties[Property.RECEIVE_MAXIMUM] == 4
        place.world.open.clear()
        client.send(*(client.packet(NODE, b"1", 1, number + 1) for number in range(5)))
        assert client.next()[:2] == (p.DISCONNECT, 0x93)


@both_versions
def test_in_flight_and_queue_are_bounded(version: int) -> None:
    limits = evolve(ROOMY, inflight_max=3, queue_messages_max=5)
    with served(limits) as place, BareClient(place.port, version) as client:
        client.connect()
        client.subscribe(NODE)
        for number in range(20):
            assert place.publish(NODE, b"%d" % number) == 1
        flying = [client.next() for _ in range(3)]
        assert client.is_silent()
        assert place.counters.dropped_messages == 12
        heard = []
        while len(heard) < 8:
            packet = flying.pop(0) if flying else client.next()
            heard.append(int(packet[2]))
            client.ack(packet[3])
        assert heard == [0, 1, 2, 15, 16, 17, 18, 19]
        assert client.ping()


def test_the_clients_own_receive_maximum_and_packet_size_are_kept() -> None:
    asked = {Property.RECEIVE_MAXIMUM: 1, Property.MAXIMUM_PACKET: 200}
    with served() as place, BareClient(place.port, VERSION_5) as client:
        client.connect(properties=asked)
        client.subscribe(NODE)
        place.publish(NODE, bytes(300))
        place.publish(NODE, b"1")
        place.publish(NODE, b"2")
        first = client.next()
        assert first[2] == b"1"
        assert client.is_silent()
        client.ack(first[3])
        assert client.next()[2] == b"2"


def test_a_slow_reader_costs_bounded_memory_and_is_cut_off() -> None:
    limits = evolve(ROOMY, send_seconds=0.3, queue_messages_max=4)
    with served(limits) as place, BareClient(place.port) as slow, BareClient(place.port) as good:
        slow.connect("slow", token(OTHER))
        slow.subscribe(NODE, qos=0)
        good.connect("good")
        for _ in range(200):
            place.publish(NODE, bytes(100_000), 0)
        assert place.counters.dropped_messages > 0
        assert good.ping()
        place.world.wait_for(lambda: ("disconnected", OTHER) in place.world.events)
        assert good.ping()


def test_topic_aliases_are_taken_up_to_the_maximum() -> None:
    with served() as place, BareClient(place.port, VERSION_5) as client:
        assert client.connect().properties[Property.TOPIC_ALIAS_MAXIMUM] == 128
        alias = {Property.TOPIC_ALIAS: 128}
        client.send(
            e.encode_publish(NODE.encode(), b"1", VERSION_5, properties=alias),
            e.encode_publish(b"", b"2", VERSION_5, properties=alias),
        )
        assert client.ping()
        client.send(
            e.encode_publish(NODE.encode(), b"3", VERSION_5, properties={Property.TOPIC_ALIAS: 129})
        )
        assert client.next()[:2] == (p.DISCONNECT, 0x94)
    assert place.world.payloads() == [b"1", b"2"]


def test_subscriptions_of_a_session_are_bounded() -> None:
    with (
        served(evolve(ROOMY, subscriptions_max=1)) as place,
        BareClient(place.port, VERSION_5) as client,
    ):
        client.connect()
        assert client.subscribe(NODE, SECOND_NODE, NODE) == [1, 0x97, 1]


def test_a_subject_keeps_only_its_newest_stored_sessions() -> None:
    with served(evolve(ROOMY, stored_sessions_per_subject_max=2)) as place:
        for name in ("a", "b", "c"):
            with BareClient(place.port) as client:
                client.connect(name, clean=False)
                client.send(e.encode_disconnect(VERSION_3))
                assert client.is_cut_off()
        present = []
        for name in ("c", "b", "a"):
            with BareClient(place.port) as client:
                present.append(client.connect(name, clean=False).session_present)
        assert present == [True, True, False]


def test_rulings_22_a_message_queued_for_an_absent_client_does_not_count_as_taken() -> None:
    with served(ROOMY) as place:
        with BareClient(place.port) as client:
            client.connect("a", clean=False)
            client.subscribe(NODE)
            assert place.publish(NODE, b"here") == 1
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not place.exchange.stored:
            assert time.monotonic() < deadline
        assert place.publish(NODE, b"queued") == 0


def test_a_stored_session_expires_and_the_wish_is_capped() -> None:
    with served(evolve(ROOMY, session_expiry_seconds=1)) as place:
        with BareClient(place.port, VERSION_5) as client:
            answer = client.connect("a", properties=KEPT)
            assert answer.properties[Property.SESSION_EXPIRY] == 1
            client.subscribe(NODE)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while place.exchange.routes:
            assert time.monotonic() < deadline
        with BareClient(place.port, VERSION_5) as client:
            assert not client.connect("a", clean=False, properties=KEPT).session_present


def test_a_delayed_will_waits_and_a_return_cancels_it() -> None:
    def will(delay_seconds: int) -> p.Will:
        return p.Will(NODE, b"gone", 1, False, {Property.WILL_DELAY: delay_seconds})

    with served() as place:
        with BareClient(place.port, VERSION_5) as client:
            client.connect("a", will=will(100), properties=KEPT)
        with BareClient(place.port, VERSION_5) as client:
            assert client.connect("a", clean=False, properties=KEPT).session_present
            client.send(e.encode_disconnect(VERSION_5))
            assert client.is_cut_off()
        with BareClient(place.port, VERSION_5) as client:
            client.connect("a", will=will(1), properties=KEPT)
            started = time.monotonic()
        place.world.wait_for(lambda: place.world.stored)
        assert time.monotonic() - started > 0.5
        assert place.world.payloads() == [b"gone"]


def test_a_will_whose_right_is_gone_is_not_published() -> None:
    with served() as place:
        with BareClient(place.port) as client:
            client.connect("a", will=p.Will(NODE, b"gone", 1, False, {}))
            place.world.denied.add((MqttAction.PUBLISH, NODE))
        place.world.wait_for(lambda: ("disconnected", UNIT) in place.world.events)
        with BareClient(place.port) as client:
            client.connect("b", token(OTHER))
            client.publish(SECOND_NODE, b"end", 1)
            client.next()
        assert place.world.payloads() == [b"end"]


def test_qos_2_that_was_not_stored_may_be_sent_again() -> None:
    with served() as place:
        with BareClient(place.port) as client:
            client.connect("a", clean=False)
            place.world.failures = 1
            client.publish(NODE, b"1", 2, 5)
            assert client.next() is None
        with BareClient(place.port) as client:
            assert client.connect("a", clean=False).session_present
            again = client.packet(NODE, b"1", 2, 5)
            client.send(bytes((again[0] | 8,)) + again[1:])
            assert client.next()[:2] == (p.PUBREC, 5)
        assert place.world.payloads() == [b"1"]


@both_versions
def test_a_stop_stores_what_came_tells_the_clients_and_is_quick(version: int) -> None:
    with served() as place, BareClient(place.port, version) as client:
        client.connect(will=p.Will(NODE, b"gone", 1, False, {}))
        client.publish(NODE, b"1", 1)
        assert client.next()[0] == p.PUBACK
        assert place.stop() < 2.0
        if version == VERSION_5:
            assert client.next()[:2] == (p.DISCONNECT, 0x8B)
        assert client.next() is None
        assert place.world.payloads() == [b"1"]
        assert place.world.events[-1] == ("disconnected", UNIT)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", place.port), 1)


def test_a_stop_does_not_wait_for_a_store_that_hangs() -> None:
    with served() as place, BareClient(place.port) as client:
        client.connect()
        place.world.open.clear()
        client.publish(NODE, b"1", 1)
        assert place.stop() < 2.0
        assert client.next() is None


def test_a_taken_port_is_an_os_error() -> None:
    with served() as place:
        world = place.world
        platform = Platform(world.authenticate, world.authorize, world.receive, world)
        with pytest.raises(OSError, match="address already in use"):
            asyncio.run(Endpoint(Exchange(), platform).start("127.0.0.1", place.port))


def test_random_packets_leave_the_endpoint_well() -> None:
    rng = random.Random(11)
    with served() as place:
        for _ in range(150):
            with BareClient(place.port, VERSION_5) as client, contextlib.suppress(OSError):
                if rng.random() < 0.7:
                    client.connect()
                for _ in range(5):
                    good = client.packet(NODE, b"payload", 1, 3)
                    bent = bytearray(good)
                    bent[rng.randrange(len(bent))] = rng.randrange(256)
                    client.send(bytes(bent), rng.randbytes(rng.randrange(30)))
        with BareClient(place.port) as client:
            started = time.monotonic()
            assert client.connect("good").code == 0
            assert client.ping()
            assert time.monotonic() - started < 1.0
