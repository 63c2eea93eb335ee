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

PIPE_QUERIES: Final = ("getPipeData", "checkDataPipeConfig", "getDataPipeConfig")
PIPE_MUTATIONS: Final = ("setDataPipeConfig", "setDataPipeDataCsv", "deleteDataPipeData")
PIPE_TYPES: Final = (
    "DataPipeFilterInput",
    "DataPipeValidationErrorType",
    "NRecordsType",
    "TimeWindowType",
    "AggregationType",
    "LastValueType",
    "PipeDataResultType",
    "DataPipeStage",
    "ProcessingPolicyType",
    "TypeInputValue",
    "AggregationFunctions",
)
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
        queries = (*PIPE_QUERIES, *TELEGRAM_QUERIES, *GRAFANA_QUERIES)
        mutations = (*PIPE_MUTATIONS, *GRAFANA_MUTATIONS)
        return Resolvers(
            tag="absent",
            queries=dict.fromkeys(queries, self.refuse),
            mutations=dict.fromkeys(mutations, self.refuse),
            absent=frozenset((*PIPE_TYPES, *GRAFANA_TYPES)),
        )

    async def refuse(self, agent: Agent, **arguments: Any) -> None:
        raise Disabled("this feature is not part of this version")
