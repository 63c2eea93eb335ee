"""One tuple per MQTT packet. The first field of each is its first byte: type and flags."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple


class PacketType(enum.IntEnum):
    """The high half of a packet's first byte."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


Publish = tuple[int, bytes, bytes, int, Mapping[int, Any] | None]
"""``(first byte, topic, payload, packet identifier or 0, properties or None)``.

A plain tuple: it is the one packet that comes by the hundred thousand a second. Of the first
byte, 0x08 is DUP, 0x06 the QoS and 0x01 RETAIN. A topic alias is already resolved.
"""


class Will(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Mapping[int, Any]


class Connect(NamedTuple):
    head: int
    version: int
    client_id: str
    clean_start: bool
    keepalive_seconds: int
    username: str | None
    password: bytes | None
    will: Will | None
    properties: Mapping[int, Any]


class Connack(NamedTuple):
    head: int
    session_present: bool
    code: int
    properties: Mapping[int, Any]


class Ack(NamedTuple):
    """PUBACK, PUBREC, PUBREL and PUBCOMP."""

    head: int
    packet_id: int
    reason: int
    properties: Mapping[int, Any]


class Filter(NamedTuple):
    """One line of a SUBSCRIBE; the fields behind ``qos`` are MQTT 5's."""

    topic: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


class Subscribe(NamedTuple):
    head: int
    packet_id: int
    filters: tuple[Filter, ...]
    properties: Mapping[int, Any]


class Unsubscribe(NamedTuple):
    head: int
    packet_id: int
    filters: tuple[str, ...]
    properties: Mapping[int, Any]


class Answer(NamedTuple):
    """SUBACK and UNSUBACK; ``codes`` is empty in an UNSUBACK of 3.1.1."""

    head: int
    packet_id: int
    codes: bytes
    properties: Mapping[int, Any]


class Ping(NamedTuple):
    """PINGREQ and PINGRESP."""

    head: int


class Disconnect(NamedTuple):
    """DISCONNECT and AUTH."""

    head: int
    reason: int
    properties: Mapping[int, Any]


Packet = Publish | Connect | Connack | Ack | Subscribe | Unsubscribe | Answer | Ping | Disconnect

CONNECT = PacketType.CONNECT << 4
CONNACK = PacketType.CONNACK << 4
PUBLISH = PacketType.PUBLISH << 4
PUBACK = PacketType.PUBACK << 4
PUBREC = PacketType.PUBREC << 4
PUBREL = PacketType.PUBREL << 4 | 2
PUBCOMP = PacketType.PUBCOMP << 4
SUBSCRIBE = PacketType.SUBSCRIBE << 4 | 2
SUBACK = PacketType.SUBACK << 4
UNSUBSCRIBE = PacketType.UNSUBSCRIBE << 4 | 2
UNSUBACK = PacketType.UNSUBACK << 4
PINGREQ = PacketType.PINGREQ << 4
PINGRESP = PacketType.PINGRESP << 4
DISCONNECT = PacketType.DISCONNECT << 4
AUTH = PacketType.AUTH << 4
