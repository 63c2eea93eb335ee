"""A database that tells of what was committed: events of things, and changes of rights.

Every use case is built on it, so none can change a thing and forget to tell (docs/decisions/0108).
Nothing is told of a transaction that was rolled back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from operator import attrgetter
from typing import Any, Final, cast
from uuid import UUID

from attrs import define, field, frozen

from pepeunit.domain.live.event import EventKind, Presence, presence_event, unit_events
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database, Transaction
from pepeunit.ports.events import Events
from pepeunit.ports.paging import Page
from pepeunit.usecases.live.load import UNIT_KINDS, LoadEvents, registry_event, stored_node_event

RIGHTS: Final[dict[str, Callable[[Any], Any]]] = {
    "users": attrgetter("status", "role", "token_generation", "kept_token_id"),
    "units": attrgetter(
        "visibility_level",
        "creator_uuid",
        "token_generation",
        "old_token_generation",
        "old_token_until",
    ),
    "nodes": attrgetter("visibility_level", "creator_uuid"),
    "repos": attrgetter("visibility_level", "creator_uuid"),
    "registries": attrgetter("is_public_repository", "creator_uuid"),
}
"""What of a row decides who may see what."""
WRITES: Final = ("put", "delete", "mark_presence", "settle", "wait_again", "hand_over")
FOR_ALL: Final = frozenset({"edges", "nodes"})
"""What is deleted of these may have given rights to units that are named nowhere near."""


@define(eq=False)
class _Changes:
    """What one transaction saw and wrote."""

    seen: dict[tuple[str, Any], Any] = field(factory=dict)
    writes: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = field(factory=list)

    def remember(self, name: str, found: Any) -> None:
        rows = found.items if isinstance(found, Page) else found
        for row in rows if isinstance(rows, list | tuple) else (rows,):
            if hasattr(row, "uuid"):
                self.seen.setdefault((name, row.uuid), row)


@frozen
class _Noted:
    """A collection as it is, with what it was told noted."""

    inner: Any
    name: str
    changes: _Changes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        written = name.startswith(WRITES)

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = await method(*args, **kwargs)
            if written and result != 0:  # a count of nothing that changed
                self.changes.writes.append((self.name, name, args, kwargs))
            else:
                self.changes.remember(self.name, result)
            return result

        return call


WATCHED: Final = frozenset((*RIGHTS, "permissions", "edges", "api_tokens", "rollouts"))


@frozen
class _NotedTransaction:
    inner: Transaction
    changes: _Changes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return _Noted(found, name, self.changes) if name in WATCHED else found


@frozen
class AnnouncingDatabase:
    """Implements :class:`~pepeunit.ports.database.Database` around another one."""

    inner: Database
    events: Events
    load: LoadEvents
    clock: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        changes = _Changes()
        async with self.inner.begin() as tx:
            yield cast(Transaction, _NotedTransaction(tx, changes))
        if changes.writes:
            _Announcement(self, changes).tell()

    def read(self) -> AbstractAsyncContextManager[Collections]:
        return self.inner.read()


@define(eq=False)
class _Announcement:
    database: AnnouncingDatabase
    changes: _Changes
    about: set[UUID] = field(factory=set)
    is_for_all: bool = False

    def tell(self) -> None:
        """Rights first: what is told after them is told to those who still may hear it."""
        writes = self.changes.writes
        for name, method, args, _ in writes:
            self._note_rights(name, method, args)
        if self.is_for_all:
            self.database.events.rights_changed(None)
        elif self.about:
            self.database.events.rights_changed(self.about)
        for name, method, args, kwargs in writes:
            self._tell_of(name, method, args, kwargs)

    def _note_rights(self, name: str, method: str, args: tuple[Any, ...]) -> None:
        if name in ("rollouts",) or method == "put_sealed":
            return
        if method.startswith("put") and name in RIGHTS:
            for row in _rows(args[0]):
                before = self.changes.seen.get((name, getattr(row, "uuid", None)))
                if before is not None and RIGHTS[name](before) != RIGHTS[name](row):
                    self.about.add(row.uuid)
        elif method == "hand_over" or (method == "delete" and name in FOR_ALL):
            self.is_for_all = True
        elif name == "api_tokens" and method == "delete":
            token = self.changes.seen.get((name, args[0]))
            self.is_for_all |= token is None
            self.about |= set() if token is None else {token.creator_uuid}
        elif name == "permissions" and method == "delete":
            self.about.add(args[0])
        elif method.startswith("delete"):
            self.about |= {getattr(one, "uuid", one) for one in _rows(args[0])}

    def _tell_of(
        self, name: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        events, now = self.database.events, self.database.clock()
        if name == "rollouts":
            self._tell_of_rollout(args[0])
        elif method == "mark_presence":
            if events.is_wanted(EventKind.UNIT_PRESENCE, args[0]):
                presence = Presence(kwargs["is_online"], kwargs["at"])
                events.publish(presence_event(args[0], presence, now))
        elif method in ("put", "put_many"):
            for row in _rows(args[0]):
                before = self.changes.seen.get((name, getattr(row, "uuid", None)))
                match name:
                    case "units" if any(events.is_wanted(kind, row.uuid) for kind in UNIT_KINDS):
                        for event in unit_events(row, before, now):
                            events.publish(event)
                    case "nodes" if events.is_wanted(EventKind.NODE_VALUE, row.uuid):
                        if before is None or row.state_datetime != before.state_datetime:
                            events.publish(stored_node_event(row))
                    case "registries":
                        events.publish(registry_event(row, now))

    def _tell_of_rollout(self, which: Any) -> None:
        """By the rollout, its uuid, or (a rule) the repo."""
        rollout = self.changes.seen.get(("rollouts", which), which)
        repo = getattr(rollout, "repo_uuid", None)
        if repo is not None:
            self.database.load.changed((EventKind.ROLLOUT_PROGRESS, repo))


def _rows(which: Any) -> Any:
    return which if isinstance(which, list | tuple | set | frozenset) else (which,)
