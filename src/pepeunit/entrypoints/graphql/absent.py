"""Operations of the contract that this version does not have: 405 code 15 (rulings 6).

The one place to take a name out of when its use case exists: its door then binds it with its
types, and the binder refuses to start while both do, or neither.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Disabled
from pepeunit.entrypoints.graphql.door import Resolvers

TELEGRAM_QUERIES: Final = ("getVerificationUser",)
GRAFANA_QUERIES: Final = ("getDashboard", "getDashboards", "getDashboardPanels")
GRAFANA_MUTATIONS: Final = (
    "setGrafanaCookies",
    "createDashboard",
    "createDashboardPanel",
    "linkUnitNodeToPanel",
    "syncDashboard",
    "deleteDashboard",
    "deletePanel",
    "deleteLink",
)
GRAFANA_TYPES: Final = (
    "DashboardCreateInput",
    "DashboardPanelCreateInput",
    "LinkUnitNodeToPanelInput",
    "DashboardFilterInput",
    "DashboardType",
    "DashboardsResultType",
    "UnitNodeForPanelType",
    "DashboardPanelType",
    "DashboardPanelsResultType",
    "DashboardStatus",
    "DashboardPanelTypeEnum",
)


@frozen
class AbsentDoor:
    """What is refused is no deed: nothing of it is told in the audit log."""

    def resolvers(self) -> Resolvers:
        queries = (*TELEGRAM_QUERIES, *GRAFANA_QUERIES)
        return Resolvers(
            tag="absent",
            queries=dict.fromkeys(queries, self.refuse),
            mutations=dict.fromkeys(GRAFANA_MUTATIONS, self.refuse),
            absent=frozenset(GRAFANA_TYPES),
        )

    async def refuse(self, agent: Agent, **arguments: Any) -> None:
        raise Disabled("this feature is not part of this version")
