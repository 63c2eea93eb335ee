"""A database whose transactions write down what changed in them (docs/decisions/0100).

Every use case is built on it, so none can change a thing and leave no row.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from attrs import define, evolve, field, frozen

from pepeunit.domain.access.agent import BACKEND, AgentKind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import (
    CHANGES_MAX,
    MASK,
    AuditEntry,
    Change,
    Deed,
    Outcome,
    Subject,
    difference,
)
from pepeunit.domain.ids import AuditId
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database, Transaction
from pepeunit.ports.identifiers import NewUuid
from pepeunit.ports.paging import Page
from pepeunit.usecases.audit.act import Act, current_act

PERMISSION: Final = "Permission"
KINDS: Final = {
    "users": "User",
    "registries": "RepositoryRegistry",
    "repos": "Repo",
    "units": "Unit",
    "nodes": "UnitNode",
    "pipes": "UnitNode",
    "edges": "UnitNodeEdge",
    "invites": "Invite",
    "api_tokens": "ApiToken",
    "permissions": PERMISSION,
}
"""Collection to the word people know; the first one that changed is what an act was about."""
UNWATCHED: Final = frozenset({"audit"})
WRITES: Final = ("add", "put", "delete", "hand_over", "renew")
DATA: Final = frozenset({"outbox", "rollouts"})
"""What follows from other changes; alone it is only worth a row when somebody asked for it."""
PLATFORM_VERB: Final = "platform"
NAMES: Final = ("login", "name", "topic_name", "repository_url")


def subject_of(kind: str, thing: Any, agent_uuid: Any = None) -> Subject:
    """How a row speaks of a thing; a user is his own, what has no creator is the acting user's."""
    name = next((getattr(thing, one) for one in NAMES if hasattr(thing, one)), "")
    owner = thing.uuid if kind == "User" else getattr(thing, "creator_uuid", agent_uuid)
    return Subject(kind, thing.uuid, name, owner)


@define(eq=False)
class _Notes:
    """What one transaction read and changed."""

    seen: dict[tuple[str, Any], Any] = field(factory=dict)
    changes: list[Change] = field(factory=list)
    subjects: dict[str, Subject] = field(factory=dict)
    has_written: bool = False

    def remember(self, kind: str, found: Any) -> None:
        rows = found.items if isinstance(found, Page) else found
        for row in rows if isinstance(rows, list | tuple) else (rows,):
            if hasattr(row, "uuid"):
                self.seen.setdefault((kind, row.uuid), row)

    def put(self, kind: str, row: Any) -> None:
        before = self.seen.get((kind, row.uuid))
        self.seen[kind, row.uuid] = row
        fields = {} if before is None else difference(before, row)
        if before is not None and not fields:
            return
        deed = Deed.CREATED if before is None else Deed.CHANGED
        self.note(Change(kind, row.uuid, deed, fields), before or row)

    def delete(self, kind: str, which: Any) -> None:
        uuid = getattr(which, "uuid", which)
        self.note(Change(kind, uuid, Deed.DELETED), self.seen.get((kind, uuid)))

    def note(self, change: Change, thing: Any) -> None:
        self.changes.append(change)
        kind = change.kind
        if kind not in self.subjects:
            known = Subject(kind, change.uuid) if thing is None else subject_of(kind, thing)
            if kind == PERMISSION and thing is not None:
                known = evolve(known, owner=self._creator_of(thing.resource_uuid))
            self.subjects[kind] = known

    def _creator_of(self, uuid: Any) -> Any:
        found = (row for (_, seen), row in self.seen.items() if seen == uuid)
        return next((row.creator_uuid for row in found if hasattr(row, "creator_uuid")), None)

    def told(self) -> list[Change]:
        """Permissions that come and go with a thing are not told beside it."""
        own = [change for change in self.changes if change.kind != PERMISSION]
        return own or self.changes

    def subject(self) -> Subject | None:
        kinds = [kind for kind in KINDS.values() if kind in self.subjects]
        return self.subjects[kinds[0]] if kinds else next(iter(self.subjects.values()), None)


