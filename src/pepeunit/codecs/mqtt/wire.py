"""Numbers and text on the MQTT wire, and the refusal of what is neither."""

from __future__ import annotations

import enum
from typing import ClassVar, Final

from pepeunit.domain.errors import Invalid, Topic

VERSION_3: Final = 4
VERSION_5: Final = 5

VARINT_MAX: Final = 268_435_455
VARINT_BYTES_MAX: Final = 4
STRING_BYTES_MAX: Final = 65_535


class Reason(enum.IntEnum):
    """MQTT 5 reason codes that this platform sends."""

    SUCCESS = 0x00
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_INVALID = 0x85
    BAD_CREDENTIALS = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    SHARED_UNSUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    WILDCARD_UNSUPPORTED = 0xA2


class Malformed(Invalid):
    """Bytes that break MQTT; ``reason`` is the MQTT 5 code of the breach."""

    default_topic: ClassVar[Topic] = Topic.MQTT

    def __init__(self, message: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(message)
        self.reason = reason


def encode_varint(value: int) -> bytes:
    """A variable byte integer, 0 to 268 435 455."""
    if value < 0x80:
        return bytes((value,))
    if value > VARINT_MAX:
        raise Malformed("length over 268435455", Reason.PACKET_TOO_LARGE)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(buffer: bytes, at: int, end: int) -> tuple[int, int] | None:
    """``(value, position behind it)``, or None while its bytes are not all there.

    Refuses more than four bytes and any longer form than needed.
    """
    value = shift = 0
    for position in range(at, min(end, at + VARINT_BYTES_MAX)):
        byte = buffer[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise Malformed("length in a longer form than needed")
            return value, position + 1
        shift += 7
    if end - at >= VARINT_BYTES_MAX:
        raise Malformed("length of more than four bytes")
    return None


def check_text(raw: bytes) -> str:
    """MQTT text: strict UTF-8 (surrogates refused) without U+0000."""
    if b"\0" in raw:
        raise Malformed("text with U+0000")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("text that is not UTF-8") from None


def check_topic_name(raw: bytes) -> str:
    """The topic of a PUBLISH or a will: text of at least one byte without ``+`` and ``#``."""
    if not raw:
        raise Malformed("empty topic", Reason.TOPIC_NAME_INVALID)
    if b"+" in raw or b"#" in raw:
        raise Malformed("wildcard in the topic of a message", Reason.TOPIC_NAME_INVALID)
    return check_text(raw)


def check_topic_filter(raw: bytes) -> str:
    """A SUBSCRIBE filter: ``+`` fills its level, ``#`` fills the last one."""
    if not raw:
        raise Malformed("empty topic filter", Reason.TOPIC_FILTER_INVALID)
    text = check_text(raw)
    if "+" in text or "#" in text:
        levels = text.split("/")
        for index, level in enumerate(levels):
            alone = len(level) == 1
            last = index == len(levels) - 1
            if ("+" in level and not alone) or ("#" in level and not (alone and last)):
                raise Malformed("misplaced wildcard", Reason.TOPIC_FILTER_INVALID)
    return text


def encode_binary(raw: bytes) -> bytes:
    """Bytes behind their two-byte length."""
    if len(raw) > STRING_BYTES_MAX:
        raise Malformed("field over 65535 bytes")
    return len(raw).to_bytes(2, "big") + raw


def encode_text(text: str) -> bytes:
    return encode_binary(text.encode())


class Body:
    """Reads the fields of one packet body in order; refuses to read past its end."""

    __slots__ = ("_at", "_raw", "_stop")

    def __init__(self, raw: bytes, at: int = 0, stop: int | None = None) -> None:
        self._raw = raw
        self._at = at
        self._stop = len(raw) if stop is None else stop

    @property
    def at(self) -> int:
        return self._at

    @property
    def left(self) -> int:
        return self._stop - self._at

    def take(self, count: int) -> bytes:
        stop = self._at + count
        if stop > self._stop:
            raise Malformed("packet shorter than its fields")
        raw = self._raw[self._at : stop]
        self._at = stop
        return raw

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def packet_id(self) -> int:
        value = self.number(2)
        if not value:
            raise Malformed("packet identifier 0", Reason.PROTOCOL_ERROR)
        return value

    def varint(self) -> int:
        found = decode_varint(self._raw, self._at, self._stop)
        if found is None:
            raise Malformed("packet shorter than its fields")
        value, self._at = found
        return value

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return check_text(self.binary())

    def part(self, size: int) -> Body:
        """The next ``size`` bytes as a body of their own."""
        start = self._at
        self.take(size)
        return Body(self._raw, start, start + size)

    def finish(self) -> None:
        if self.left:
            raise Malformed("packet longer than its fields")
