"""The way from what happens to those who listen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol
from uuid import UUID

from pepeunit.domain.live.event import Event, EventKind, Key


class Listener(Protocol):
    """Called in the middle of somebody else's work: it only notes down what it is told."""

    def offer(self, event: Event) -> None: ...


class Follower(Protocol):
    """Called in the same way."""

    def rights_changed(self, about: Collection[UUID] | None) -> None:
        """Whoever is, owns or watches one of these may have lost a right; None: anybody may."""
        ...

    def wanted(self, keys: Collection[Key]) -> None:
        """Somebody listens to these from now on."""
        ...


class Events(Protocol):
    """Events go to those who listen to exactly their key: what nobody listens to costs nothing.

    Nothing here waits and nothing is kept: who listens bounds what it keeps, and what came before
    is asked of the store. Publish after the commit.
    """

    @property
    def nodes(self) -> Mapping[UUID, Collection[Listener]]:
        """The nodes whose values somebody listens to: empty most of the time."""
        ...

    def is_wanted(self, kind: EventKind, uuid: UUID) -> bool: ...

    def publish(self, event: Event) -> None: ...

    def listened(self) -> Mapping[Key, Collection[Listener]]:
        """Everything that is listened to, and by whom: a copy."""
        ...

    def listen(self, listener: Listener, keys: Collection[Key]) -> None: ...

    def ignore(self, listener: Listener, keys: Iterable[Key]) -> None:
        """The end of listening; keys that are not listened to are passed over."""
        ...

    def follow(self, follower: Follower) -> None: ...

    def rights_changed(self, about: Collection[UUID] | None) -> None: ...
