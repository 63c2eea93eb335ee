"""The audit log in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from attrs import frozen
from sqlalchemy import Select, delete, insert, or_, select, update

from pepeunit.adapters.postgres.selecting import filters, ordered, page
from pepeunit.adapters.postgres.statements import Statements
from pepeunit.adapters.postgres.tables_accounts import audit
from pepeunit.codecs.text import json_text, require_storable
from pepeunit.domain.access.agent import AgentKind
from pepeunit.domain.audit.entry import AuditEntry, Change, Deed, Outcome, Subject
from pepeunit.domain.ids import UserId
from pepeunit.ports.audit import AuditQuery
from pepeunit.ports.paging import Order, OrderKey, Page

_ADD: Final = insert(audit)
_ORDERS: Final = {OrderKey.CREATE_DATETIME: audit.c.create_datetime}


def _to_document(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "uuid": str(change.uuid),
        "deed": change.deed.value,
        "fields": {name: list(pair) for name, pair in change.fields.items()},
    }


def _to_change(document: dict[str, Any]) -> Change:
    fields = {name: (old, new) for name, (old, new) in document["fields"].items()}
    return Change(document["kind"], UUID(document["uuid"]), Deed(document["deed"]), fields)


def to_entry(row: Any) -> AuditEntry:
    return AuditEntry(
        uuid=row.uuid,
        create_datetime=row.create_datetime,
        agent_kind=AgentKind(row.agent_kind),
        agent_uuid=row.agent_uuid,
        agent_name=row.agent_name,
        verb=row.verb,
        subject=Subject(row.subject_kind, row.subject_uuid, row.subject_name, row.owner_uuid),
        address=row.address,
        outcome=Outcome(row.outcome),
        changes=tuple(map(_to_change, row.changes)),
        change_count=row.change_count,
    )


def to_row(entry: AuditEntry) -> dict[str, Any]:
    row = {
        "uuid": entry.uuid,
        "create_datetime": entry.create_datetime,
        "agent_kind": entry.agent_kind.value,
        "agent_uuid": entry.agent_uuid,
        "agent_name": entry.agent_name,
        "verb": entry.verb,
        "subject_kind": entry.subject.kind,
        "subject_uuid": entry.subject.uuid,
        "subject_name": entry.subject.name,
        "owner_uuid": entry.subject.owner,
        "address": entry.address,
        "outcome": entry.outcome.value,
        "changes": json_text("changes", list(map(_to_document, entry.changes))),
        "change_count": entry.change_count,
    }
    require_storable(row.items())
    return row


def _found(query: AuditQuery) -> Select[Any]:
    columns = audit.c
    statement = select(audit).where(
        *filters(
            owner=(columns.owner_uuid, query.owner),
            agent=(columns.agent_uuid, query.agent_uuid),
            subject=(columns.subject_uuid, query.subject_uuid),
            kind=(columns.subject_kind, query.subject_kind),
            verb=(columns.verb, query.verb),
            outcome=(columns.outcome, query.outcome and query.outcome.value),
        )
    )
    if query.since is not None:
        statement = statement.where(columns.create_datetime >= query.since)
    if query.until is not None:
        statement = statement.where(columns.create_datetime < query.until)
    order = (Order(OrderKey.CREATE_DATETIME, descending=query.newest_first),)
    return ordered(statement, order, _ORDERS, columns.uuid)


@frozen
class PostgresAudit:
    """Implements :class:`~pepeunit.ports.audit.Audit`."""

    statements: Statements

    async def add(self, entry: AuditEntry) -> None:
        await self.statements.write(_ADD, to_row(entry))

    async def find(self, query: AuditQuery) -> Page[AuditEntry]:
        return await page(self.statements, _found, query, to_entry)

    async def hand_over(self, giver: UserId, taker: UserId) -> None:
        columns = audit.c
        await self.statements.write(
            update(audit)
            .where(
                columns.owner_uuid == giver,
                or_(columns.subject_uuid.is_(None), columns.subject_uuid != giver),
            )
            .values(owner_uuid=taker)
        )

    async def purge(self, before: datetime) -> int:
        gone = await self.statements.write(delete(audit).where(audit.c.create_datetime < before))
        return gone.rowcount
