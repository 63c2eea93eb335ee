"""CONNECT: who may come in, with which session (rulings 28 and 29)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from pepeunit.codecs.mqtt.encode import encode_connack
from pepeunit.codecs.mqtt.packets import Connect
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.codecs.mqtt.wire import VARINT_MAX, VERSION_3, VERSION_5, Reason
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Conflict, Refused, Throttled, Unauthenticated, Unavailable
from pepeunit.entrypoints.devices.channel import Channel
from pepeunit.entrypoints.devices.session import Session, subject_of
from pepeunit.usecases.messages.authorize_topic import MqttAction

NOT_AUTHORIZED_3: Final = 5
CODES_3: Final = {
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.CLIENT_ID_INVALID: 2,
    Reason.SERVER_UNAVAILABLE: 3,
    Reason.CONNECTION_RATE_EXCEEDED: 3,
    Reason.BAD_CREDENTIALS: 4,
}
"""CONNACK codes of MQTT 3.1.1; every other reason is "not authorised"."""
ASSIGNED_ID_BYTES: Final = 16
JUDGEMENTS_MAX: Final = 8
"""How often a CONNECT is judged anew because rights changed meanwhile."""


async def admit(channel: Channel, connect: Connect) -> None:
    """Judge a CONNECT; only an allowed one touches any session, its own subject's alone."""
    channel.version = connect.version
    client_id = connect.client_id or f"auto-{secrets.token_hex(ASSIGNED_ID_BYTES)}"
    verdict = await _judge(channel, connect, client_id)
    if channel.is_closed:
        return
    if isinstance(verdict, Reason):
        refuse(channel, verdict)
        return
    _open(channel, connect, verdict, client_id)


def refuse(channel: Channel, reason: Reason) -> None:
    """CONNACK with the reason in the client's own version, then the end."""
    channel.broker.counters.refused_connects += 1
    if channel.version == VERSION_5:
        channel.write(encode_connack(reason, VERSION_5))
    else:
        channel.write(encode_connack(CODES_3.get(reason, NOT_AUTHORIZED_3), VERSION_3))
    channel.finish()


async def _judge(channel: Channel, connect: Connect, client_id: str) -> Agent | Reason:
    if Property.AUTHENTICATION_METHOD in connect.properties:
        return Reason.BAD_AUTHENTICATION_METHOD
    needs_id = connect.version == VERSION_3 and not connect.clean_start
    if len(client_id) > channel.limits.client_id_length_max or (needs_id and not connect.client_id):
        return Reason.CLIENT_ID_INVALID
    broker = channel.broker
    for _ in range(JUDGEMENTS_MAX):
        epoch = broker.exchange.epoch
        try:
            agent = await broker.platform.authenticate(connect.username or "", client_id)
            if connect.will is not None and not await broker.judge(
                agent, MqttAction.PUBLISH, connect.will.topic
            ):
                return Reason.NOT_AUTHORIZED
        except Unauthenticated:
            return Reason.BAD_CREDENTIALS
        except Conflict:
            return Reason.CLIENT_ID_INVALID
        except Throttled:
            return Reason.CONNECTION_RATE_EXCEEDED
        except Refused:
            return Reason.NOT_AUTHORIZED
        except Unavailable:
            return Reason.SERVER_UNAVAILABLE
        if epoch == broker.exchange.epoch:
            return agent
    return Reason.SERVER_UNAVAILABLE


def _open(channel: Channel, connect: Connect, agent: Agent, client_id: str) -> None:
    """Take over, resume or begin the session. Synchronous: nothing can come between."""
    broker = channel.broker
    exchange = broker.exchange
    subject = subject_of(agent)
    held = exchange.find(subject, client_id)
    if held is not None and held.wire is not None:
        held.wire.close(Reason.TAKEN_OVER)
        held = exchange.find(subject, client_id)
    if held is not None and connect.clean_start:
        broker.end(held)
        held = None
    session = held or Session(agent, client_id, channel.limits, exchange.counters)
    exchange.stored.pop(session, None)
    exchange.keep(session)
    session.agent = agent
    session.verdicts = {}
    session.will = connect.will
    session.will_due = None
    session.wire = channel
    limits = channel.limits
    asked = connect.properties.get(Property.SESSION_EXPIRY, 0)
    if connect.version == VERSION_3 and not connect.clean_start:
        asked = limits.session_expiry_seconds
    session.expiry_seconds = min(asked, limits.session_expiry_seconds)
    channel.keepalive_seconds = connect.keepalive_seconds * limits.keepalive_factor
    channel.packet_bytes_max = connect.properties.get(Property.MAXIMUM_PACKET, VARINT_MAX)
    channel.inflight_max = min(
        limits.inflight_max,
        connect.properties.get(Property.RECEIVE_MAXIMUM, limits.inflight_max),
    )
    channel.attach(session)
    exchange.counters.accepted_connects += 1
    properties = _offer(channel, session, asked, client_id if not connect.client_id else "")
    channel.write(
        encode_connack(
            Reason.SUCCESS,
            connect.version,
            session_present=held is not None,
            properties=properties,
        )
    )
    broker.reports.connected(agent)
    session.resume(asyncio.get_running_loop().time())
    if session.is_listening:
        broker.reports.listening(agent)


def _offer(
    channel: Channel, session: Session, asked_expiry: int, assigned_id: str
) -> dict[int, Any]:
    """What a client of MQTT 5 must know about this endpoint."""
    limits = channel.limits
    offer: dict[int, Any] = {
        Property.RECEIVE_MAXIMUM: limits.receive_max,
        Property.MAXIMUM_PACKET: limits.packet_bytes_max,
        Property.TOPIC_ALIAS_MAXIMUM: limits.topic_alias_max,
        Property.RETAIN_AVAILABLE: 0,
        Property.WILDCARD_AVAILABLE: 0,
        Property.SHARED_AVAILABLE: 0,
    }
    if session.expiry_seconds != asked_expiry:
        offer[Property.SESSION_EXPIRY] = session.expiry_seconds
    if assigned_id:
        offer[Property.ASSIGNED_CLIENT_ID] = assigned_id
    return offer
