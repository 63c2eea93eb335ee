"""What a door wraps around each operation, so that its doing is told of (docs/decisions/0100)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.audit.entry import Change, Outcome, Subject
from pepeunit.domain.errors import Forbidden
from pepeunit.domain.ids import UserId
from pepeunit.usecases.audit.act import Act, doing
from pepeunit.usecases.audit.recording import RecordingDatabase, asked_about


@frozen
class RecordActs:
    """A row for each change (in its own transaction), for each command that changes no row, for
    each refused change of a person, for each sign-in, and for each private thing that an
    administrator saw by his role."""

    database: RecordingDatabase

    @asynccontextmanager
    async def __call__(
        self,
        agent: Agent,
        verb: str,
        address: str,
        *,
        changes: bool,
        collection: str | None = None,
        uuid: UUID | None = None,
    ) -> AsyncIterator[Act]:
        """``changes``: the operation is one that does something, not a look."""
        act = Act(agent, verb, address, collection, uuid)
        try:
            with doing(act):
                yield act
        except Forbidden:
            person = agent.kind is AgentKind.USER and changes
            if not act.is_recorded and (person or act.is_sign_in):
                await self._write(act, Outcome.REFUSED)
            raise
        if changes and not act.is_recorded and agent.kind is not AgentKind.UNIT:
            await self._write(act, Outcome.DONE)
        await self._write_bypasses(act)

    async def _write(self, act: Act, outcome: Outcome) -> None:
        async with self.database.inner.begin() as tx:
            subject = act.subject or await asked_about(tx, act)
            await tx.audit.add(self.database.entry(act, subject, [], outcome))

    async def _write_bypasses(self, act: Act) -> None:
        """One row for each owner, so that each reads of his own things."""
        if not act.bypassed:
            return
        of_owner: dict[UserId | None, list[Change]] = {}
        for change, owner in act.bypassed:
            of_owner.setdefault(owner, []).append(change)
        async with self.database.inner.begin() as tx:
            for owner, changes in of_owner.items():
                only = changes[0].uuid if len(changes) == 1 else None
                subject = Subject(changes[0].kind, only, "", owner)
                await tx.audit.add(self.database.entry(act, subject, changes))
