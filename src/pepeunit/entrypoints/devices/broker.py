"""The broker: sessions' lives, wills, verdicts, and what happens by the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from pepeunit.codecs.mqtt.packets import Will
from pepeunit.codecs.mqtt.properties import Property
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.topic import ParsedTopic
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.inbox import Inbox
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform
from pepeunit.entrypoints.devices.rate import Bucket
from pepeunit.entrypoints.devices.reports import Reports
from pepeunit.entrypoints.devices.session import Session, Wire
from pepeunit.usecases.messages.authorize_topic import MqttAction

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
JUDGEMENTS_MAX: Final = 8


class Client(Wire, Protocol):
    """A connection, as the broker sees it."""

    session: Session | None
    last_seen: float
    connect_by: float

    def wait_turn(self, delay_seconds: float) -> None: ...

    def check(self, now_seconds: float) -> None: ...

    def abort(self) -> None: ...


class Broker:
    """What all connections of one endpoint share."""

    def __init__(self, exchange: Exchange, platform: Platform, limits: Limits) -> None:
        self.exchange = exchange
        self.platform = platform
        self.limits = limits
        self.counters = exchange.counters
        self.reports = Reports(platform.presence)
        self.inbox = Inbox(platform.receive, exchange, limits)
        self.clients: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rechecks = asyncio.Event()
        self._emptied = asyncio.Event()
        self._arrivals = Bucket(limits.connects_per_second, 0.0)

    def start(self) -> None:
        """Begin the work that goes on beside the connections."""
        self.exchange.on_recheck = self._rechecks.set
        for work in (self.inbox.run(), self.reports.run(), self._sweep(), self._rejudge()):
            self._spawn(work)

    async def stop(self) -> None:
        """End that work, and forget nothing that was stored."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.exchange.on_recheck = None

    async def emptied(self) -> None:
        """Returns when no client is left."""
        while self.clients:
            self._emptied.clear()
            await self._emptied.wait()

    async def judge(self, agent: Agent, action: MqttAction, topic: str) -> ParsedTopic | None:
        """The policy's verdict, asked again when rights changed meanwhile.

        Too many levels and ``$`` topics are refused without asking. Raises Unavailable.
        """
        if topic.startswith("$") or topic.count("/") >= self.limits.topic_levels_max:
            return None
        for _ in range(JUDGEMENTS_MAX):
            epoch = self.exchange.epoch
            parsed = await self.platform.authorize(agent, action, topic)
            if epoch == self.exchange.epoch:
                return parsed
        raise Unavailable("policy", "rights change too fast")

    # clients

    def arrived(self, client: Client) -> None:
        """A socket was accepted: it waits for its turn, or is cut off when there are too many."""
        now = client.last_seen
        delay = self._arrivals.take(1, now)
        self.clients.add(client)
        too_late = delay > self.limits.connect_seconds
        if too_late:
            self._arrivals.take(-1, now)
        if too_late or len(self.clients) > self.limits.clients_max:
            self.counters.refused_connects += 1
            client.abort()
        elif delay:
            client.connect_by += delay
            client.wait_turn(delay)

    def left(self, client: Client) -> None:
        """A socket is gone."""
        self.clients.discard(client)
        if not self.clients:
            self._emptied.set()
        self.detach(client)

    def detach(self, client: Client) -> None:
        """The session goes on without its connection, or ends. Does nothing the second time."""
        session = client.session
        if session is None or session.wire is not client:
            return
        session.wire = None
        now = asyncio.get_running_loop().time()
        limits = self.limits
        is_kept = self.exchange.find(session.subject, session.client_id) is session
        if is_kept and session.expiry_seconds:
            if session.will is not None:
                delay = session.will.properties.get(Property.WILL_DELAY, 0)
                session.will_due = now + min(delay, limits.will_delay_seconds_max)
                if not delay:
                    self._release_will(session)
            self.exchange.store(
                session,
                now + session.expiry_seconds,
                limits.stored_sessions_per_subject_max,
                limits.stored_sessions_max,
            )
        else:
            self.end(session)
        if not self.exchange.is_connected(session.subject):
            self.reports.disconnected(session.agent)

    def end(self, session: Session) -> None:
        """The session ends: its will, if one waits, is published now."""
        self.exchange.discard(session)
        self._release_will(session)

    def _release_will(self, session: Session) -> None:
        will, session.will = session.will, None
        session.will_due = None
        if will is not None:
            self._spawn(self._publish_will(session, will))

    async def _publish_will(self, session: Session, will: Will) -> None:
        """A will is a message like any other: judged, stored, then delivered."""
        try:
            parsed = await self.judge(session.agent, MqttAction.PUBLISH, will.topic)
        except Unavailable as error:
            logger.warning("a will was not published: %s", error)
            self.counters.dropped_messages += 1
            return
        if parsed is None:
            self.counters.denied_messages += 1
        elif self.inbox.room <= 0:
            self.counters.dropped_messages += 1
        else:
            topic = will.topic.encode()
            self.counters.received_messages += 1
            self.inbox.messages.append((parsed, will.payload, will.qos, session.agent))
            if topic in self.exchange.routes:
                self.inbox.forwards.append(
                    (topic, will.payload, will.qos, will.properties, session)
                )
            self.inbox.put(len(will.payload), None)

    # by the clock

    async def _sweep(self) -> None:
        """Keepalive, late CONNECTs, unread sockets, delayed wills, expired sessions."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.sweep_seconds)
            now = loop.time()
            for client in list(self.clients):
                client.check(now)
            for session, ends_at in list(self.exchange.stored.items()):
                if ends_at <= now:
                    self.end(session)
                elif session.will_due is not None and session.will_due <= now:
                    self._release_will(session)

    async def _rejudge(self) -> None:
        """After each recheck: drop subscriptions that are no longer allowed."""
        while True:
            await self._rechecks.wait()
            self._rechecks.clear()
            try:
                for session in self.exchange.sessions():
                    await self._rejudge_session(session)
            except Unavailable as error:
                logger.warning("subscriptions are not rechecked yet: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._rechecks.set()

    async def _rejudge_session(self, session: Session) -> None:
        for topic, subscription in list(session.subscriptions.items()):
            parsed = await self.judge(session.agent, MqttAction.SUBSCRIBE, topic.decode())
            if parsed is None and session.subscriptions.get(topic) is subscription:
                self.exchange.unsubscribe(session, topic)
                session.forget_topic(topic)
                self.counters.denied_subscriptions += 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
