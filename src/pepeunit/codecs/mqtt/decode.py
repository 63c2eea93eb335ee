"""Bodies of control packets -> packets. PUBLISH is read by ``stream``, where speed counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.packets import PacketType
from pepeunit.codecs.mqtt.properties import NO_PROPERTIES, WILL, Property, decode_properties
from pepeunit.codecs.mqtt.wire import (
    VERSION_3,
    VERSION_5,
    Body,
    Malformed,
    Reason,
    check_topic_filter,
    check_topic_name,
)

_PROTOCOL: Final = b"MQTT"
_OLD_PROTOCOL: Final = b"MQIsdp"
QOS_MAX: Final = 2


def _properties(body: Body, place: int, version: int) -> Mapping[int, Any]:
    return decode_properties(body, place) if version == VERSION_5 else NO_PROPERTIES


def decode_connect(body: Body) -> p.Connect:
    """CONNECT of 3.1.1 or 5; any other version is refused with ``UNSUPPORTED_VERSION``."""
    name = body.binary()
    if name not in (_PROTOCOL, _OLD_PROTOCOL):
        raise Malformed("not MQTT")
    version = body.number(1)
    if name == _OLD_PROTOCOL or version not in (VERSION_3, VERSION_5):
        raise Malformed("neither MQTT 3.1.1 nor MQTT 5", Reason.UNSUPPORTED_VERSION)
    flags = body.number(1)
    has_will, will_qos, will_retain = flags & 4, flags >> 3 & 3, flags & 0x20
    has_username, has_password = flags & 0x80, flags & 0x40
    if flags & 1:
        raise Malformed("reserved CONNECT flag is set")
    if will_qos > QOS_MAX or (not has_will and (will_qos or will_retain)):
        raise Malformed("will flags contradict each other")
    if version == VERSION_3 and has_password and not has_username:
        raise Malformed("password without a user name")
    keepalive_seconds = body.number(2)
    properties = _properties(body, PacketType.CONNECT, version)
    client_id = body.text()
    will = None
    if has_will:
        will_properties = _properties(body, WILL, version)
        topic = check_topic_name(body.binary())
        will = p.Will(topic, body.binary(), will_qos, bool(will_retain), will_properties)
    username = body.text() if has_username else None
    password = body.binary() if has_password else None
    body.finish()
    return p.Connect(
        p.CONNECT,
        version,
        client_id,
        bool(flags & 2),
        keepalive_seconds,
        username,
        password,
        will,
        properties,
    )


def _connack(head: int, body: Body, version: int) -> p.Packet:
    flags = body.number(1)
    if flags > 1:
        raise Malformed("reserved CONNACK flag is set")
    code = body.number(1)
    properties = _properties(body, PacketType.CONNACK, version)
    body.finish()
    return p.Connack(head, bool(flags), code, properties)


def _ack(head: int, body: Body, version: int) -> p.Packet:
    packet_id = body.packet_id()
    reason = 0
    properties: Mapping[int, Any] = NO_PROPERTIES
    if version == VERSION_5 and body.left:
        reason = body.number(1)
        if body.left:
            properties = decode_properties(body, head >> 4)
    body.finish()
    return p.Ack(head, packet_id, reason, properties)


def _subscribe(head: int, body: Body, version: int) -> p.Packet:
    packet_id = body.packet_id()
    properties = _properties(body, PacketType.SUBSCRIBE, version)
    filters: list[p.Filter] = []
    while body.left:
        topic = check_topic_filter(body.binary())
        options = body.number(1)
        qos = options & 3
        retain_handling = options >> 4 & 3
        reserved = 0xC0 if version == VERSION_5 else 0xFC
        if options & reserved or qos > QOS_MAX or retain_handling > 2:
            raise Malformed("bad subscription options")
        no_local = bool(options & 4)
        if no_local and topic.startswith("$share/"):
            raise Malformed("no-local on a shared subscription", Reason.PROTOCOL_ERROR)
        filters.append(p.Filter(topic, qos, no_local, bool(options & 8), retain_handling))
    if not filters:
        raise Malformed("SUBSCRIBE without a filter", Reason.PROTOCOL_ERROR)
    return p.Subscribe(head, packet_id, tuple(filters), properties)


def _unsubscribe(head: int, body: Body, version: int) -> p.Packet:
    packet_id = body.packet_id()
    properties = _properties(body, PacketType.UNSUBSCRIBE, version)
    filters: list[str] = []
    while body.left:
        filters.append(check_topic_filter(body.binary()))
    if not filters:
        raise Malformed("UNSUBSCRIBE without a filter", Reason.PROTOCOL_ERROR)
    return p.Unsubscribe(head, packet_id, tuple(filters), properties)


def _answer(head: int, body: Body, version: int) -> p.Packet:
    packet_id = body.packet_id()
    properties = _properties(body, head >> 4, version)
    codes = body.take(body.left)
    if bool(codes) == (version == VERSION_3 and head == p.UNSUBACK):
        raise Malformed("wrong number of reason codes")
    return p.Answer(head, packet_id, codes, properties)


def _ping(head: int, body: Body, version: int) -> p.Packet:
    body.finish()
    return p.Ping(head)


def _disconnect(head: int, body: Body, version: int) -> p.Packet:
    reason = 0
    properties: Mapping[int, Any] = NO_PROPERTIES
    if version == VERSION_5 and body.left:
        reason = body.number(1)
        if body.left:
            properties = decode_properties(body, head >> 4)
    elif head == p.AUTH and version != VERSION_5:
        raise Malformed("AUTH is a packet of MQTT 5", Reason.PROTOCOL_ERROR)
    body.finish()
    return p.Disconnect(head, reason, properties)


_Decode = Callable[[int, Body, int], p.Packet]
_ACKS: Final[dict[int, _Decode]] = dict.fromkeys((p.PUBACK, p.PUBREC, p.PUBREL, p.PUBCOMP), _ack)

SERVER_DECODES: Final[dict[int, _Decode]] = {
    **_ACKS,
    p.SUBSCRIBE: _subscribe,
    p.UNSUBSCRIBE: _unsubscribe,
    p.PINGREQ: _ping,
    p.DISCONNECT: _disconnect,
    p.AUTH: _disconnect,
}
"""What a client may send after CONNECT, by first byte; PUBLISH aside."""

CLIENT_DECODES: Final[dict[int, _Decode]] = {
    **_ACKS,
    p.CONNACK: _connack,
    p.SUBACK: _answer,
    p.UNSUBACK: _answer,
    p.PINGRESP: _ping,
    p.DISCONNECT: _disconnect,
    p.AUTH: _disconnect,
}
"""What a server may send, by first byte; PUBLISH aside."""


def publish_properties(body: Body, from_client: bool) -> Mapping[int, Any]:
    """The properties of a PUBLISH; a client may not send a subscription identifier."""
    properties = decode_properties(body, PacketType.PUBLISH)
    if from_client and Property.SUBSCRIPTION_ID in properties:
        raise Malformed("subscription identifier from a client", Reason.PROTOCOL_ERROR)
    return properties
