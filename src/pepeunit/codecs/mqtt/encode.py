"""MQTT packets -> bytes, for the server's and the client's side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Any, Final

from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.properties import encode_properties
from pepeunit.codecs.mqtt.wire import (
    VERSION_3,
    VERSION_5,
    Malformed,
    encode_binary,
    encode_text,
    encode_varint,
)

PINGREQ_BYTES: Final = bytes((p.PINGREQ, 0))
PINGRESP_BYTES: Final = bytes((p.PINGRESP, 0))

_SHORT_ACK: Final = Struct(">BBH").pack
_REASONED_ACK: Final = Struct(">BBHB").pack
_Properties = Mapping[int, Any]


def _packet(head: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((head,)) + encode_varint(len(body)) + body


def _listed(properties: _Properties | None, version: int) -> bytes:
    return encode_properties(properties) if version == VERSION_5 else b""


def encode_publish(
    topic: bytes,
    payload: bytes,
    version: int = VERSION_3,
    *,
    qos: int = 0,
    packet_id: int = 0,
    dup: bool = False,
    properties: _Properties | None = None,
) -> bytes:
    """A PUBLISH without RETAIN; ``packet_id`` is sent with QoS 1 and 2 only."""
    size = len(topic)
    if size > 0xFFFF:
        raise Malformed("topic over 65535 bytes")
    listed = _listed(properties, version)
    number = packet_id.to_bytes(2, "big") if qos else b""
    length = 2 + size + len(number) + len(listed) + len(payload)
    return b"".join(
        (
            bytes((p.PUBLISH | (8 if dup else 0) | qos << 1,)),
            encode_varint(length),
            size.to_bytes(2, "big"),
            topic,
            number,
            listed,
            payload,
        )
    )


def encode_ack(head: int, packet_id: int, reason: int = 0) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; a reason other than 0 is MQTT 5's alone."""
    if reason:
        return _REASONED_ACK(head, 3, packet_id, reason)
    return _SHORT_ACK(head, 2, packet_id)


def encode_connect(connect: p.Connect) -> bytes:
    will = connect.will
    flags = (
        connect.clean_start << 1
        | ((4 | will.qos << 3 | will.retain << 5) if will else 0)
        | (connect.password is not None) << 6
        | (connect.username is not None) << 7
    )
    parts = [
        b"\0\4MQTT",
        bytes((connect.version, flags)),
        connect.keepalive_seconds.to_bytes(2, "big"),
        _listed(connect.properties, connect.version),
        encode_text(connect.client_id),
    ]
    if will:
        parts += [
            _listed(will.properties, connect.version),
            encode_text(will.topic),
            encode_binary(will.payload),
        ]
    if connect.username is not None:
        parts.append(encode_text(connect.username))
    if connect.password is not None:
        parts.append(encode_binary(connect.password))
    return _packet(p.CONNECT, *parts)


def encode_connack(
    code: int,
    version: int,
    *,
    session_present: bool = False,
    properties: _Properties | None = None,
) -> bytes:
    return _packet(p.CONNACK, bytes((session_present, code)), _listed(properties, version))


def encode_subscribe(
    packet_id: int,
    filters: Iterable[p.Filter],
    version: int = VERSION_3,
    properties: _Properties | None = None,
) -> bytes:
    parts = [packet_id.to_bytes(2, "big"), _listed(properties, version)]
    for line in filters:
        options = line.qos
        if version == VERSION_5:
            options |= (
                line.no_local << 2 | line.retain_as_published << 3 | line.retain_handling << 4
            )
        parts += [encode_text(line.topic), bytes((options,))]
    return _packet(p.SUBSCRIBE, *parts)


def encode_unsubscribe(
    packet_id: int,
    filters: Iterable[str],
    version: int = VERSION_3,
    properties: _Properties | None = None,
) -> bytes:
    return _packet(
        p.UNSUBSCRIBE,
        packet_id.to_bytes(2, "big"),
        _listed(properties, version),
        *map(encode_text, filters),
    )


def encode_answer(
    head: int,
    packet_id: int,
    codes: bytes,
    version: int = VERSION_3,
    properties: _Properties | None = None,
) -> bytes:
    """SUBACK or UNSUBACK; the UNSUBACK of 3.1.1 carries no codes."""
    if head == p.UNSUBACK and version == VERSION_3:
        codes = b""
    return _packet(head, packet_id.to_bytes(2, "big"), _listed(properties, version), codes)


def encode_disconnect(
    version: int,
    reason: int = 0,
    properties: _Properties | None = None,
    head: int = p.DISCONNECT,
) -> bytes:
    """DISCONNECT (or AUTH); 3.1.1 has no room for a reason."""
    if version == VERSION_3 or (not reason and not properties):
        return bytes((head, 0))
    if not properties:
        return bytes((head, 1, reason))
    return _packet(head, bytes((reason,)), encode_properties(properties))