@frozen
class _Watched:
    """A collection as it is, with its writes noted after they succeed."""

    inner: Any
    kind: str
    notes: _Notes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        written = name.startswith(WRITES)

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = await method(*args, **kwargs)
            if written:
                self._note(name, args)
            else:
                self.notes.remember(self.kind, result)
            return result

        return call

    def _note(self, name: str, args: tuple[Any, ...]) -> None:
        self.notes.has_written = True
        if self.kind in DATA:
            return
        first = args[0] if args else None
        rows = first if isinstance(first, list | tuple | set | frozenset) else (first,)
        for row in rows:
            if name in ("put", "put_many", "add"):
                self.notes.put(self.kind, row)
            elif name == "delete":
                self.notes.delete(self.kind, row if len(args) == 1 else self._joined(*args))
            elif current_act() is not None:
                self._note_part(name, row, args)

    def _joined(self, agent: Any, resource: Any) -> Any:
        """The permission between the two, as it was read before it was deleted."""
        for (kind, _), row in self.notes.seen.items():
            if kind == self.kind and (row.agent_uuid, row.resource_uuid) == (agent, resource):
                return row
        return resource

    def _note_part(self, name: str, row: Any, args: tuple[Any, ...]) -> None:
        """A text that hangs on a thing: env, storage, credentials. Only its change is told."""
        uuid = getattr(row, "uuid", None) or getattr(row, "registry_uuid", None) or row
        if name == "hand_over":
            fields: dict[str, tuple[str | None, str | None]] = {"things": (None, str(args[1]))}
        else:
            part = args[1].value if len(args) > 1 else name.removeprefix("put_")
            fields = {part: (MASK, MASK)}
        change = Change(self.kind, uuid, Deed.CHANGED, fields)
        self.notes.note(change, self.notes.seen.get((self.kind, uuid)))


@frozen
class _WatchedTransaction:
    inner: Transaction
    notes: _Notes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if callable(found) or name in UNWATCHED:
            return found
        return _Watched(found, KINDS.get(name, name), self.notes)


@frozen
class _ShownTo:
    """What an administrator reads in lists; private things of others are noted (rulings 8)."""

    inner: Collections
    act: Act

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in ("repos", "units", "nodes"):
            return found
        return _ShownRows(found, KINDS[name], self.act)


@frozen
class _ShownRows:
    inner: Any
    kind: str
    act: Act

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def find(self, query: Any) -> Any:
        page = await self.inner.find(query)
        if query.scope.everything:
            for row in page.items:
                private = row.visibility_level is Visibility.PRIVATE
                if private and row.creator_uuid != self.act.agent.uuid:
                    self.act.shown(self.kind, row.uuid, row.creator_uuid)
        return page


@frozen
class RecordingDatabase:
    """Implements :class:`~pepeunit.ports.database.Database` around another one.

    The first transaction of an act that writes anything carries its row, later ones only when
    somebody's decisions changed in them. Without an act the platform is who did it, and only
    decisions count. What devices do for themselves is data and leaves no row.
    """

    inner: Database
    clock: Clock
    new_uuid: NewUuid

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        act = current_act()
        async with self.inner.begin() as tx:
            notes = _Notes()
            yield cast(Transaction, _WatchedTransaction(tx, notes))
            writes = _is_worth_a_row(act, notes)
            if writes:
                await tx.audit.add(await self._entry(tx, act, notes))
        if writes and act is not None:
            act.is_recorded = True

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Collections]:
        act = current_act()
        async with self.inner.read() as rows:
            if act is not None and act.agent.is_admin:
                yield cast(Collections, _ShownTo(rows, act))
            else:
                yield rows

    async def _entry(self, tx: Transaction, act: Act | None, notes: _Notes) -> AuditEntry:
        subject = notes.subject()
        if act is not None:
            subject = act.subject or subject or await asked_about(tx, act)
        return self.entry(act, subject, notes.told())

    def entry(
        self,
        act: Act | None,
        subject: Subject | None,
        changes: list[Change],
        outcome: Outcome = Outcome.DONE,
    ) -> AuditEntry:
        agent = BACKEND if act is None else act.agent
        return AuditEntry(
            uuid=AuditId(self.new_uuid()),
            create_datetime=self.clock(),
            agent_kind=agent.kind,
            agent_uuid=agent.uuid,
            agent_name=agent.name,
            verb=PLATFORM_VERB if act is None else act.verb,
            subject=subject or Subject("Instance"),
            address="" if act is None else act.address,
            outcome=outcome,
            changes=tuple(changes[:CHANGES_MAX]),
            change_count=len(changes),
        )


def _is_worth_a_row(act: Act | None, notes: _Notes) -> bool:
    if act is None:
        return bool(notes.changes)
    if act.agent.kind is AgentKind.UNIT:
        return False
    return bool(notes.changes) or (notes.has_written and not act.is_recorded)


async def asked_about(rows: Collections, act: Act) -> Subject | None:
    """The thing the door named, read back from the store."""
    if act.collection is None or act.uuid is None:
        return None
    kind = KINDS.get(act.collection, act.collection)
    get: Callable[[Any], Awaitable[Any]] = getattr(getattr(rows, act.collection), "get")  # noqa: B009
    found = await get(act.uuid)
    return Subject(kind, act.uuid) if found is None else subject_of(kind, found)
