"""A broker in memory: what was published, who listens, who was sent away."""

from __future__ import annotations

from attrs import define, field, frozen

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.ports.publisher import Receipt

UNIT_LEVEL = 2
"""The level of a base topic that names the unit, counted from 0."""


@frozen
class Published:
    topic: str
    payload: bytes
    qos: int


@define(eq=False)
class MemoryBroker:
    """Implements :class:`~pepeunit.ports.publisher.Publisher` and
    :class:`~pepeunit.ports.sessions.Sessions`.

    A unit in ``listening`` gets every message on its command topics, and takes it unless it is
    ``silent``.
    """

    listening: set[UnitId] = field(factory=set)
    silent: set[UnitId] = field(factory=set)
    is_down: bool = False
    published: list[Published] = field(factory=list, init=False)
    kicked: list[UnitId] = field(factory=list, init=False)
    rechecks: int = field(default=0, init=False)

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, receipt: Receipt | None = None
    ) -> int | None:
        if self.is_down:
            raise Unavailable("MQTT broker", "does not answer")
        levels = topic.split("/")
        receivers = {
            unit
            for unit in self.listening
            if len(levels) > UNIT_LEVEL and str(unit) == levels[UNIT_LEVEL]
        }
        self.published.append(Published(topic, payload, qos))
        if receipt is not None and receivers - self.silent:
            receipt.taken()
        return len(receivers)

    async def kick(self, unit: UnitId) -> None:
        self.kicked.append(unit)
        self.listening.discard(unit)

    async def recheck(self) -> None:
        self.rechecks += 1

    def is_online(self, unit: UnitId) -> bool:
        return unit in self.listening
