"""The audit log over REST (rulings 8); not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.audit import AuditModel, audit_entry_model
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.audit.entry import Outcome
from pepeunit.entrypoints.http.paging import slice_of
from pepeunit.entrypoints.http.route import Route
from pepeunit.ports.audit import AuditQuery
from pepeunit.usecases.audit.read_audit import ListAudit


@frozen(kw_only=True)
class AuditList(Paged):
    """``since`` is included, ``until`` is not."""

    agent_uuid: UUID | None = None
    subject_uuid: UUID | None = None
    subject_kind: str | None = None
    verb: str | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None
    order_by_create_date: Direction | None = None


@frozen
class AuditDoor:
    list_audit: ListAudit

    def routes(self) -> Sequence[Route]:
        return (Route.of("GET", "/audit", self.find),)

    async def find(self, agent: Agent, query: AuditList) -> AuditModel:
        """Who did what, newest first: about one's own things; everything for administrators."""
        page = await self.list_audit(
            agent,
            AuditQuery(
                agent_uuid=query.agent_uuid,
                subject_uuid=query.subject_uuid,
                subject_kind=query.subject_kind,
                verb=query.verb,
                outcome=query.outcome,
                since=query.since,
                until=query.until,
                newest_first=query.order_by_create_date is not Direction.ASCENDING,
                slice=slice_of(query),
            ),
        )
        return AuditModel(page.count, [audit_entry_model(entry) for entry in page.items])
