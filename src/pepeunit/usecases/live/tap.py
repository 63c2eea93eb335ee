"""Where device messages turn to those who watch; it never slows the way into the journal.

A value is the published one, before any pipe. Those of a moment are gathered to the newest of each
node and handed on some fifty times a second: what a node costs does not grow with how fast it
publishes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.live.event import EventKind, log_event, node_event
from pepeunit.domain.messaging.topic import NodeTopic, ParsedTopic
from pepeunit.domain.units.log import UnitLog
from pepeunit.ports.events import Events

GATHER_SECONDS: Final = 0.02


class TapMessages:
    """One for each process that receives messages."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._newest: dict[UUID, tuple[int, bytes, int]] = {}

    def values(
        self, messages: Sequence[tuple[ParsedTopic, bytes, int, Agent]], received_ms: int
    ) -> None:
        """Where nobody watches any node, this is one look at an empty dictionary."""
        watched = self._events.nodes
        if not watched:
            return
        newest = self._newest
        was_empty = not newest
        for topic, payload, _, _ in messages:
            if isinstance(topic, NodeTopic) and topic.node in watched:
                before = newest.get(topic.node)
                passed_over = 0 if before is None else before[2] + 1
                newest[topic.node] = (received_ms, payload, passed_over)
        if newest and was_empty:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._hand_on)

    def _hand_on(self) -> None:
        newest, self._newest = self._newest, {}
        for node, (received_ms, payload, passed_over) in newest.items():
            self._events.publish(node_event(node, received_ms, payload, passed_over))

    def logs(self, entries: Sequence[UnitLog]) -> None:
        """Entries of one unit."""
        if self._events.is_wanted(EventKind.UNIT_LOG, entries[0].unit_uuid):
            for entry in entries:
                self._events.publish(log_event(entry))
