"""The exchange: who is connected, who subscribed to what, and the way from topic to client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from pepeunit.codecs.mqtt.wire import STRING_BYTES_MAX, Reason
from pepeunit.domain.access.agent import AgentKind
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.entrypoints.devices.counters import Counters
from pepeunit.entrypoints.devices.session import Message, Session, Subject, Subscription
from pepeunit.ports.publisher import Publisher, Receipt
from pepeunit.ports.sessions import Sessions

BROKER: Final = "mqtt endpoint"


class Exchange(Publisher, Sessions):
    """Exact-topic routing by one dictionary: the cost of a message does not grow with the
    number of subscriptions. Implements the ports Publisher and Sessions.

    Made first, without anything else; an endpoint brings sessions into it.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.routes: dict[bytes, dict[Session, Subscription]] = {}
        self.stored: dict[Session, float] = {}
        """Sessions without a connection and when (loop time) they end, oldest first."""
        self.epoch = 0
        """Rises when rights change: a verdict asked for in an older epoch is asked again."""
        self.on_recheck: Callable[[], None] | None = None
        self._sessions: dict[Subject, dict[str, Session]] = {}

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, receipt: Receipt | None = None
    ) -> int | None:
        """Hand one message to the subscribers of exactly this topic.

        Sessions without a connection get a QoS 1 message queued, in memory, and do not count: a
        crash would lose it (rulings 22). Raises Unavailable for a topic longer than MQTT can carry.
        """
        raw = topic.encode()
        if len(raw) > STRING_BYTES_MAX:
            raise Unavailable(BROKER, "topic too long")
        message = Message(raw, payload, qos, receipt=receipt)
        return self.forward(message, asyncio.get_running_loop().time())

    def forward(self, message: Message, now_seconds: float) -> int:
        """How many connected sessions the message is now on its way to."""
        route = self.routes.get(message.topic)
        if route is None:
            return 0
        return sum(
            session.deliver(message, subscription, now_seconds)
            for session, subscription in list(route.items())
        )

    async def kick(self, unit: UnitId) -> None:
        """Disconnect every session of the unit, without its will, and forget it at once."""
        self.epoch += 1
        for session in list(self._sessions.get((AgentKind.UNIT, unit), {}).values()):
            session.will = None
            wire = session.wire
            self.discard(session)
            if wire is not None:
                wire.close(Reason.ADMINISTRATIVE_ACTION)

    async def recheck(self) -> None:
        """Forget cached verdicts at once; subscriptions are judged anew in the background."""
        self.epoch += 1
        for session in self.sessions():
            session.verdicts = {}
        if self.on_recheck is not None:
            self.on_recheck()

    def is_online(self, unit: UnitId) -> bool:
        return self.is_connected((AgentKind.UNIT, unit))

    def is_connected(self, subject: Subject) -> bool:
        return any(held.wire is not None for held in self._sessions.get(subject, {}).values())

    def sessions(self) -> Iterator[Session]:
        for held in list(self._sessions.values()):
            yield from list(held.values())

    def find(self, subject: Subject, client_id: str) -> Session | None:
        return self._sessions.get(subject, {}).get(client_id)

    def keep(self, session: Session) -> None:
        """Bring a session in; the place of its (subject, client id) must be free."""
        self._sessions.setdefault(session.subject, {})[session.client_id] = session

    def store(self, session: Session, ends_at: float, per_subject_max: int, all_max: int) -> None:
        """Keep a session without a connection until ``ends_at``; the oldest give way."""
        self.stored[session] = ends_at
        held = self._sessions.get(session.subject, {})
        own = sorted(
            (stored for stored in held.values() if stored in self.stored),
            key=self.stored.__getitem__,
        )
        for oldest in own[: max(0, len(own) - per_subject_max)]:
            self.discard(oldest)
        while len(self.stored) > all_max:
            self.discard(next(iter(self.stored)))

    def discard(self, session: Session) -> None:
        """Forget a session with its subscriptions and all that waits for it."""
        for topic in list(session.subscriptions):
            self.unsubscribe(session, topic)
        self.stored.pop(session, None)
        held = self._sessions.get(session.subject)
        if held is not None and held.get(session.client_id) is session:
            del held[session.client_id]
            if not held:
                del self._sessions[session.subject]

    def subscribe(self, session: Session, topic: bytes, subscription: Subscription) -> None:
        session.subscriptions[topic] = subscription
        self.routes.setdefault(topic, {})[session] = subscription

    def unsubscribe(self, session: Session, topic: bytes) -> bool:
        """False if there was no such subscription."""
        if session.subscriptions.pop(topic, None) is None:
            return False
        route = self.routes[topic]
        del route[session]
        if not route:
            del self.routes[topic]
        return True
