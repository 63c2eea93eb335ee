"""One connection that watches: what waits for it, and whether it may still be told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from attrs import define, evolve, field, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.errors import Refused
from pepeunit.domain.live.event import Event, EventKind, Key
from pepeunit.domain.live.mailbox import Mailbox, MailboxLimits
from pepeunit.domain.units.unit import Unit
from pepeunit.usecases.units.read_units import shown_unit


class TooSlow(Exception):
    """The reader does not read what it asked for; it may come back."""


@define(eq=False)
class Watch:
    """What one subscription listens to. Until it is open, only the newest event of each key is
    kept: it replaces the standing that was read meanwhile."""

    reader: Reader
    keys: frozenset[Key]
    about: frozenset[UUID] = frozenset()
    ended: Refused | None = None
    _early: dict[Key, Event] | None = field(factory=dict)

    def offer(self, event: Event) -> None:
        if self._early is None:
            self.reader.mailbox.put(self, event)
        elif event.kind is not EventKind.UNIT_LOG:
            self._early[event.key] = event

    def open(self, standing: Iterable[Event]) -> None:
        """From here on events are passed on, after how things stand now."""
        early, self._early = self._early or {}, None
        for event in standing:
            newest = early.get(event.key, event)
            self.reader.mailbox.put(self, evolve(newest, is_snapshot=True))


@frozen
class Told:
    """An event for a watch; or, without one, the end of the watch."""

    watch: Watch
    event: Event | None = None


class Reader:
    """``token`` is asked again when rights change; ``expires`` is its own end.

    While ``is_held`` nothing is handed out: rights changed, and the verdicts are being asked anew.
    What happened after a right was lost is never told to who lost it.
    """

    def __init__(
        self, agent: Agent, token: str | None, expires: datetime | None, limits: MailboxLimits
    ) -> None:
        self.agent = agent
        self.token = token
        self.expires = expires
        self.watches: dict[Watch, None] = {}
        self.ended: Exception | None = None
        self.is_held = False
        self.judged_at = 0.0
        self._ready = asyncio.Event()
        self.mailbox: Mailbox[Watch] = Mailbox(limits, self._wake)
        self._over: list[Watch] = []

    def _wake(self) -> None:
        if not self.is_held:
            self._ready.set()

    def hangs_on(self, about: Collection[UUID] | None) -> bool:
        """``about`` None is everything. Whether a unit may hangs on its creator too, who is not
        known here."""
        if about is None or self.agent.uuid in about or self.agent.kind is AgentKind.UNIT:
            return True
        return any(not watch.about.isdisjoint(about) for watch in self.watches)

    def hold(self) -> None:
        self.is_held = True
        self._ready.clear()

    def release(self) -> None:
        self.is_held = False
        self._ready.set()

    def end(self, reason: Exception) -> None:
        """Everything; what waits is dropped."""
        if self.ended is None:
            self.ended = reason
        self.mailbox.clear()
        self.release()

    def end_watch(self, watch: Watch, reason: Refused) -> None:
        watch.ended = reason
        self.mailbox.forget(watch)
        self._over.append(watch)

    async def next(self) -> list[Told]:
        """What happened since, at once when something waits. Raises what ended the reader:
        ``Unauthenticated``, :class:`TooSlow`."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            found = self.at_once()
            if found:
                return found

    def at_once(self) -> list[Told]:
        """What waits, without waiting; nothing while the reader is held. Raises as well."""
        if self.ended is not None:
            self._ready.set()
            raise self.ended
        if self.mailbox.is_overflown:
            raise TooSlow
        if self.is_held:
            return []
        found = [Told(watch, self._shown(event)) for watch, event in self.mailbox.take()]
        over, self._over = self._over, []
        return found + [Told(watch) for watch in over]

    def _shown(self, event: Event) -> Event:
        if event.kind is not EventKind.UNIT_STATE or not isinstance(event.told, Unit):
            return event
        shown = shown_unit(self.agent, event.told)
        return event if shown is event.told else evolve(event, told=shown)
