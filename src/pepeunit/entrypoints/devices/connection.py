"""One client's packets, in order: the hot path of messages, and the control packets."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterator
from itertools import chain
from typing import Any, Final

from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.encode import PINGRESP_BYTES, encode_ack
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.stream import Decoder
from pepeunit.codecs.mqtt.wire import VERSION_5, Malformed, Reason
from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.devices import admission, subscribing
from pepeunit.entrypoints.devices.broker import Broker
from pepeunit.entrypoints.devices.channel import PRESSURE, WAITS, Channel
from pepeunit.entrypoints.devices.inbox import Receipt
from pepeunit.entrypoints.devices.session import Session
from pepeunit.usecases.messages.authorize_topic import MqttAction

logger = logging.getLogger(__name__)

UNKNOWN: Final[Any] = object()
DISCONNECT_WITH_WILL: Final = 0x04
FAILURES_FROM: Final = 0x80


class Connection(Channel):
    """A packet that needs an answer of the platform (CONNECT, SUBSCRIBE, the first message to a
    topic) suspends this client alone; all others are done within the call that brought them.
    """

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker)
        limits = broker.limits
        self._decoder = Decoder(limits.packet_bytes_max, alias_max=limits.topic_alias_max)
        self._again: Any = None
        self._rest: Iterator[Any] = iter(())
        self._pending = 0

    def data_received(self, data: bytes) -> None:
        now = self._loop.time()
        self.last_seen = now
        packets = self._decoder.feed(data)
        if self._bytes_rate is not None:
            delay = self._bytes_rate.take(len(data), now)
            if delay:
                self.wait_turn(delay)
        if self._holds & WAITS:
            self._rest = iter([*self._rest, *packets])
        else:
            self._proceed(None, iter(packets))

    def _proceed(self, again: Any, rest: Iterator[Any]) -> None:
        """Take packets in order, ``again`` first unless None, up to one that must wait."""
        while not self.is_closed:
            packet = self._take_messages(again, rest)
            again = None
            if packet is None:
                break
            if 0x30 <= packet[0] <= 0x3D and self.session is not None:
                self._suspend(self._learn(self.session, packet[1]), packet, rest)
                return
            step = self._take(packet)
            if step is not None:
                self._suspend(step, None, rest)
                return
        if self._decoder.error is not None and not self.is_closed:
            self._refuse(self._decoder.error)

    def _take_messages(self, again: Any, rest: Iterator[Any]) -> Any:  # noqa: PLR0912, PLR0915, hot
        """Take PUBLISH packets whose verdicts are known; the first packet that is not, or None."""
        session = self.session
        if session is None:
            return next(rest, None)
        inbox = self.broker.inbox
        counters = self.broker.counters
        routes = self.broker.exchange.routes
        add = inbox.messages.append
        verdicts = session.verdicts
        agent = session.agent
        acks: list[bytes] = []
        released: list[int] = []
        taken = size = dropped = denied = 0
        room = inbox.room
        stopped = None
        for packet in chain((again,), rest) if again is not None else rest:
            head = packet[0]
            if not 0x30 <= head <= 0x3D:
                stopped = packet
                break
            topic = packet[1]
            parsed = verdicts.get(topic, UNKNOWN)
            if parsed is UNKNOWN:
                stopped = packet
                break
            taken += 1
            qos = head >> 1 & 3
            if qos:
                packet_id = packet[3]
                if qos == 2 and not self._is_new(session, packet_id, acks):
                    continue
                acks.append(self._receipt(qos, packet_id, parsed is None))
                if qos == 2:
                    if parsed is None and self.version == VERSION_5:
                        del session.unreleased[packet_id]  # the refusal ends the exchange
                    else:
                        released.append(packet_id)
            if parsed is None:
                denied += 1
                continue
            if room <= 0 and not qos:
                dropped += 1
                continue
            room -= 1
            payload = packet[2]
            size += len(payload)
            add((parsed, payload, qos, agent))
            if topic in routes:
                inbox.forwards.append((topic, payload, qos, packet[4], session))
        if taken:
            counters.received_messages += taken
            counters.dropped_messages += dropped
            counters.denied_messages += denied
            self._account(Receipt(self, session, acks, released), size, room)
            self.spend(taken)
        return stopped

    def _account(self, receipt: Receipt, size_bytes: int, room: int) -> None:
        """Book a part of a chunk, and stop reading if it was too much."""
        if 2 * room < self.limits.buffer_messages_max:
            self.yield_turn()
        if not receipt.acks:
            self.broker.inbox.put(size_bytes, None)
            return
        self._pending += len(receipt.acks)
        self.broker.inbox.put(size_bytes, receipt)
        if self._pending > self.limits.receive_max:
            if self.version == VERSION_5:
                self.close(Reason.RECEIVE_MAXIMUM_EXCEEDED)
            else:
                self.hold(PRESSURE)
        elif room <= 0:
            self.hold(PRESSURE)

    def _is_new(self, session: Session, packet_id: int, acks: list[bytes]) -> bool:
        """QoS 2: False for a message taken before; its PUBREC is sent again once stored."""
        now = self._loop.time()
        unreleased = session.unreleased
        known = unreleased.get(packet_id)
        if known is not None:
            if known[1]:
                acks.append(encode_ack(p.PUBREC, packet_id))
            return False
        if len(unreleased) >= self.limits.unreleased_max:
            oldest = next(iter(unreleased))
            if now - unreleased[oldest][0] < self.limits.unreleased_seconds:
                self.close(Reason.RECEIVE_MAXIMUM_EXCEEDED)
                return False
            del unreleased[oldest]
        unreleased[packet_id] = now, False
        return True

    def _receipt(self, qos: int, packet_id: int, is_denied: bool) -> bytes:
        """The acknowledgement to send once everything before it is stored.

        MQTT 3.1.1 cannot say no: a denied message is acknowledged and dropped.
        """
        reason = Reason.NOT_AUTHORIZED if is_denied and self.version == VERSION_5 else 0
        return encode_ack(p.PUBACK if qos == 1 else p.PUBREC, packet_id, reason)

    def settled(self, receipt: Receipt) -> None:
        self._pending -= len(receipt.acks)
        session = receipt.session
        for packet_id in receipt.released:
            if packet_id in session.unreleased:
                session.unreleased[packet_id] = self._loop.time(), True
        if not self.is_closed:
            self.write(b"".join(receipt.acks))
        elif session.wire is not None:
            for packet_id in receipt.released:
                session.wire.write(encode_ack(p.PUBREC, packet_id))
        if self._pending <= self.limits.receive_max // 2:
            self.release(PRESSURE)

    def failed(self, receipt: Receipt) -> None:
        self._pending -= len(receipt.acks)
        self.close(Reason.SERVER_BUSY)

    def _take(self, packet: Any) -> Coroutine[Any, Any, None] | None:
        """One control packet; a coroutine if it must wait for the platform."""
        if isinstance(packet, p.Connect):
            return admission.admit(self, packet)
        session = self.session
        assert session is not None  # noqa: S101, the decoder lets nothing pass before CONNECT
        if isinstance(packet, p.Ping):
            self.spend(1)
            self.write(PINGRESP_BYTES)
        elif isinstance(packet, p.Ack):
            self._take_ack(session, packet)
        elif isinstance(packet, p.Subscribe):
            self.spend(len(packet.filters))
            return subscribing.subscribe(self, session, packet)
        elif isinstance(packet, p.Unsubscribe):
            self.spend(len(packet.filters))
            subscribing.unsubscribe(self, session, packet)
        elif isinstance(packet, p.Disconnect):
            self._take_disconnect(session, packet)
        return None

    def _take_ack(self, session: Session, ack: p.Ack) -> None:
        if ack.head == p.PUBACK:
            is_refused = ack.reason >= FAILURES_FROM
            now = self._loop.time()
            if not session.acknowledge(ack.packet_id, now, is_refused=is_refused):
                self.spend(1)
        elif ack.head == p.PUBREL:
            known = session.unreleased.pop(ack.packet_id, None)
            if known is None:
                self.spend(1)
            missing = known is None and self.version == VERSION_5
            reason = Reason.PACKET_ID_NOT_FOUND if missing else 0
            self.write(encode_ack(p.PUBCOMP, ack.packet_id, reason))
        else:
            self.close(Reason.PROTOCOL_ERROR)

    def _take_disconnect(self, session: Session, packet: p.Disconnect) -> None:
        if packet.head == p.AUTH:
            self.close(Reason.PROTOCOL_ERROR)
            return
        expiry = packet.properties.get(Property.SESSION_EXPIRY)
        if expiry is not None:
            if expiry and not session.expiry_seconds:
                self.close(Reason.PROTOCOL_ERROR)
                return
            session.expiry_seconds = min(expiry, self.limits.session_expiry_seconds)
        if packet.reason != DISCONNECT_WITH_WILL:
            session.will = None
        self.finish()

    def _suspend(self, step: Coroutine[Any, Any, None], again: Any, rest: Iterator[Any]) -> None:
        self.hold(WAITS)
        self._again = again
        self._rest = rest
        self._task = self._loop.create_task(self._continue(step))

    async def _continue(self, step: Coroutine[Any, Any, None]) -> None:
        """Finish the packet that waits, then those that came behind it."""
        try:
            await step
        except Unavailable as error:
            logger.warning("a client was cut off: %s", error)
            self.close(Reason.SERVER_BUSY)
        except Exception:
            logger.exception("a client was cut off")
            self.close(Reason.UNSPECIFIED)
        self._task = None
        if self.is_closed:
            return
        self._proceed(self._again, self._rest)
        if self._task is None:
            self.release(WAITS)

    async def _learn(self, session: Session, topic: bytes) -> None:
        """Ask for the verdict on a topic, and keep it while rights do not change."""
        verdicts = session.verdicts
        parsed = await self.broker.judge(session.agent, MqttAction.PUBLISH, topic.decode())
        if len(verdicts) >= self.limits.verdicts_max:
            verdicts.clear()
        verdicts[topic] = parsed

    def _refuse(self, error: Malformed) -> None:
        if error.reason == Reason.UNSUPPORTED_VERSION and self.session is None:
            admission.refuse(self, error.reason)
        else:
            self.close(error.reason)
