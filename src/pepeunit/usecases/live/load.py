"""Events whose row is not at hand where they happen: read once for all who watch."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from attrs import evolve

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId, RegistryId, RepoId, UnitId
from pepeunit.domain.live.event import (
    ENTRY_BYTES,
    Event,
    EventKind,
    Key,
    RolloutProgress,
    unit_events,
)
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.registries.registry import Registry
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.events import Events
from pepeunit.usecases.background import Background

log = logging.getLogger(__name__)

UNIT_KINDS: Final = (EventKind.UNIT_STATE, EventKind.UNIT_PRESENCE, EventKind.UNIT_UPDATE)


def stored_node_event(node: Node) -> Event:
    """The stored value: after the pipe, where the node has one."""
    size = ENTRY_BYTES + len(node.state or "")
    moment = node.state_datetime or node.create_datetime
    return Event(EventKind.NODE_VALUE, node.uuid, moment, node.state, size)


def registry_event(registry: Registry, now: datetime) -> Event:
    return Event(EventKind.REGISTRY_PROGRESS, registry.uuid, now, registry)


async def rollout_event(rows: Collections, repo: RepoId, now: datetime) -> Event:
    latest = await rows.rollouts.latest(repo)
    progress = RolloutProgress(latest)
    if latest is not None:
        progress = RolloutProgress(latest, tuple(await rows.rollouts.counts(latest.uuid)))
    return Event(EventKind.ROLLOUT_PROGRESS, repo, now, progress)


class LoadEvents:
    """Keys that changed are read and published, one pass at a time; a key that changes during a
    pass is read in the next. Bounded by the keys that are wanted."""

    def __init__(
        self, database: Database, events: Events, clock: Clock, background: Background
    ) -> None:
        self._database = database
        self._events = events
        self._clock = clock
        self._background = background
        self._changed: dict[Key, bool] = {}
        self._is_running = False

    def changed(self, key: Key, *, is_repeated: bool = False) -> None:
        """``is_repeated``: another process said so, and said it to every process."""
        if not self._events.is_wanted(*key):
            return
        self._changed[key] = is_repeated and self._changed.get(key, True)
        if not self._is_running:
            self._is_running = True
            self._background.start("load events", self._run())

    async def _run(self) -> None:
        try:
            while self._changed:
                keys, self._changed = self._changed, {}
                try:
                    async with self._database.read() as rows:
                        for key, is_repeated in keys.items():
                            async for event in self._events_of(rows, key):
                                if key not in self._changed:  # else there is a newer one
                                    self._events.publish(evolve(event, is_repeated=is_repeated))
                except Unavailable as outage:
                    log.warning("events are passed over: %s", outage)
        finally:
            self._is_running = False

    async def _events_of(self, rows: Collections, key: Key) -> AsyncIterator[Event]:
        kind, uuid = key
        now = self._clock()
        if kind in UNIT_KINDS:
            unit = await rows.units.get(UnitId(uuid))
            if unit is not None:
                for event in unit_events(unit, None, now):
                    if event.kind is kind:
                        yield event
        elif kind is EventKind.NODE_VALUE:
            node = await rows.nodes.get(NodeId(uuid))
            if node is not None:
                yield stored_node_event(node)
        elif kind is EventKind.REGISTRY_PROGRESS:
            registry = await rows.registries.get(RegistryId(uuid))
            if registry is not None:
                yield registry_event(registry, now)
        elif kind is EventKind.ROLLOUT_PROGRESS:
            yield await rollout_event(rows, RepoId(uuid), now)
