"""The MQTT codec: what is written is read back, what breaks MQTT is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import (
    VERSION_3,
    VERSION_5,
    Malformed,
    Reason,
    decode_varint,
    encode_varint,
)

LIMIT = 64 * 1024
CONNECT_3 = bytes.fromhex("100d00044d51545404020000000161")
CONNECT_5 = bytes.fromhex("100e00044d5154540502000000000161")

versions = st.sampled_from((VERSION_3, VERSION_5))
text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
names = st.text(
    st.characters(exclude_characters="\0+#", exclude_categories=("Cs",)), min_size=1, max_size=20
)
ids = st.integers(1, 65_535)
long_numbers = st.integers(1, 2**32 - 1)
short_numbers = st.integers(1, 65_535)
pairs = st.lists(st.tuples(text, text), min_size=1, max_size=3)
message_properties = st.fixed_dictionaries(
    {},
    optional={
        Property.PAYLOAD_FORMAT: st.integers(0, 1),
        Property.MESSAGE_EXPIRY: long_numbers,
        Property.CONTENT_TYPE: text,
        Property.RESPONSE_TOPIC: text,
        Property.CORRELATION: st.binary(max_size=20),
        Property.USER: pairs,
    },
)
connect_properties = st.fixed_dictionaries(
    {},
    optional={
        Property.SESSION_EXPIRY: long_numbers,
        Property.RECEIVE_MAXIMUM: short_numbers,
        Property.MAXIMUM_PACKET: long_numbers,
        Property.TOPIC_ALIAS_MAXIMUM: short_numbers,
        Property.REQUEST_RESPONSE: st.integers(0, 1),
        Property.REQUEST_PROBLEM: st.integers(0, 1),
        Property.AUTHENTICATION_METHOD: text,
        Property.USER: pairs,
    },
)


def server(version: int = VERSION_3, **options: Any) -> Decoder:
    decoder = Decoder(LIMIT, **options)
    assert decoder.feed(CONNECT_5 if version == VERSION_5 else CONNECT_3)
    return decoder


def client(version: int = VERSION_3) -> Decoder:
    return Decoder(LIMIT, from_client=False, version=version)


def refusal(raw: bytes, version: int = VERSION_3, **options: Any) -> Malformed:
    decoder = server(version, **options)
    assert decoder.feed(raw) == []
    assert decoder.error is not None
    return decoder.error


@given(st.integers(0, 268_435_455))
def test_a_length_is_read_back(value: int) -> None:
    raw = encode_varint(value)
    assert decode_varint(raw, 0, len(raw)) == (value, len(raw))
    assert decode_varint(raw[:-1], 0, len(raw) - 1) is None


@given(
    version=versions,
    client_id=text,
    clean=st.booleans(),
    keepalive=st.integers(0, 65_535),
    username=st.none() | text,
    password=st.none() | st.binary(max_size=30),
    will=st.none() | st.tuples(names, st.binary(max_size=50), st.integers(0, 2), st.booleans()),
    properties=connect_properties,
    will_properties=message_properties,
)
def test_connect_is_read_back(
    version: int,
    client_id: str,
    clean: bool,
    keepalive: int,
    username: str | None,
    password: bytes | None,
    will: tuple[str, bytes, int, bool] | None,
    properties: dict[int, Any],
    will_properties: dict[int, Any],
) -> None:
    if version == VERSION_3:
        properties = will_properties = {}
        password = password if username is not None else None
    given_will = p.Will(*will, will_properties) if will else None
    connect = p.Connect(
        p.CONNECT, version, client_id, clean, keepalive, username, password, given_will, properties
    )
    assert Decoder(LIMIT).feed(e.encode_connect(connect)) == [connect]


@given(
    version=versions,
    topic=names,
    payload=st.binary(max_size=300),
    qos=st.integers(0, 2),
    packet_id=ids,
    dup=st.booleans(),
    properties=message_properties,
    cuts=st.lists(st.integers(1, 40), max_size=20),
)
def test_publish_is_read_back_in_any_chunks(
    version: int,
    topic: str,
    payload: bytes,
    qos: int,
    packet_id: int,
    dup: bool,
    properties: dict[int, Any],
    cuts: list[int],
) -> None:
    dup = dup and qos > 0
    packet_id = packet_id if qos else 0
    raw = 2 * e.encode_publish(
        topic.encode(),
        payload,
        version,
        qos=qos,
        packet_id=packet_id,
        dup=dup,
        properties=properties,
    )
    decoder = server(version)
    read = []
    for cut in cuts:
        read += decoder.feed(raw[:cut])
        raw = raw[cut:]
    read += decoder.feed(raw)
    assert decoder.error is None
    assert decoder.held_bytes == 0
    head = p.PUBLISH | dup << 3 | qos << 1
    wanted = properties if version == VERSION_5 and properties else None
    assert read == 2 * [(head, topic.encode(), payload, packet_id, wanted)]


@given(versions, st.sampled_from((p.PUBACK, p.PUBREC, p.PUBREL, p.PUBCOMP)), ids)
def test_acks_are_read_back(version: int, head: int, packet_id: int) -> None:
    wanted = [p.Ack(head, packet_id, 0, {})]
    assert server(version).feed(e.encode_ack(head, packet_id)) == wanted
    assert client(version).feed(e.encode_ack(head, packet_id)) == wanted
    refused = e.encode_ack(head, packet_id, Reason.NOT_AUTHORIZED)
    assert client(VERSION_5).feed(refused) == [p.Ack(head, packet_id, 0x87, {})]


@given(
    versions,
    ids,
    st.lists(
        st.builds(
            p.Filter, names, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2)
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_subscribe_and_unsubscribe_are_read_back(
    version: int, packet_id: int, filters: list[p.Filter]
) -> None:
    filters = [line._replace(topic="t/" + line.topic) for line in filters]
    if version == VERSION_3:
        filters = [p.Filter(line.topic, line.qos) for line in filters]
    raw = e.encode_subscribe(packet_id, filters, version)
    assert server(version).feed(raw) == [p.Subscribe(p.SUBSCRIBE, packet_id, tuple(filters), {})]
    topics = tuple(line.topic for line in filters)
    raw = e.encode_unsubscribe(packet_id, topics, version)
    assert server(version).feed(raw) == [p.Unsubscribe(p.UNSUBSCRIBE, packet_id, topics, {})]


@given(versions, ids, st.binary(min_size=1, max_size=5), st.booleans())
def test_answers_are_read_back(version: int, packet_id: int, codes: bytes, present: bool) -> None:
    decoder = client(version)
    raw = e.encode_answer(p.SUBACK, packet_id, codes, version)
    assert decoder.feed(raw) == [p.Answer(p.SUBACK, packet_id, codes, {})]
    raw = e.encode_answer(p.UNSUBACK, packet_id, codes, version)
    kept = codes if version == VERSION_5 else b""
    assert decoder.feed(raw) == [p.Answer(p.UNSUBACK, packet_id, kept, {})]
    raw = e.encode_connack(codes[0], version, session_present=present)
    assert decoder.feed(raw) == [p.Connack(p.CONNACK, present, codes[0], {})]


def test_ping_and_disconnect_are_read_back() -> None:
    assert server().feed(e.PINGREQ_BYTES) == [p.Ping(p.PINGREQ)]
    assert client().feed(e.PINGRESP_BYTES) == [p.Ping(p.PINGRESP)]
    assert server().feed(e.encode_disconnect(VERSION_3)) == [p.Disconnect(p.DISCONNECT, 0, {})]
    expiry = {Property.SESSION_EXPIRY: 5}
    raw = e.encode_disconnect(VERSION_5, 4, expiry)
    assert server(VERSION_5).feed(raw) == [p.Disconnect(p.DISCONNECT, 4, expiry)]
    raw = e.encode_disconnect(VERSION_5, Reason.SHUTTING_DOWN)
    assert client(VERSION_5).feed(raw) == [p.Disconnect(p.DISCONNECT, 0x8B, {})]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("3003000061", Reason.TOPIC_NAME_INVALID),  # empty topic
        ("300400022b61", Reason.TOPIC_NAME_INVALID),  # wildcard
        ("300400026123", Reason.TOPIC_NAME_INVALID),
        ("300400026100", Reason.MALFORMED),  # NUL
        ("30040002c328", Reason.MALFORMED),  # bad UTF-8
        ("30050003eda080", Reason.MALFORMED),  # surrogate
        ("3003000461", Reason.MALFORMED),  # topic longer than the packet
        ("300100", Reason.MALFORMED),
        ("32050001610000", Reason.PROTOCOL_ERROR),  # packet identifier 0
        ("3204000161ff", Reason.MALFORMED),  # half a packet identifier
        ("36050001610001", Reason.PROTOCOL_ERROR),  # QoS 3
        ("38030001610000", Reason.PROTOCOL_ERROR),  # DUP with QoS 0
        ("3f00", Reason.MALFORMED),
        ("40020000", Reason.PROTOCOL_ERROR),
        ("4003000100", Reason.MALFORMED),  # longer than its fields
        ("400101", Reason.MALFORMED),
        ("41020001", Reason.MALFORMED),  # reserved flag
        ("60020001", Reason.MALFORMED),  # PUBREL without its flag
        ("80060001000161", Reason.MALFORMED),
        ("820600010001" + "6103", Reason.MALFORMED),  # subscription QoS 3
        ("820600010001" + "6104", Reason.MALFORMED),  # MQTT 5 option in 3.1.1
        ("82020001", Reason.PROTOCOL_ERROR),  # no filter
        ("8207000100026123" + "00", Reason.TOPIC_FILTER_INVALID),
        ("8207000100022361" + "00", Reason.TOPIC_FILTER_INVALID),
        ("a2020001", Reason.PROTOCOL_ERROR),
        ("c00100", Reason.MALFORMED),
        ("c100", Reason.MALFORMED),
        ("20020000", Reason.MALFORMED),  # a server's packet
        ("f000", Reason.PROTOCOL_ERROR),  # AUTH in 3.1.1
        ("0000", Reason.MALFORMED),
        ("30ffffffff7f", Reason.MALFORMED),  # five length bytes
        ("308000", Reason.MALFORMED),  # length in a longer form
        ("30ffffff7f", Reason.PACKET_TOO_LARGE),
        (CONNECT_3.hex(), Reason.PROTOCOL_ERROR),  # a second CONNECT
    ],
)
def test_malformed_packets_are_refused(raw: str, reason: Reason) -> None:
    assert refusal(bytes.fromhex(raw)).reason == reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("30060001610101" + "02", Reason.MALFORMED),  # property list cut short
        ("300800016104010001" + "01", Reason.PROTOCOL_ERROR),  # repeated property
        ("3006000161020102", Reason.PROTOCOL_ERROR),  # flag 2
        ("30070001610311" + "0000", Reason.PROTOCOL_ERROR),  # misplaced (and short)
        ("300500016101" + "7f", Reason.MALFORMED),  # unknown property
        ("300600016102" + "0b01", Reason.PROTOCOL_ERROR),  # subscription id from a client
        ("30070001610323" + "0000", Reason.TOPIC_ALIAS_INVALID),  # alias 0
        ("30070001610323" + "0009", Reason.TOPIC_ALIAS_INVALID),  # alias over the maximum
        ("300600000323" + "0001", Reason.PROTOCOL_ERROR),  # alias never set
        ("3003000000", Reason.PROTOCOL_ERROR),  # no topic, no alias
        ("3003000161", Reason.MALFORMED),  # no property list
        ("8207000100000161" + "c0", Reason.MALFORMED),
        ("820700010000016130", Reason.MALFORMED),  # retain handling 3
    ],
)
def test_malformed_packets_of_mqtt_5_are_refused(raw: str, reason: Reason) -> None:
    assert refusal(bytes.fromhex(raw), VERSION_5, alias_max=8).reason == reason


@pytest.mark.parametrize(
    "raw",
    [
        "100d00044d515454" + "0403" + "0000000161",  # reserved flag
        "100d00044d515454" + "0408" + "0000000161",  # will QoS without a will
        "100d00044d515454" + "0420" + "0000000161",
        "100d00044d515454" + "0440" + "0000000161",  # password without a name
        "100d00044d515455" + "0402" + "0000000161",  # not MQTT
        "100e00044d515454" + "0402" + "000000016161",  # longer than its fields
        "100c00044d515454" + "0402" + "00000001",  # shorter
        "110d00044d515454" + "0402" + "0000000161",
        "c000",
        "474554202f20",  # GET /
    ],
)
def test_a_bad_first_packet_is_refused(raw: str) -> None:
    decoder = Decoder(LIMIT)
    assert decoder.feed(bytes.fromhex(raw)) == []
    assert decoder.error is not None


@pytest.mark.parametrize(
    "raw", ["100d00044d5154540302", "100f00064d51497364700302", "100d00044d5154540602"]
)
def test_other_versions_are_named(raw: str) -> None:
    decoder = Decoder(LIMIT)
    decoder.feed(bytes.fromhex(raw) + bytes.fromhex("0000000161"))
    assert decoder.error is not None
    assert decoder.error.reason == Reason.UNSUPPORTED_VERSION


def test_a_topic_alias_stands_for_its_topic() -> None:
    decoder = server(VERSION_5, alias_max=8)
    alias = {Property.TOPIC_ALIAS: 8}
    raw = e.encode_publish(b"a/b", b"1", VERSION_5, properties=alias)
    raw += e.encode_publish(b"", b"2", VERSION_5, properties=alias)
    assert [packet[1:3] for packet in decoder.feed(raw)] == [(b"a/b", b"1"), (b"a/b", b"2")]


def test_packets_before_a_breach_are_kept_and_nothing_behind_it() -> None:
    decoder = server()
    good = e.encode_publish(b"a", b"1")
    assert len(decoder.feed(good + b"\x00\x00" + good)) == 1
    assert decoder.error is not None
    assert decoder.feed(good) == []


def test_a_payload_over_the_limit_is_refused_by_its_first_bytes() -> None:
    decoder = server()
    raw = e.encode_publish(b"a/b", bytes(LIMIT + 1))
    assert decoder.feed(raw[:10]) == []
    assert decoder.error is not None
    assert decoder.error.reason == Reason.PACKET_TOO_LARGE
    assert decoder.held_bytes == 0


def test_a_bad_topic_is_refused_before_its_payload_comes() -> None:
    decoder = server()
    decoder.feed(e.encode_publish(b"a/+/b", bytes(10_000))[:20])
    assert decoder.error is not None
    assert decoder.error.reason == Reason.TOPIC_NAME_INVALID


def test_single_bytes_cost_no_more_than_the_packet() -> None:
    decoder = server()
    raw = e.encode_publish(b"a", bytes(5_000))
    for at in range(len(raw) - 1):
        assert decoder.feed(raw[at : at + 1]) == []
        assert decoder.held_bytes == at + 1
    assert len(decoder.feed(raw[-1:])) == 1


@settings(max_examples=400)
@given(versions, st.booleans(), st.lists(st.binary(max_size=80), max_size=4))
def test_random_bytes_are_packets_or_refused_never_a_crash(
    version: int, from_client: bool, chunks: list[bytes]
) -> None:
    decoder = server(version) if from_client else client(version)
    for chunk in chunks:
        decoder.feed(chunk)
    assert decoder.held_bytes <= sum(map(len, chunks))


@settings(max_examples=400)
@given(versions, st.integers(1, 15), st.integers(0, 15), st.binary(max_size=60))
def test_random_bodies_are_packets_or_refused_never_a_crash(
    version: int, kind: int, flags: int, body: bytes
) -> None:
    raw = bytes((kind << 4 | flags,)) + encode_varint(len(body)) + body
    for decoder in (Decoder(LIMIT), server(version, alias_max=8), client(version)):
        packets = decoder.feed(raw)
        assert bool(packets) != (decoder.error is not None)
