"""One client's session: subscriptions, what is on its way to it, what waits (MQTT 5.0, 4.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from pepeunit.codecs.mqtt.encode import encode_publish
from pepeunit.codecs.mqtt.packets import Will
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import VERSION_5
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.messaging.topic import BaseDirection, BaseTopic, ParsedTopic
from pepeunit.entrypoints.devices.counters import Counters
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.ports.publisher import Receipt

Subject = tuple[AgentKind, UUID | None]
PACKET_ID_MAX = 65_535

_FORWARDED = (
    Property.PAYLOAD_FORMAT,
    Property.CONTENT_TYPE,
    Property.RESPONSE_TOPIC,
    Property.CORRELATION,
    Property.USER,
)


def subject_of(agent: Agent) -> Subject:
    return agent.kind, agent.uuid


class Wire(Protocol):
    """A live connection, as a session sees it."""

    version: int
    packet_bytes_max: int
    inflight_max: int

    @property
    def is_writable(self) -> bool:
        """False while the client does not read what was already sent."""
        ...

    def write(self, packet: bytes) -> None: ...

    def close(self, reason: int) -> None: ...


class Subscription(NamedTuple):
    qos: int
    parsed: ParsedTopic
    no_local: bool = False
    identifier: int = 0


class Message:
    """One message on its way to subscribers; ``expires_at`` is loop time."""

    __slots__ = ("expires_at", "payload", "properties", "publisher", "qos", "receipt", "topic")

    def __init__(
        self,
        topic: bytes,
        payload: bytes,
        qos: int,
        *,
        properties: Mapping[int, Any] | None = None,
        publisher: Session | None = None,
        now_seconds: float = 0.0,
        receipt: Receipt | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.publisher = publisher
        self.receipt = receipt
        self.properties: dict[int, Any] = {}
        self.expires_at: float | None = None
        if properties:
            self.properties = {key: properties[key] for key in _FORWARDED if key in properties}
            expiry = properties.get(Property.MESSAGE_EXPIRY)
            if expiry is not None:
                self.expires_at = now_seconds + expiry

    def was_taken(self) -> None:
        if self.receipt is not None:
            self.receipt.taken()

    def is_expired(self, now_seconds: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now_seconds


class Session:
    """State that outlives a connection; at most one connection at a time.

    To the client go at most ``inflight_max`` unacknowledged QoS 1 messages; ``queue_messages_max``
    and ``queue_bytes_max`` more wait, the oldest gives way, counted. QoS 0 never waits, and
    neither do commands for a unit that is away (rulings 22).
    """

    __slots__ = (
        "_counters",
        "_inflight",
        "_limits",
        "_next_id",
        "_queue",
        "_queue_bytes",
        "agent",
        "client_id",
        "expiry_seconds",
        "subject",
        "subscriptions",
        "unreleased",
        "verdicts",
        "will",
        "will_due",
        "wire",
    )

    def __init__(self, agent: Agent, client_id: str, limits: Limits, counters: Counters) -> None:
        self.agent = agent
        self.client_id = client_id
        self.subject = subject_of(agent)
        self.wire: Wire | None = None
        self.expiry_seconds = 0
        self.will: Will | None = None
        self.will_due: float | None = None
        self.subscriptions: dict[bytes, Subscription] = {}
        self.verdicts: dict[bytes, ParsedTopic | None] = {}
        self.unreleased: dict[int, tuple[float, bool]] = {}
        self._limits = limits
        self._counters = counters
        self._queue: deque[tuple[Message, Subscription]] = deque()
        self._queue_bytes = 0
        self._inflight: dict[int, tuple[Message, Subscription]] = {}
        self._next_id = 0

    @property
    def is_listening(self) -> bool:
        """True if a subscription is one of the unit's own command topics."""
        return any(self.hears_commands(kept.parsed) for kept in self.subscriptions.values())

    def hears_commands(self, parsed: ParsedTopic) -> bool:
        return (
            isinstance(parsed, BaseTopic)
            and parsed.direction is BaseDirection.INPUT
            and parsed.unit == self.agent.unit_id
        )

    def deliver(self, message: Message, subscription: Subscription, now_seconds: float) -> bool:
        """True if the message is now on its way to a connected client."""
        if subscription.no_local and message.publisher is self:
            return False
        wire = self.wire
        if wire is None and self.hears_commands(subscription.parsed):
            return False  # it stays in the outbox, which outlives this process
        if not (message.qos and subscription.qos):
            if wire is None:
                return False
            if not wire.is_writable:
                self._counters.dropped_messages += 1
                return False
            return self._send(wire, message, subscription, 0, now_seconds)
        if message.receipt is not None and self._is_on_its_way(message.receipt):
            return False
        if wire is not None and not self._queue and self._has_window(wire):
            return self._send_new(wire, message, subscription, now_seconds)
        return self._enqueue(message, subscription) and wire is not None

    def acknowledge(self, packet_id: int, now_seconds: float, *, is_refused: bool = False) -> bool:
        """The client is done with a QoS 1 message; the next one may go. False if none was owed."""
        sent = self._inflight.pop(packet_id, None)
        if sent is None:
            return False
        if not is_refused:
            sent[0].was_taken()
        self.drain(now_seconds)
        return True

    def resume(self, now_seconds: float) -> None:
        """A connection is back: send again what was in flight, then what waited."""
        wire = self.wire
        if wire is None:
            return
        for packet_id, (message, subscription) in list(self._inflight.items()):
            if not self._send(wire, message, subscription, packet_id, now_seconds, dup=True):
                del self._inflight[packet_id]
        self.drain(now_seconds)

    def drain(self, now_seconds: float) -> None:
        """Send what waits while the client's window and socket have room."""
        wire = self.wire
        while self._queue and wire is not None and self._has_window(wire):
            message, subscription = self._queue.popleft()
            self._queue_bytes -= len(message.payload)
            self._send_new(wire, message, subscription, now_seconds)

    def forget_topic(self, topic: bytes) -> None:
        """Drop what waits for a topic that the client may no longer hear."""
        kept = [entry for entry in self._queue if entry[0].topic != topic]
        self._counters.dropped_messages += len(self._queue) - len(kept)
        self._queue = deque(kept)
        self._queue_bytes = sum(len(message.payload) for message, _ in kept)
        for packet_id, (message, _) in list(self._inflight.items()):
            if message.topic == topic and self.wire is None:
                del self._inflight[packet_id]

    def _is_on_its_way(self, receipt: Receipt) -> bool:
        waiting = chain(self._inflight.values(), self._queue)
        return any(message.receipt == receipt for message, _ in waiting)

    def _has_window(self, wire: Wire) -> bool:
        return len(self._inflight) < wire.inflight_max and wire.is_writable

    def _enqueue(self, message: Message, subscription: Subscription) -> bool:
        size = len(message.payload)
        limits = self._limits
        while self._queue and (
            len(self._queue) >= limits.queue_messages_max
            or self._queue_bytes + size > limits.queue_bytes_max
        ):
            dropped, _ = self._queue.popleft()
            self._queue_bytes -= len(dropped.payload)
            self._counters.dropped_messages += 1
        if not limits.queue_messages_max or size > limits.queue_bytes_max:
            self._counters.dropped_messages += 1
            return False
        self._queue.append((message, subscription))
        self._queue_bytes += size
        return True

    def _send_new(
        self, wire: Wire, message: Message, subscription: Subscription, now_seconds: float
    ) -> bool:
        packet_id = self._next_id
        while True:
            packet_id = packet_id % PACKET_ID_MAX + 1
            if packet_id not in self._inflight:
                break
        self._next_id = packet_id
        if not self._send(wire, message, subscription, packet_id, now_seconds):
            return False
        self._inflight[packet_id] = message, subscription
        return True

    def _send(
        self,
        wire: Wire,
        message: Message,
        subscription: Subscription,
        packet_id: int,
        now_seconds: float,
        *,
        dup: bool = False,
    ) -> bool:
        """QoS 0 if ``packet_id`` is 0, else QoS 1. False: expired or too large, and counted."""
        properties: dict[int, Any] | None = None
        if wire.version == VERSION_5:
            properties = dict(message.properties)
            if subscription.identifier:
                properties[Property.SUBSCRIPTION_ID] = [subscription.identifier]
            if message.expires_at is not None:
                left = max(1, round(message.expires_at - now_seconds))
                properties[Property.MESSAGE_EXPIRY] = left
        packet = encode_publish(
            message.topic,
            message.payload,
            wire.version,
            qos=1 if packet_id else 0,
            packet_id=packet_id,
            dup=dup,
            properties=properties,
        )
        if message.is_expired(now_seconds) or len(packet) > wire.packet_bytes_max:
            self._counters.dropped_messages += 1
            return False
        wire.write(packet)
        self._counters.delivered_messages += 1
        if not packet_id:
            message.was_taken()
        return True
