"""Every MQTT 5 property: its form, and the packets it may stand in (MQTT 5.0, 2.2.2)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from pepeunit.codecs.mqtt.packets import PacketType
from pepeunit.codecs.mqtt.wire import (
    VARINT_MAX,
    Body,
    Malformed,
    Reason,
    encode_binary,
    encode_text,
    encode_varint,
)

_T = PacketType

WILL: Final = 0
"""Will properties stand in CONNECT but form a list of their own."""


class Property(enum.IntEnum):
    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTHENTICATION_METHOD = 0x15
    AUTHENTICATION_BYTES = 0x16
    REQUEST_PROBLEM = 0x17
    WILL_DELAY = 0x18
    REQUEST_RESPONSE = 0x19
    RESPONSE_HINT = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_TEXT = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER = 0x26
    MAXIMUM_PACKET = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


Properties = Mapping[int, Any]
"""Values by :class:`Property`: int, str or bytes; lists for ``USER`` (pairs of text) and
``SUBSCRIPTION_ID`` (numbers), the only ones that may repeat."""

NO_PROPERTIES: Final[Properties] = {}


class Form(enum.Enum):
    FLAG = enum.auto()
    BYTE = enum.auto()
    SHORT = enum.auto()
    LONG = enum.auto()
    VARINT = enum.auto()
    TEXT = enum.auto()
    BINARY = enum.auto()
    PAIR = enum.auto()


_SIZES: Final = {Form.FLAG: 1, Form.BYTE: 1, Form.SHORT: 2, Form.LONG: 4}

_ACKS: Final = (_T.PUBACK, _T.PUBREC, _T.PUBREL, _T.PUBCOMP)
_ANSWERS: Final = (_T.CONNACK, *_ACKS, _T.SUBACK, _T.UNSUBACK, _T.DISCONNECT)
_AUTHS: Final = (_T.CONNECT, _T.CONNACK, _T.AUTH)
_MESSAGE: Final = (_T.PUBLISH, WILL)

_P = Property
_TABLE: Final[dict[int, tuple[Form, frozenset[int]]]] = {
    number: (form, frozenset(places))
    for number, form, places in (
        (_P.PAYLOAD_FORMAT, Form.FLAG, _MESSAGE),
        (_P.MESSAGE_EXPIRY, Form.LONG, _MESSAGE),
        (_P.CONTENT_TYPE, Form.TEXT, _MESSAGE),
        (_P.RESPONSE_TOPIC, Form.TEXT, _MESSAGE),
        (_P.CORRELATION, Form.BINARY, _MESSAGE),
        (_P.SUBSCRIPTION_ID, Form.VARINT, (_T.PUBLISH, _T.SUBSCRIBE)),
        (_P.SESSION_EXPIRY, Form.LONG, (_T.CONNECT, _T.CONNACK, _T.DISCONNECT)),
        (_P.ASSIGNED_CLIENT_ID, Form.TEXT, (_T.CONNACK,)),
        (_P.SERVER_KEEP_ALIVE, Form.SHORT, (_T.CONNACK,)),
        (_P.AUTHENTICATION_METHOD, Form.TEXT, _AUTHS),
        (_P.AUTHENTICATION_BYTES, Form.BINARY, _AUTHS),
        (_P.REQUEST_PROBLEM, Form.FLAG, (_T.CONNECT,)),
        (_P.WILL_DELAY, Form.LONG, (WILL,)),
        (_P.REQUEST_RESPONSE, Form.FLAG, (_T.CONNECT,)),
        (_P.RESPONSE_HINT, Form.TEXT, (_T.CONNACK,)),
        (_P.SERVER_REFERENCE, Form.TEXT, (_T.CONNACK, _T.DISCONNECT)),
        (_P.REASON_TEXT, Form.TEXT, (*_ANSWERS, _T.AUTH)),
        (_P.RECEIVE_MAXIMUM, Form.SHORT, (_T.CONNECT, _T.CONNACK)),
        (_P.TOPIC_ALIAS_MAXIMUM, Form.SHORT, (_T.CONNECT, _T.CONNACK)),
        (_P.TOPIC_ALIAS, Form.SHORT, (_T.PUBLISH,)),
        (_P.MAXIMUM_QOS, Form.FLAG, (_T.CONNACK,)),
        (_P.RETAIN_AVAILABLE, Form.FLAG, (_T.CONNACK,)),
        (_P.USER, Form.PAIR, (WILL, *PacketType)),
        (_P.MAXIMUM_PACKET, Form.LONG, (_T.CONNECT, _T.CONNACK)),
        (_P.WILDCARD_AVAILABLE, Form.FLAG, (_T.CONNACK,)),
        (_P.SUBSCRIPTION_ID_AVAILABLE, Form.FLAG, (_T.CONNACK,)),
        (_P.SHARED_AVAILABLE, Form.FLAG, (_T.CONNACK,)),
    )
}
_NEVER_ZERO: Final = frozenset(
    (_P.RECEIVE_MAXIMUM, _P.MAXIMUM_PACKET, _P.SUBSCRIPTION_ID, _P.TOPIC_ALIAS)
)


def decode_properties(body: Body, place: int) -> Properties:
    """The property list at the front of ``body`` for a packet type, or for ``WILL``.

    Refuses unknown and misplaced properties, repeated ones (but user properties, and
    subscription identifiers of a PUBLISH), flags other than 0 and 1, and forbidden zeros.
    """
    part = body.part(body.varint())
    if not part.left:
        return NO_PROPERTIES
    found: dict[int, Any] = {}
    while part.left:
        number = part.varint()
        form, places = _TABLE.get(number, (None, ()))
        if form is None:
            raise Malformed(f"unknown property {number}")
        if place not in places:
            raise Malformed(f"misplaced property {number}", Reason.PROTOCOL_ERROR)
        value = _decode_value(part, form)
        if not value and number in _NEVER_ZERO:
            zero = Reason.TOPIC_ALIAS_INVALID if number == _P.TOPIC_ALIAS else None
            raise Malformed(f"property {number} is 0", zero or Reason.PROTOCOL_ERROR)
        if number == _P.USER or (number == _P.SUBSCRIPTION_ID and place == _T.PUBLISH):
            found.setdefault(number, []).append(value)
        elif number in found:
            raise Malformed(f"repeated property {number}", Reason.PROTOCOL_ERROR)
        else:
            found[number] = [value] if number == _P.SUBSCRIPTION_ID else value
    if _P.AUTHENTICATION_BYTES in found and _P.AUTHENTICATION_METHOD not in found:
        raise Malformed("authentication bytes without a method", Reason.PROTOCOL_ERROR)
    return found


def _decode_value(part: Body, form: Form) -> Any:
    if form is Form.TEXT:
        return part.text()
    if form is Form.BINARY:
        return part.binary()
    if form is Form.PAIR:
        return part.text(), part.text()
    if form is Form.VARINT:
        return part.varint()
    value = part.number(_SIZES[form])
    if form is Form.FLAG and value > 1:
        raise Malformed("flag that is neither 0 nor 1", Reason.PROTOCOL_ERROR)
    return value


def encode_properties(properties: Properties | None) -> bytes:
    """The property list with its length; refuses values outside their form."""
    if not properties:
        return b"\0"
    out = bytearray()
    for number, value in properties.items():
        form = _TABLE[number][0]
        repeated = number in (_P.USER, _P.SUBSCRIPTION_ID)
        for one in value if repeated else (value,):
            out.append(number)
            out += _encode_value(form, one)
    return encode_varint(len(out)) + bytes(out)


def _encode_value(form: Form, value: Any) -> bytes:
    if form is Form.TEXT:
        return encode_text(value)
    if form is Form.BINARY:
        return encode_binary(value)
    if form is Form.PAIR:
        return encode_text(value[0]) + encode_text(value[1])
    if form is Form.VARINT:
        if value > VARINT_MAX:
            raise Malformed("number over 268435455")
        return encode_varint(value)
    return int(value).to_bytes(_SIZES[form], "big")
