"""A stream of bytes -> MQTT packets, checked before a payload is held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.decode import (
    CLIENT_DECODES,
    SERVER_DECODES,
    decode_connect,
    publish_properties,
)
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import (
    VERSION_5,
    Body,
    Malformed,
    Reason,
    check_topic_name,
    decode_varint,
)

KNOWN_TOPICS_MAX: Final = 1024
CONNECT_BYTES_MAX: Final = 200_000
"""A CONNECT holds at most a will's topic and payload, a token and a client id."""


class Decoder:
    """Feeds on chunks of any size and returns whole packets in order.

    ``error`` is set when the stream broke MQTT: the packets before the breach are returned,
    everything behind it is ignored. Type, flags and length of a packet are judged from its
    first bytes, the topic of a PUBLISH as soon as it is there: what is over
    ``packet_bytes_max`` (the remaining length, in bytes) is refused before it is held, and
    never more than one packet of that size is held. ``from_client`` tells the server's side
    from the client's; the server's side demands one CONNECT first, and takes the version
    from it.
    """

    __slots__ = (
        "_aliases",
        "_decodes",
        "_need",
        "_partial",
        "_topics",
        "alias_max",
        "error",
        "from_client",
        "packet_bytes_max",
        "version",
    )

    def __init__(
        self,
        packet_bytes_max: int,
        *,
        from_client: bool = True,
        version: int = 0,
        alias_max: int = 0,
    ) -> None:
        self.packet_bytes_max = packet_bytes_max
        self.from_client = from_client
        self.version = version
        self.alias_max = alias_max
        self.error: Malformed | None = None
        self._decodes = SERVER_DECODES if from_client else CLIENT_DECODES
        self._topics: set[bytes] = set()
        self._aliases: dict[int, bytes] = {}
        self._partial = bytearray()
        self._need = 0

    @property
    def held_bytes(self) -> int:
        return len(self._partial)

    def feed(self, chunk: bytes) -> list[p.Packet]:
        """The packets that ``chunk`` completes."""
        if self.error is not None:
            return []
        if self._partial:
            self._partial += chunk
            if len(self._partial) < self._need:
                return []
            chunk = bytes(self._partial)
        packets: list[p.Packet] = []
        taken = 0
        try:
            taken = self._take(chunk, packets)
        except Malformed as error:
            self.error = error
        if self.error is not None:
            self._partial = bytearray()
        elif taken < len(chunk) or self._partial:
            self._partial = bytearray(chunk[taken:])
        return packets

    def _take(self, buffer: bytes, packets: list[p.Packet]) -> int:  # noqa: PLR0912, PLR0915, one loop is what makes it fast
        at = 0
        end = len(buffer)
        limit = self.packet_bytes_max
        topics = self._topics
        v5 = self.version == VERSION_5
        while at < end:
            head = buffer[at]
            body = at + 2
            if body > end:
                self._check_head(head)
                self._need = 2
                break
            length = buffer[at + 1]
            if length > 0x7F:
                found = decode_varint(buffer, at + 1, end)
                if found is None:
                    self._check_head(head)
                    self._need = end - at + 1
                    break
                length, body = found
            stop = body + length
            if stop > end or length > limit:
                self._check_partial(head, length, buffer, body)
                self._need = stop - at
                break
            if not 0x30 <= head <= 0x3D or not self.version:
                packets.append(self._control(head, buffer, body, stop))
                v5 = self.version == VERSION_5
                at = stop
                continue

            # PUBLISH, the one that must be quick
            if length < 2:
                raise Malformed("packet shorter than its fields")
            topic_stop = body + 2 + (buffer[body] << 8 | buffer[body + 1])
            topic = buffer[body + 2 : topic_stop]
            packet_id = 0
            here = topic_stop
            if head & 0x06:
                here += 2
                if here > stop:
                    raise Malformed("packet shorter than its fields")
                packet_id = buffer[topic_stop] << 8 | buffer[topic_stop + 1]
                if not packet_id or head & 0x06 == 0x06:
                    raise Malformed("bad QoS or packet identifier", Reason.PROTOCOL_ERROR)
            elif here > stop:
                raise Malformed("packet shorter than its fields")
            elif head & 0x08:
                raise Malformed("DUP on a QoS 0 message", Reason.PROTOCOL_ERROR)
            properties: Mapping[int, Any] | None = None
            if v5:
                fields = Body(buffer, here, stop)
                if here < stop and not buffer[here]:
                    here += 1
                else:
                    properties = publish_properties(fields, self.from_client)
                    here = fields.at
                if properties is not None or not topic:
                    topic = self._resolve(topic, properties or {})
            if topic not in topics:
                self._learn(topic)
            packets.append((head, topic, buffer[here:stop], packet_id, properties))
            at = stop
        return at

    def _check_head(self, head: int) -> None:
        """Judges a packet by its first byte alone."""
        if not self.version:
            if head != p.CONNECT:
                raise Malformed("the first packet is not CONNECT", Reason.PROTOCOL_ERROR)
        elif not 0x30 <= head <= 0x3D and head not in self._decodes:
            raise Malformed(
                "packet of a wrong type or with wrong flags",
                Reason.PROTOCOL_ERROR if head == p.CONNECT else Reason.MALFORMED,
            )

    def _check_partial(self, head: int, length: int, buffer: bytes, body: int) -> None:
        self._check_head(head)
        limit = self.packet_bytes_max
        if not self.version:
            limit = min(limit, CONNECT_BYTES_MAX)
        if length > limit:
            raise Malformed("packet over the limit", Reason.PACKET_TOO_LARGE)
        if head >> 4 == p.PacketType.PUBLISH and len(buffer) >= body + 2:
            size = buffer[body] << 8 | buffer[body + 1]
            if size + 2 > length:
                raise Malformed("packet shorter than its fields")
            topic = buffer[body + 2 : body + 2 + size]
            if topic and len(topic) == size:
                check_topic_name(topic)

    def _control(self, head: int, buffer: bytes, body: int, stop: int) -> p.Packet:
        self._check_head(head)
        fields = Body(buffer, body, stop)
        if not self.version:
            connect = decode_connect(fields)
            self.version = connect.version
            return connect
        return self._decodes[head](head, fields, self.version)

    def _resolve(self, topic: bytes, properties: Mapping[int, Any]) -> bytes:
        alias = properties.get(Property.TOPIC_ALIAS)
        if alias is None:
            if not topic:
                raise Malformed("empty topic without an alias", Reason.PROTOCOL_ERROR)
            return topic
        if alias > self.alias_max:
            raise Malformed("topic alias over the maximum", Reason.TOPIC_ALIAS_INVALID)
        if not topic:
            known = self._aliases.get(alias)
            if known is None:
                raise Malformed("unknown topic alias", Reason.PROTOCOL_ERROR)
            return known
        check_topic_name(topic)
        self._aliases[alias] = topic
        return topic

    def _learn(self, topic: bytes) -> None:
        """Checks a topic once; later messages to it cost a look into a set."""
        check_topic_name(topic)
        if len(self._topics) >= KNOWN_TOPICS_MAX:
            self._topics.clear()
        self._topics.add(topic)
