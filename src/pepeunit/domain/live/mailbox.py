"""What waits for one reader: bounded, whatever the reader does.

Of values only the newest of each key waits, in the place of the first one; log entries wait in
order, and the oldest give way. What was passed over is counted, and the count is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import define, evolve, field, frozen

from pepeunit.domain.live.event import Event, EventKind, Key

W = TypeVar("W")


@frozen
class MailboxLimits:
    """``entries_max`` log entries of one unit, ``bytes_max`` of everything together."""

    entries_max: int = 256
    bytes_max: int = 1024 * 1024


@define(eq=False)
class _Waiting:
    events: deque[Event]
    passed_over: int = 0


@define(eq=False)
class Mailbox(Generic[W]):
    """``W`` is a watch: one reader may have several, and their keys are apart.

    ``wake`` is called with each event that is put. ``is_overflown``: values of so many keys wait
    that even the newest of each outgrow ``bytes_max``; nothing more is taken, and the reader is to
    be sent away.
    """

    limits: MailboxLimits
    wake: Callable[[], None]
    size_bytes: int = 0
    is_overflown: bool = False
    _waiting: dict[tuple[W, Key], _Waiting] = field(factory=dict)

    def put(self, watch: W, event: Event) -> None:
        if self.is_overflown:
            return
        slot = (watch, event.key)
        waiting = self._waiting.get(slot)
        if waiting is None:
            waiting = self._waiting[slot] = _Waiting(deque())
        if event.passed_over:
            waiting.passed_over += event.passed_over
            event = evolve(event, passed_over=0)
        waiting.events.append(event)
        self.size_bytes += event.size_bytes
        most = self.limits.entries_max if event.kind is EventKind.UNIT_LOG else 1
        while len(waiting.events) > most:
            self._pass_over(waiting)
        while self.size_bytes > self.limits.bytes_max and len(waiting.events) > 1:
            self._pass_over(waiting)
        if self.size_bytes > self.limits.bytes_max:
            self.clear()
            self.is_overflown = True
        self.wake()

    def _pass_over(self, waiting: _Waiting) -> None:
        self.size_bytes -= waiting.events.popleft().size_bytes
        waiting.passed_over += 1

    def take(self) -> list[tuple[W, Event]]:
        """Everything, oldest key first; the first event of a key has the count."""
        taken = []
        for (watch, _), waiting in self._waiting.items():
            first, *more = waiting.events
            if waiting.passed_over:
                first = evolve(first, passed_over=waiting.passed_over)
            taken.append((watch, first))
            taken += [(watch, event) for event in more]
        self.clear()
        return taken

    def forget(self, watch: W) -> None:
        for slot in [slot for slot in self._waiting if slot[0] is watch]:
            waiting = self._waiting.pop(slot)
            self.size_bytes -= sum(event.size_bytes for event in waiting.events)

    def clear(self) -> None:
        self._waiting.clear()
        self.size_bytes = 0

    def __len__(self) -> int:
        return sum(len(waiting.events) for waiting in self._waiting.values())
