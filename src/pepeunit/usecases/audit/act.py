"""What is being done right now, on whose behalf: the doors say it, transactions write it down.

The act travels with the task, not through the arguments of every use case: a use case that had to
pass it on could forget to (docs/decisions/0100).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from attrs import define, field

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.audit.entry import Change, Deed, Subject
from pepeunit.domain.ids import UserId


@define(eq=False)
class Act:
    """``verb`` is the door's name of the operation, ``address`` where it was asked from;
    ``collection`` and ``uuid`` say what it was asked about, where the door knows.

    ``subject`` is what it turned out to be about. ``is_recorded``: a row of it is committed.
    """

    agent: Agent
    verb: str
    address: str
    collection: str | None = None
    uuid: UUID | None = None
    subject: Subject | None = None
    is_sign_in: bool = False
    is_recorded: bool = False
    bypassed: list[tuple[Change, UserId | None]] = field(factory=list)

    def shown(self, kind: str, uuid: UUID, owner: UserId | None) -> None:
        """An administrator saw a private thing by his role alone (rulings 8)."""
        self.bypassed.append((Change(kind, uuid, Deed.SHOWN), owner))


_current: ContextVar[Act | None] = ContextVar("act", default=None)


def current_act() -> Act | None:
    """None where no door is behind it: the platform's own work."""
    return _current.get()


@contextmanager
def doing(act: Act | None) -> Iterator[None]:
    token = _current.set(act)
    try:
        yield
    finally:
        _current.reset(token)


def note_sign_in(uuid: UserId | None, login: str) -> None:
    """Say whose door it is; an unknown login stays unnamed, for it may be a password typed into
    the wrong field."""
    act = current_act()
    if act is not None:
        act.is_sign_in = True
        act.subject = Subject("User", uuid, login if uuid else "", uuid)


def note_selection(kind: str, uuids: Sequence[UUID], owner: UserId | None) -> None:
    """Say that the act is about several of the owner's things, so that he reads its one row."""
    act = current_act()
    if act is not None:
        act.subject = Subject(kind, uuids[0] if len(uuids) == 1 else None, "", owner)
