"""The audit log over GraphQL; not in the reference's contract."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.audit import AuditEntryModel, AuditModel, ChangeModel, audit_entry_model
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.audit.entry import Deed, Outcome
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.filters import slice_of
from pepeunit.ports.audit import AuditQuery
from pepeunit.usecases.audit.read_audit import ListAudit


@frozen(kw_only=True)
class AuditFilter(Paged):
    """``since`` is included, ``until`` is not."""

    agent_uuid: UUID | None
    subject_uuid: UUID | None
    subject_kind: str | None
    verb: str | None
    outcome: Outcome | None
    since: datetime | None
    until: datetime | None
    order_by_create_date: Direction | None


@frozen
class FieldChange:
    """The texts of one field before and after."""

    name: str
    before: str | None
    after: str | None


def _field_changes(change: ChangeModel) -> list[FieldChange]:
    return [FieldChange(name, *pair) for name, pair in change.fields.items()]


@frozen
class AuditDoor:
    list_audit: ListAudit

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="audit",
            queries={"getAudit": self.find},
            inputs={"AuditFilterInput": AuditFilter},
            outputs={
                "FieldChangeType": FieldChange,
                "ChangeType": ChangeModel,
                "AuditEntryType": AuditEntryModel,
                "AuditResultType": AuditModel,
            },
            readers={"ChangeType.fields": _field_changes},
            enums={"AgentKind": AgentKind, "AuditOutcome": Outcome, "AuditDeed": Deed},
        )

    async def find(self, agent: Agent, filters: AuditFilter) -> AuditModel:
        page = await self.list_audit(
            agent,
            AuditQuery(
                agent_uuid=filters.agent_uuid,
                subject_uuid=filters.subject_uuid,
                subject_kind=filters.subject_kind,
                verb=filters.verb,
                outcome=filters.outcome,
                since=filters.since,
                until=filters.until,
                newest_first=filters.order_by_create_date is not Direction.ASCENDING,
                slice=slice_of(filters),
            ),
        )
        return AuditModel(page.count, [audit_entry_model(entry) for entry in page.items])
