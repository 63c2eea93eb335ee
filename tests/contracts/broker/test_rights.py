"""Who may do what, and how soon a change of rights is felt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import VERSION_3, VERSION_5
from pepeunit.entrypoints.devices.platform import MqttAction
from tests.contracts.broker.clients import BareClient
from tests.contracts.broker.world import (
    COMMAND,
    FOREIGN,
    NODE,
    OTHER,
    SECOND_NODE,
    SECRET_NODE,
    STATE,
    UNIT,
    served,
    token,
)

both_versions = pytest.mark.parametrize("version", [VERSION_3, VERSION_5])


@pytest.fixture
def place():
    with served() as place:
        yield place


@pytest.mark.parametrize(
    ("name", "client_id", "codes"),
    [
        ("nonsense", "a", (4, 0x86)),
        ("", "a", (4, 0x86)),
        ("blocked", "a", (5, 0x87)),
        (token(OTHER), str(UNIT), (2, 0x85)),
        ("store is down", "a", (3, 0x88)),
        (token(UNIT), "x" * 513, (2, 0x85)),
    ],
)
@both_versions
def test_a_refused_connect_says_why_and_ends(
    place, version: int, name: str, client_id: str, codes: tuple[int, int]
) -> None:
    with BareClient(place.port, version) as client:
        answer = client.connect(client_id, name)
        assert answer.code == codes[version == VERSION_5]
        assert client.next() is None
    assert place.world.events == []
    assert place.counters.refused_connects == 1


def test_a_persistent_session_of_mqtt_3_needs_a_client_id(place) -> None:
    with BareClient(place.port) as client:
        assert client.connect("", clean=False).code == 2


def test_an_absent_client_id_is_assigned(place) -> None:
    with BareClient(place.port, VERSION_5) as client:
        assert client.connect("").properties[Property.ASSIGNED_CLIENT_ID]
    with BareClient(place.port) as client:
        assert client.connect("").code == 0


def test_extended_authentication_is_refused(place) -> None:
    with BareClient(place.port, VERSION_5) as client:
        method = {Property.AUTHENTICATION_METHOD: "SCRAM"}
        assert client.connect(properties=method).code == 0x8C


def test_another_version_is_named_in_the_refusal(place) -> None:
    with BareClient(place.port) as client:
        client.send(bytes.fromhex("100f00064d51497364700302" + "0000000161"))
        assert client.next()[:3] == (p.CONNACK, False, 1)
        assert client.next() is None


def test_two_units_may_use_the_same_free_client_id(place) -> None:
    with BareClient(place.port) as one, BareClient(place.port) as two:
        one.connect("same", token(UNIT))
        two.connect("same", token(OTHER))
        assert one.ping() and two.ping()


@both_versions
@pytest.mark.parametrize("topic", [SECRET_NODE, FOREIGN, "$SYS/x", "here/1/2/3/4/5/6"])
def test_a_denied_publish_is_dropped_and_the_connection_stays(
    place, version: int, topic: str
) -> None:
    with BareClient(place.port, version) as client:
        client.connect()
        client.send(client.packet(topic, b"0"), client.packet(topic, b"1", 1, 3))
        client.publish(STATE, b"mine", 1, 4)
        reason = 0x87 if version == VERSION_5 else 0
        assert client.next()[:3] == (p.PUBACK, 3, reason)
        assert client.next()[:3] == (p.PUBACK, 4, 0)
    assert place.world.payloads() == [b"mine"]
    assert place.counters.denied_messages == 2


@both_versions
def test_a_denied_qos_2_publish_ends_its_exchange(place, version: int) -> None:
    with BareClient(place.port, version) as client:
        client.connect()
        client.publish(SECRET_NODE, b"1", 2, 3)
        reason = 0x87 if version == VERSION_5 else 0
        assert client.next()[:3] == (p.PUBREC, 3, reason)
        client.publish(NODE, b"2", 2, 3 if version == VERSION_5 else 4)
        assert client.next()[0] == p.PUBREC
    assert place.world.payloads() == [b"2"]


@both_versions
def test_a_denied_publish_reaches_no_subscriber(place, version: int) -> None:
    with BareClient(place.port, version) as client:
        client.connect()
        place.world.denied.add((MqttAction.PUBLISH, NODE))
        assert client.subscribe(NODE) == [1]
        client.publish(NODE, b"1")
        assert client.ping()


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (SECRET_NODE, 0x87),
        (FOREIGN, 0x87),
        ("#", 0xA2),
        ("here/+/pepeunit", 0xA2),
        ("$SYS/broker", 0x87),
        ("$share/group/" + NODE, 0x9E),
        ("here/a/b/c/d/e", 0x87),
    ],
)
def test_a_denied_subscription_says_why(place, topic: str, code: int) -> None:
    with BareClient(place.port, VERSION_5) as client:
        client.connect()
        assert client.subscribe(NODE, topic, qos=2) == [1, code]
    with BareClient(place.port) as client:
        client.connect()
        assert client.subscribe(topic, NODE, qos=0) == [0x80, 0]
    asked = (MqttAction.SUBSCRIBE, topic) in place.world.questions
    assert asked == (topic in (SECRET_NODE, FOREIGN))
    assert place.counters.denied_subscriptions == 2


def test_w50_a_verdict_is_asked_once_until_rights_change(place) -> None:
    with BareClient(place.port) as client:
        client.connect()
        for number in range(5):
            client.publish(NODE, b"1", 1, number + 1)
            client.next()
        assert place.world.questions.count((MqttAction.PUBLISH, NODE)) == 1
        place.world.denied.add((MqttAction.PUBLISH, NODE))
        place.call(place.exchange.recheck())
        client.publish(NODE, b"now denied", 1, 9)
        client.next()
    assert place.world.payloads() == [b"1"] * 5


@both_versions
def test_a_recheck_drops_subscriptions_that_are_no_longer_allowed(place, version: int) -> None:
    with BareClient(place.port, version) as client:
        client.connect()
        client.subscribe(NODE, SECOND_NODE)
        place.world.denied.add((MqttAction.SUBSCRIBE, NODE))
        place.call(place.exchange.recheck())
        place.world.wait_for(
            lambda: place.world.questions.count((MqttAction.SUBSCRIBE, SECOND_NODE)) == 2
        )
        assert place.publish(NODE, b"no") == 0
        assert place.publish(SECOND_NODE, b"yes") == 1
        assert client.next()[2] == b"yes"


def test_rights_that_change_while_a_connect_is_judged_are_felt(place) -> None:
    with BareClient(place.port) as client, ThreadPoolExecutor(1) as beside:
        place.world.answers.clear()
        answer = beside.submit(client.connect)
        place.world.wait_for(lambda: place.world.asked)
        place.world.blocked.add(token(UNIT))
        place.call(place.exchange.kick(UNIT))
        place.world.answers.set()
        assert answer.result().code == 5
    assert place.world.events == []


def test_rights_that_change_while_a_subscription_is_judged_are_felt(place) -> None:
    with BareClient(place.port) as client, ThreadPoolExecutor(1) as beside:
        client.connect()
        place.world.answers.clear()
        answer = beside.submit(client.subscribe, NODE)
        place.world.wait_for(lambda: place.world.questions)
        place.world.denied.add((MqttAction.SUBSCRIBE, NODE))
        place.call(place.exchange.recheck())
        place.world.answers.set()
        assert answer.result() == [0x80]


@both_versions
def test_a_kick_disconnects_and_forgets_all_sessions_of_a_unit(place, version: int) -> None:
    kept = {Property.SESSION_EXPIRY: 100} if version == VERSION_5 else {}
    will = p.Will(NODE, b"gone", 1, False, {})
    with (
        BareClient(place.port, version) as one,
        BareClient(place.port, version) as two,
        BareClient(place.port, version) as other,
    ):
        one.connect("one", clean=False, will=will, properties=kept)
        two.connect("two")
        other.connect("one", token(OTHER))
        one.subscribe(COMMAND)
        place.call(place.exchange.kick(UNIT))
        if version == VERSION_5:
            assert one.next()[:2] == (p.DISCONNECT, 0x98)
        assert one.is_cut_off() and two.is_cut_off()
        assert other.ping()
    place.world.wait_for(lambda: ("disconnected", UNIT) in place.world.events)
    assert not place.exchange.is_online(UNIT)
    assert place.publish(COMMAND, b"lost") == 0
    with BareClient(place.port, version) as one:
        assert not one.connect("one", clean=False, properties=kept).session_present
    assert place.world.stored == []


def told_so_far(place) -> list[str]:
    """The unit's events, once everything before this call was told: events keep their order."""
    with BareClient(place.port) as marker:
        before = place.world.events.count(("connected", OTHER))
        marker.connect("marker", token(OTHER))
        place.world.wait_for(lambda: place.world.events.count(("connected", OTHER)) > before)
    return [event for event, unit in place.world.events if unit == UNIT]


