"""The hub of one process: from a key to those who listen to it, by dictionary."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from pepeunit.domain.live.event import Event, EventKind, Key
from pepeunit.ports.events import Follower, Listener

Listeners = dict[Listener, None]


class Hub:
    """Implements :class:`~pepeunit.ports.events.Events`: the cost of an event is the number of
    those who listen to its key."""

    def __init__(self) -> None:
        self._listeners: dict[EventKind, dict[UUID, Listeners]] = {kind: {} for kind in EventKind}
        self._nodes = self._listeners[EventKind.NODE_VALUE]
        self._followers: list[Follower] = []

    @property
    def nodes(self) -> Mapping[UUID, Collection[Listener]]:
        return self._nodes

    def is_wanted(self, kind: EventKind, uuid: UUID) -> bool:
        return uuid in self._listeners[kind]

    def publish(self, event: Event) -> None:
        for listener in tuple(self._listeners[event.kind].get(event.uuid, ())):
            listener.offer(event)

    def listened(self) -> Mapping[Key, Collection[Listener]]:
        return {
            (kind, uuid): tuple(found)
            for kind, by_uuid in self._listeners.items()
            for uuid, found in by_uuid.items()
        }

    def listen(self, listener: Listener, keys: Collection[Key]) -> None:
        for kind, uuid in keys:
            self._listeners[kind].setdefault(uuid, {})[listener] = None
        for follower in self._followers:
            follower.wanted(keys)

    def ignore(self, listener: Listener, keys: Iterable[Key]) -> None:
        for kind, uuid in keys:
            found = self._listeners[kind].get(uuid)
            if found is None:
                continue
            found.pop(listener, None)
            if not found:
                del self._listeners[kind][uuid]

    def follow(self, follower: Follower) -> None:
        self._followers.append(follower)

    def rights_changed(self, about: Collection[UUID] | None) -> None:
        for follower in self._followers:
            follower.rights_changed(about)
