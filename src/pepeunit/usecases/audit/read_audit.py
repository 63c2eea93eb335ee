"""Read the audit log, and let it end (rulings 8, section 6)."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind, require_scope
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.audit.entry import AuditEntry
from pepeunit.ports.audit import AuditQuery
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Page


@frozen
class ListAudit:
    """Everything for administrators, others see the rows about their own things."""

    database: Database

    async def __call__(self, agent: Agent, query: AuditQuery) -> Page[AuditEntry]:
        require_kind(agent, AgentKind.USER)
        require_scope(agent, TokenScope.READ)
        if not agent.is_admin:
            query = evolve(query, owner=agent.user_id)
        async with self.database.read() as rows:
            return await rows.audit.find(query)


@frozen
class PurgeAudit:
    """``retention_days`` is ``PU_AUDIT_RETENTION_DAYS``."""

    database: Database
    clock: Clock
    retention_days: int

    async def __call__(self) -> int:
        """How many rows went."""
        before = self.clock() - timedelta(days=self.retention_days)
        async with self.database.begin() as tx:
            return await tx.audit.purge(before)