@pytest.mark.parametrize("clean", [True, False])
def test_presence_is_told_and_a_takeover_does_not_lose_it(place, clean: bool) -> None:
    with BareClient(place.port) as second:
        with BareClient(place.port) as first:
            first.connect("same", clean=clean)
            first.subscribe(NODE)
            assert told_so_far(place) == ["connected"]
            assert second.connect("same", clean=clean).session_present is not clean
            assert first.is_cut_off()
        assert second.ping()
        assert told_so_far(place) == ["connected", "connected"]
        assert place.exchange.is_online(UNIT)
        assert place.publish(NODE, b"1") == (0 if clean else 1)
        assert clean or second.next()[2] == b"1"
    place.world.wait_for(lambda: ("disconnected", UNIT) in place.world.events)
    assert told_so_far(place) == ["connected", "connected", "disconnected"]
    assert not place.exchange.is_online(UNIT)


def test_a_unit_with_two_clients_goes_offline_with_the_last(place) -> None:
    with BareClient(place.port) as one:
        one.connect("one")
        with BareClient(place.port) as two:
            two.connect("two")
            two.send(e.encode_disconnect(VERSION_3))
            assert two.is_cut_off()
        assert one.ping()
        assert "disconnected" not in told_so_far(place)
        assert place.exchange.is_online(UNIT)
    place.world.wait_for(lambda: ("disconnected", UNIT) in place.world.events)


