"""Read models of the audit log; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc
from pepeunit.domain.access.agent import AgentKind
from pepeunit.domain.audit.entry import AuditEntry, Change, Deed, Outcome


@frozen
class ChangeModel:
    """``fields``: name to the texts before and after."""

    kind: str
    uuid: UUID
    deed: Deed
    fields: Mapping[str, Sequence[str | None]]


@frozen
class AuditEntryModel:
    uuid: UUID
    create_datetime: datetime
    agent_kind: AgentKind
    agent_uuid: UUID | None
    agent_name: str
    verb: str
    subject_kind: str
    subject_uuid: UUID | None
    subject_name: str
    address: str
    outcome: Outcome
    change_count: int
    changes: Sequence[ChangeModel]


@frozen
class AuditModel:
    count: int
    entries: Sequence[AuditEntryModel]


def _change_model(change: Change) -> ChangeModel:
    fields = {name: list(pair) for name, pair in change.fields.items()}
    return ChangeModel(change.kind, change.uuid, change.deed, fields)


def audit_entry_model(entry: AuditEntry) -> AuditEntryModel:
    return AuditEntryModel(
        uuid=entry.uuid,
        create_datetime=naive_utc(entry.create_datetime),
        agent_kind=entry.agent_kind,
        agent_uuid=entry.agent_uuid,
        agent_name=entry.agent_name,
        verb=entry.verb,
        subject_kind=entry.subject.kind,
        subject_uuid=entry.subject.uuid,
        subject_name=entry.subject.name,
        address=entry.address,
        outcome=entry.outcome,
        change_count=entry.change_count,
        changes=[_change_model(change) for change in entry.changes],
    )
