"""What every MQTT broker must do: our endpoint on both event loops, and mosquitto."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import VERSION_3, VERSION_5
from tests.contracts.broker.clients import BareClient, paho_client
from tests.contracts.broker.world import (
    DEADLINE_SECONDS,
    NODE,
    SECOND_NODE,
    UNIT,
    executable,
    mosquitto,
    served,
    token,
)

both_versions = pytest.mark.parametrize("version", [VERSION_3, VERSION_5])
WILL = p.Will(NODE, b"gone", 1, False, {})


@pytest.fixture(params=["endpoint", "endpoint on uvloop", "mosquitto"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    if request.param == "mosquitto":
        with mosquitto(tmp_path) as port:
            yield port
        return
    new_loop = asyncio.new_event_loop
    if request.param == "endpoint on uvloop":
        new_loop = pytest.importorskip("uvloop").new_event_loop
    with served(new_loop=new_loop) as place:
        yield place.port


@both_versions
@pytest.mark.parametrize("qos", [0, 1])
def test_paho_hears_what_paho_says(port: int, version: int, qos: int) -> None:
    with (
        paho_client(port, version, "hears") as hears,
        paho_client(port, version, "says") as says,
    ):
        assert (hears.code, says.code) == (0, 0)
        assert hears.subscribe(NODE, qos) == qos
        for number in range(50):
            says.publish(NODE, str(number).encode(), qos)
        hears.wait_for(lambda: len(hears.messages) == 50)
        assert hears.messages == [(NODE, str(number).encode(), qos) for number in range(50)]


@both_versions
def test_qos_2_of_paho_arrives_once(port: int, version: int) -> None:
    with (
        paho_client(port, version, "hears") as hears,
        paho_client(port, version, "says") as says,
    ):
        hears.subscribe(NODE, 1)
        for number in range(20):
            says.publish(NODE, str(number).encode(), 2)
        says.publish(NODE, b"end", 1)
        hears.wait_for(lambda: (NODE, b"end", 1) in hears.messages)
        assert [payload for _, payload, _ in hears.messages] == [
            *(str(number).encode() for number in range(20)),
            b"end",
        ]


@both_versions
def test_the_same_qos_2_message_sent_twice_is_one(port: int, version: int) -> None:
    with BareClient(port, version) as hears, BareClient(port, version) as says:
        hears.connect("hears")
        hears.subscribe(NODE)
        says.connect("says")
        first = says.packet(NODE, b"once", 2, 5)
        says.send(first)
        assert says.next()[:2] == (p.PUBREC, 5)
        says.send(bytes((first[0] | 8,)) + first[1:])
        assert says.next()[:2] == (p.PUBREC, 5)
        says.send(e.encode_ack(p.PUBREL, 5))
        assert says.next()[:2] == (p.PUBCOMP, 5)
        says.publish(NODE, b"end")
        assert hears.next()[2] == b"once"
        assert hears.next()[2] == b"end"


@pytest.mark.parametrize("protocol", ["mqttv311", "mqttv5"])
def test_mosquittos_own_clients_understand_it(port: int, protocol: str) -> None:
    """A persistent subscription of mosquitto_sub, filled by mosquitto_pub while it is away."""
    where = ["-h", "127.0.0.1", "-p", str(port), "-u", token(UNIT), "-V", protocol, "-q", "1"]
    keeps = [*where, "-t", NODE, "-i", "keeps", "-c"]
    if protocol == "mqttv5":
        keeps += ["-x", "100"]

    def run(program: str, *arguments: str) -> str:
        return subprocess.run(
            [executable(program), *arguments],
            check=True,
            timeout=DEADLINE_SECONDS,
            capture_output=True,
            text=True,
        ).stdout

    run("mosquitto_sub", *keeps, "-E")
    run("mosquitto_pub", *where, "-t", NODE, "-m", "from mosquitto")
    assert run("mosquitto_sub", *keeps, "-C", "1") == "from mosquitto\n"


@both_versions
def test_only_the_subscribed_topic_is_heard(port: int, version: int) -> None:
    with BareClient(port, version) as client:
        client.connect()
        client.subscribe(NODE)
        client.publish(SECOND_NODE, b"no")
        client.publish(NODE, b"yes")
        assert client.next()[1:3] == (NODE.encode(), b"yes")
        client.send(e.encode_unsubscribe(8, [NODE], version))
        assert client.next()[:2] == (p.UNSUBACK, 8)
        client.publish(NODE, b"no more")
        assert client.ping()


@both_versions
def test_delivery_is_at_the_lower_qos_of_the_two(port: int, version: int) -> None:
    with BareClient(port, version) as client:
        client.connect()
        client.subscribe(NODE, qos=0)
        client.publish(NODE, b"1", qos=1)
        kinds = {client.next()[0], client.next()[0]}
        assert kinds == {p.PUBACK, p.PUBLISH}


@both_versions
def test_a_session_without_expiry_ends_with_its_connection(port: int, version: int) -> None:
    for _ in range(2):
        with BareClient(port, version) as client:
            assert not client.connect("again").session_present
            client.subscribe(NODE)


@both_versions
def test_a_persistent_session_keeps_subscriptions_and_qos_1_only(port: int, version: int) -> None:
    kept = {Property.SESSION_EXPIRY: 100} if version == VERSION_5 else {}
    with BareClient(port, version) as client:
        assert not client.connect("keeps", clean=False, properties=kept).session_present
        client.subscribe(NODE)
        client.send(e.encode_disconnect(version))
        assert client.is_cut_off()
    with BareClient(port, version) as says:
        says.connect("says")
        for number in range(5):
            says.publish(NODE, str(number).encode(), 1, number + 1)
            assert says.next()[0] == p.PUBACK
    with BareClient(port, version) as client:
        assert client.connect("keeps", clean=False, properties=kept).session_present
        for number in range(5):
            packet = client.next()
            assert packet[2] == str(number).encode()
            client.ack(packet[3])
        assert client.ping()
    with BareClient(port, version) as client:
        assert not client.connect("keeps", clean=True).session_present
        assert client.ping()


@both_versions
def test_unacknowledged_qos_1_comes_again_as_a_duplicate(port: int, version: int) -> None:
    kept = {Property.SESSION_EXPIRY: 100} if version == VERSION_5 else {}
    with BareClient(port, version) as client:
        client.connect("keeps", clean=False, properties=kept)
        client.subscribe(NODE)
        with BareClient(port, version) as says:
            says.connect("says")
            says.publish(NODE, b"1", 1)
            assert says.next()[0] == p.PUBACK
        first = client.next()
        assert first[0] == p.PUBLISH | 2
    with BareClient(port, version) as client:
        client.connect("keeps", clean=False, properties=kept)
        again = client.next()
        assert again[0] == p.PUBLISH | 8 | 2
        assert again[2:4] == first[2:4]


@both_versions
def test_a_second_connection_takes_the_first_one_over(port: int, version: int) -> None:
    with BareClient(port, version) as first, BareClient(port, version) as second:
        first.connect("same")
        assert second.connect("same").code == 0
        last = first.next()
        if version == VERSION_5 and last is not None:
            assert last[:2] == (p.DISCONNECT, 0x8E)
            last = first.next()
        assert last is None
        assert second.ping()


@both_versions
def test_a_will_is_published_when_the_connection_breaks(port: int, version: int) -> None:
    with BareClient(port, version) as hears:
        hears.connect("hears")
        hears.subscribe(NODE)
        with BareClient(port, version) as dies:
            dies.connect("dies", will=WILL)
        assert hears.next()[1:3] == (NODE.encode(), b"gone")


@both_versions
def test_a_will_is_not_published_after_a_disconnect(port: int, version: int) -> None:
    with BareClient(port, version) as hears:
        hears.connect("hears")
        hears.subscribe(NODE)
        with BareClient(port, version) as leaves:
            leaves.connect("leaves", will=WILL)
            leaves.send(e.encode_disconnect(version))
            assert leaves.is_cut_off()
        with BareClient(port, version) as says:
            says.connect("says")
            says.publish(NODE, b"end")
            assert hears.next()[2] == b"end"


def test_a_will_follows_a_disconnect_that_asks_for_it(port: int) -> None:
    with BareClient(port, VERSION_5) as hears:
        hears.connect("hears")
        hears.subscribe(NODE)
        with BareClient(port, VERSION_5) as leaves:
            leaves.connect("leaves", will=WILL)
            leaves.send(e.encode_disconnect(VERSION_5, 4))
            assert hears.next()[2] == b"gone"


@both_versions
def test_a_silent_client_is_cut_off_after_its_keepalive(port: int, version: int) -> None:
    with BareClient(port, version) as client:
        client.connect(keepalive=1)
        assert client.ping()
        assert client.is_cut_off()


@both_versions
def test_retain_is_stripped_on_the_way_to_subscribers(port: int, version: int) -> None:
    with BareClient(port, version) as client:
        client.connect()
        client.subscribe(NODE)
        if version == VERSION_3:
            packet = client.packet(NODE, b"1")
            client.send(bytes((packet[0] | 1,)) + packet[1:])
        else:
            client.publish(NODE, b"1")
        assert client.next()[0] == p.PUBLISH


@both_versions
@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00", b"\xc0\x00"])
def test_what_is_not_mqtt_is_cut_off(port: int, version: int, garbage: bytes) -> None:
    with BareClient(port, version) as client:
        client.send(garbage)
        assert client.is_cut_off()


@both_versions
def test_a_second_connect_is_cut_off(port: int, version: int) -> None:
    with BareClient(port, version) as client:
        client.connect()
        client.send(
            e.encode_connect(p.Connect(p.CONNECT, version, "a", True, 0, "x", b"", None, {}))
        )
        assert client.is_cut_off()


def test_message_properties_travel_to_a_subscriber_of_mqtt_5(port: int) -> None:
    said = {
        Property.CONTENT_TYPE: "application/json",
        Property.CORRELATION: b"\x01\x02",
        Property.USER: [("a", "1"), ("a", "2")],
    }
    with BareClient(port, VERSION_5) as client:
        client.connect()
        subscribe = [p.Filter(NODE, 0)]
        client.send(e.encode_subscribe(3, subscribe, VERSION_5, {Property.SUBSCRIPTION_ID: [9]}))
        assert list(client.next().codes) == [0]
        client.send(e.encode_publish(NODE.encode(), b"{}", VERSION_5, properties=said))
        assert client.next()[4] == {**said, Property.SUBSCRIPTION_ID: [9]}


def test_no_local_keeps_a_clients_own_messages_from_it(port: int) -> None:
    with BareClient(port, VERSION_5) as client:
        client.connect()
        client.subscribe(NODE, no_local=True)
        client.publish(NODE, b"mine")
        assert client.ping()