def test_a_unit_that_hears_its_commands_is_told_of(place) -> None:
    world = place.world
    with BareClient(place.port) as client:
        client.connect("keeps", clean=False)
        client.subscribe(NODE)
        client.subscribe(COMMAND)
        world.wait_for(lambda: world.events.count(("listening", UNIT)) == 1)
    world.wait_for(lambda: ("disconnected", UNIT) in world.events)
    with BareClient(place.port) as client:
        assert client.connect("keeps", clean=False).session_present
        world.wait_for(lambda: world.events.count(("listening", UNIT)) == 2)


def test_rulings_22_a_command_for_a_device_that_is_away_stays_in_the_outbox(place) -> None:
    world = place.world
    with BareClient(place.port) as client:
        client.connect("keeps", clean=False)
        client.subscribe(NODE, COMMAND)
        world.wait_for(lambda: ("listening", UNIT) in world.events)
    world.wait_for(lambda: ("disconnected", UNIT) in world.events)
    assert place.publish(COMMAND, b"lost with the process") == 0
    place.publish(NODE, b"a value")
    with BareClient(place.port) as client:
        assert client.connect("keeps", clean=False).session_present
        assert client.next()[2] == b"a value"
        assert place.publish(COMMAND, b"heard") == 1
        assert client.next()[2] == b"heard"
