"""SUBSCRIBE and UNSUBSCRIBE: exact topics only, each one asked of the policy."""

from __future__ import annotations

import logging
from typing import Final

from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.encode import encode_answer
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import VERSION_5, Reason
from pepeunit.domain.errors import Unavailable
from pepeunit.entrypoints.devices.channel import Channel
from pepeunit.entrypoints.devices.session import Session, Subscription
from pepeunit.usecases.messages.authorize_topic import MqttAction

logger = logging.getLogger(__name__)

QOS_GRANTED_MAX: Final = 1
FAILURE_3: Final = 0x80


async def subscribe(channel: Channel, session: Session, packet: p.Subscribe) -> None:
    """Answers every filter: the granted QoS (at most 1) or the reason of the refusal."""
    identifier = packet.properties.get(Property.SUBSCRIPTION_ID, [0])[0]
    codes = bytearray()
    hears_commands = False
    for line in packet.filters:
        found = await _judge(channel, session, line)
        if channel.is_closed:
            return
        if isinstance(found, Reason):
            channel.broker.counters.denied_subscriptions += 1
            codes.append(found if channel.version == VERSION_5 else FAILURE_3)
            continue
        subscription = found._replace(identifier=identifier)
        channel.broker.exchange.subscribe(session, line.topic.encode(), subscription)
        hears_commands = hears_commands or session.hears_commands(subscription.parsed)
        codes.append(subscription.qos)
    answer = encode_answer(p.SUBACK, packet.packet_id, bytes(codes), channel.version)
    channel.write(answer)
    if hears_commands:
        channel.broker.reports.listening(session.agent)


async def _judge(channel: Channel, session: Session, line: p.Filter) -> Subscription | Reason:
    topic = line.topic
    if topic.startswith("$share/"):
        return Reason.SHARED_UNSUPPORTED
    if "+" in topic or "#" in topic:
        return Reason.WILDCARD_UNSUPPORTED
    known = topic.encode() in session.subscriptions
    if not known and len(session.subscriptions) >= channel.limits.subscriptions_max:
        return Reason.QUOTA_EXCEEDED
    try:
        parsed = await channel.broker.judge(session.agent, MqttAction.SUBSCRIBE, topic)
    except Unavailable as error:
        logger.warning("a subscription was refused: %s", error)
        return Reason.UNSPECIFIED
    if parsed is None:
        return Reason.NOT_AUTHORIZED
    return Subscription(min(line.qos, QOS_GRANTED_MAX), parsed, line.no_local)


def unsubscribe(channel: Channel, session: Session, packet: p.Unsubscribe) -> None:
    codes = bytes(
        Reason.SUCCESS
        if channel.broker.exchange.unsubscribe(session, topic.encode())
        else Reason.NO_SUBSCRIPTION_EXISTED
        for topic in packet.filters
    )
    channel.write(encode_answer(p.UNSUBACK, packet.packet_id, codes, channel.version))
