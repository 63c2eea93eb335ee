"""Joins the hubs of several processes over notices (docs/decisions/0108).

Each process says which keys it wants; the others then tell it of those alone. Values and log
entries are carried, rows are named and read. Everything that waits is bounded: of values the
newest of each key, of entries the last ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from attrs import evolve

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.live.event import Event, EventKind, Key
from pepeunit.ports.events import Events
from pepeunit.ports.notices import NoticeForm, Notices
from pepeunit.usecases.live.load import LoadEvents

log = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.05
TURN_BYTES: Final = 512 * 1024
WANT_SECONDS: Final = 10.0
WANTED_FOR_SECONDS: Final = 30.0
LOOK_AGAIN_SECONDS: Final = 1.0
"""By then the others know what is wanted; what happened before they did is read."""
RETRY_SECONDS: Final = 1.0
WANTED_BY_OTHERS_MAX: Final = 100_000
ENTRIES_MAX: Final = 1_000
RIGHTS_MAX: Final = 1_000
EVERYBODY: Final = "*"
WANTED, EVENTS, CHANGED, RIGHTS = "wanted", "events", "changed", "rights"
BEGUN: Final = "begun"


class Relay:
    """``teller`` names this process among the others."""

    def __init__(
        self, events: Events, load: LoadEvents, notices: Notices, form: NoticeForm, teller: str
    ) -> None:
        self._events = events
        self._load = load
        self._notices = notices
        self._form = form
        self._teller = teller
        self._by_others: dict[Key, float] = {}
        self._wanted: dict[Key, None] = {}
        self._values: dict[Key, Event] = {}
        self._entries: deque[Event] = deque()
        self._lost: dict[Key, int] = {}
        self._changed: dict[Key, None] = {}
        self._rights: set[UUID] | None = set()
        self._is_repeating = False
        self._has_begun = False
        """And the others were not told yet."""
        self._more = asyncio.Event()
        events.follow(self)

    # what this process has to tell

    def offer(self, event: Event) -> None:
        if event.is_repeated:
            return
        key = event.key
        if event.kind is EventKind.NODE_VALUE:
            before = self._values.get(key)
            if before is not None:
                event = evolve(event, passed_over=event.passed_over + before.passed_over + 1)
            self._values[key] = event
        elif event.kind is EventKind.UNIT_LOG:
            self._entries.append(event)
            if len(self._entries) > ENTRIES_MAX:
                self._lose(self._entries.popleft())
        else:
            self._changed[key] = None
        self._more.set()

    def _lose(self, entry: Event) -> None:
        self._lost[entry.key] = self._lost.get(entry.key, 0) + 1 + entry.passed_over

    def rights_changed(self, about: Collection[UUID] | None) -> None:
        if self._is_repeating:
            return
        if about is None or self._rights is None:
            self._rights = None
        else:
            self._rights |= set(about)
            if len(self._rights) > RIGHTS_MAX:
                self._rights = None
        self._more.set()

    def wanted(self, keys: Collection[Key]) -> None:
        if not self._is_repeating:
            self._wanted.update(dict.fromkeys(keys))
            self._more.set()

    def _notices_of_a_turn(self) -> Iterator[str]:
        """Rights first; what does not fit into a turn waits for the next."""
        write, teller = self._form.write, self._teller
        if self._has_begun:
            self._has_begun = False
            yield from write(teller, BEGUN, [EVERYBODY])
        if self._rights is None or self._rights:
            about = [EVERYBODY] if self._rights is None else [one.hex for one in self._rights]
            self._rights = set()
            yield from write(teller, RIGHTS, about)
        wanted, self._wanted = self._wanted, {}
        yield from write(teller, WANTED, map(self._form.key, wanted))
        yield from write(teller, EVENTS, self._carried())
        changed, self._changed = self._changed, {}
        yield from write(teller, CHANGED, map(self._form.key, changed))

    def _carried(self) -> Iterator[Any]:
        """Up to TURN_BYTES; a value that does not fit into a notice is read by the others, and an
        entry that does not is counted."""
        room = TURN_BYTES
        while room > 0 and self._entries:
            entry = self._entries.popleft()
            room -= entry.size_bytes
            entry = evolve(entry, passed_over=entry.passed_over + self._lost.pop(entry.key, 0))
            item = self._form.carried(entry)
            if item is None:
                self._lose(entry)
            else:
                yield item
        while room > 0 and self._values:
            value = self._values.pop(next(iter(self._values)))
            room -= value.size_bytes
            item = self._form.carried(value)
            if item is None:
                self._changed[value.key] = None
            else:
                yield item

    # the talk

    async def run(self) -> None:
        """Until cancelled; a connection that is lost is made again."""
        while True:
            try:
                async with self._notices.hearing() as heard:
                    self._begin()
                    await self._talk(heard)
            except Unavailable as outage:
                log.warning("live data of other processes is missing: %s", outage)
                await asyncio.sleep(RETRY_SECONDS)

    def _begin(self) -> None:
        """What was told until now may have been missed: ask for everything, believe nothing.
        Who hears of it says again what it wants."""
        self._has_begun = True
        own = self._own_keys()
        self.wanted(own)
        self._read_again(own)
        self._repeat_rights(None)
        self._rights = None

    async def _talk(self, heard: AsyncIterator[str]) -> None:
        works = [
            asyncio.ensure_future(work) for work in (self._hear(heard), self._tell(), self._renew())
        ]
        try:
            await asyncio.gather(*works)
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._more.wait()
            self._more.clear()
            fresh = list(self._wanted)
            await self._notices.tell(list(self._notices_of_a_turn()))
            if fresh:
                loop.call_later(LOOK_AGAIN_SECONDS, self._read_again, fresh)
            if self._values or self._entries:
                self._more.set()
            await asyncio.sleep(GATHER_SECONDS)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(WANT_SECONDS)
            own = self._own_keys()
            self._wanted.update(dict.fromkeys(own))
            self._more.set()
            now = asyncio.get_running_loop().time()
            ended = [key for key, until in self._by_others.items() if until <= now]
            for key in ended:
                del self._by_others[key]
            self._events.ignore(self, ended)

    def _own_keys(self) -> list[Key]:
        listened = self._events.listened().items()
        return [key for key, listeners in listened if any(one is not self for one in listeners)]

    def _read_again(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if key[0] not in (EventKind.NODE_VALUE, EventKind.UNIT_LOG):
                self._load.changed(key, is_repeated=True)

    async def _hear(self, heard: AsyncIterator[str]) -> None:
        async for notice in heard:
            try:
                teller, part, items = self._form.read(notice)
                if teller != self._teller:
                    self._take(part, items)
            except (ValueError, TypeError, KeyError):
                log.warning("a notice that nobody understands is passed over")

    def _take(self, part: str, items: Collection[Any]) -> None:
        form = self._form
        if part == BEGUN:
            self.wanted(self._own_keys())
        elif part == WANTED:
            self._want([form.key_of(item) for item in items])
        elif part == EVENTS:
            for item in items:
                self._events.publish(form.event_of(item))
        elif part == CHANGED:
            for item in items:
                self._load.changed(form.key_of(item), is_repeated=True)
        elif part == RIGHTS:
            self._repeat_rights(None if EVERYBODY in items else {UUID(item) for item in items})

    def _want(self, keys: Collection[Key]) -> None:
        until = asyncio.get_running_loop().time() + WANTED_FOR_SECONDS
        room = WANTED_BY_OTHERS_MAX - len(self._by_others)
        known = [key for key in keys if key in self._by_others]
        taken = known + [key for key in keys if key not in self._by_others][:room]
        self._by_others.update(dict.fromkeys(taken, until))
        self._is_repeating = True
        try:
            self._events.listen(self, taken)
        finally:
            self._is_repeating = False

    def _repeat_rights(self, about: Collection[UUID] | None) -> None:
        self._is_repeating = True
        try:
            self._events.rights_changed(about)
        finally:
            self._is_repeating = False
