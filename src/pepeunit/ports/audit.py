"""The audit log, written in the transaction it tells of."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from attrs import frozen

from pepeunit.domain.audit.entry import AuditEntry, Outcome
from pepeunit.domain.ids import UserId
from pepeunit.ports.paging import WHOLE, Page, Slice


@frozen
class AuditQuery:
    """``owner`` keeps the rows about that person's things; newest rows first."""

    owner: UserId | None = None
    agent_uuid: UUID | None = None
    subject_uuid: UUID | None = None
    subject_kind: str | None = None
    verb: str | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None
    newest_first: bool = True
    slice: Slice = WHOLE


class Audit(Protocol):
    async def add(self, entry: AuditEntry) -> None: ...

    async def find(self, query: AuditQuery) -> Page[AuditEntry]: ...

    async def hand_over(self, giver: UserId, taker: UserId) -> None:
        """Rows about things that change hands follow them; those about the person stay."""
        ...

    async def purge(self, before: datetime) -> int:
        """Forget older rows; how many went."""
        ...
