"""The instance as a whole, the audit log and cookies over GraphQL (spec graphql.md 2, 6)."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.audit import AuditEntryModel, AuditModel, ChangeModel, audit_entry_model
from pepeunit.codecs.rest.instance import MetricsModel
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.audit.entry import Deed, Outcome
from pepeunit.entrypoints.graphql.door import Call, Cookie, Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done, slice_of
from pepeunit.ports.audit import AuditQuery
from pepeunit.usecases.audit.read_audit import ListAudit
from pepeunit.usecases.instance.metrics import GetMetrics

GRAFANA_COOKIE: Final = "PepeunitGrafana"


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
class InstanceDoor:
    get_metrics: GetMetrics
    list_audit: ListAudit

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="instance",
            queries={"getBaseMetrics": self.count, "getAudit": self.find},
            mutations={"deleteUserCookies": self.delete_cookies},
            inputs={"AuditFilterInput": AuditFilter},
            outputs={
                "BaseMetricsType": MetricsModel,
                "FieldChangeType": FieldChange,
                "ChangeType": ChangeModel,
                "AuditEntryType": AuditEntryModel,
                "AuditResultType": AuditModel,
            },
            readers={"ChangeType.fields": _field_changes},
            enums={"AgentKind": AgentKind, "AuditOutcome": Outcome, "AuditDeed": Deed},
            tokenless=frozenset({"deleteUserCookies"}),
        )

    async def count(self, agent: Agent) -> MetricsModel:
        census = await self.get_metrics(agent)
        return MetricsModel(
            user_count=census.user_count,
            repository_registry_count=census.repository_registry_count,
            repo_count=census.repo_count,
            unit_count=census.unit_count,
            unit_node_count=census.unit_node_count,
            unit_node_edge_count=census.unit_node_edge_count,
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

    async def delete_cookies(self, agent: Agent, call: Call) -> Done:
        """Works for everybody, with any token and with Grafana off."""
        call.cookies.append(Cookie(GRAFANA_COOKIE, "", 0))
        return DONE
