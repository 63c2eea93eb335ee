"""The audit log in memory."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from attrs import evolve, frozen

from pepeunit.adapters.memory.selecting import Keys, page, wanted
from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.domain.audit.entry import AuditEntry
from pepeunit.domain.ids import UserId
from pepeunit.ports.audit import AuditQuery
from pepeunit.ports.paging import Order, OrderKey, Page

_KEYS: Final[Keys[AuditEntry]] = {OrderKey.CREATE_DATETIME: lambda entry: entry.create_datetime}


@frozen
class MemoryAudit:
    """Implements :class:`~pepeunit.ports.audit.Audit`."""

    view: View

    async def add(self, entry: AuditEntry) -> None:
        world = self.view.for_writing()
        require_storable_row(entry)
        require_storable_row(entry.subject)
        world.audit[entry.uuid] = entry

    async def find(self, query: AuditQuery) -> Page[AuditEntry]:
        rows = (
            entry
            for entry in self.view.world.audit.values()
            if wanted(entry.subject.owner, query.owner)
            and wanted(entry.agent_uuid, query.agent_uuid)
            and wanted(entry.subject.uuid, query.subject_uuid)
            and wanted(entry.subject.kind, query.subject_kind)
            and wanted(entry.verb, query.verb)
            and wanted(entry.outcome, query.outcome)
            and (query.since is None or entry.create_datetime >= query.since)
            and (query.until is None or entry.create_datetime < query.until)
        )
        order = (Order(OrderKey.CREATE_DATETIME, descending=query.newest_first),)
        return page(rows, order, query.slice, _KEYS)

    async def hand_over(self, giver: UserId, taker: UserId) -> None:
        audit = self.view.for_writing().audit
        for entry in list(audit.values()):
            if entry.subject.owner == giver and entry.subject.uuid != giver:
                audit[entry.uuid] = evolve(entry, subject=evolve(entry.subject, owner=taker))

    async def purge(self, before: datetime) -> int:
        audit = self.view.for_writing().audit
        gone = [entry.uuid for entry in audit.values() if entry.create_datetime < before]
        for uuid in gone:
            del audit[uuid]
        return len(gone)
