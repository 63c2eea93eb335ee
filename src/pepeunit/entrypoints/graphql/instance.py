"""The instance as a whole, and the cookie of its dashboards (spec graphql.md 2, 6)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from pepeunit.codecs.rest.instance import MetricsModel
from pepeunit.domain.access.agent import Agent
from pepeunit.entrypoints.graphql.door import Call, Cookie, Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done
from pepeunit.usecases.instance.metrics import GetMetrics

GRAFANA_COOKIE: Final = "PepeunitGrafana"


@frozen
class InstanceDoor:
    get_metrics: GetMetrics

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="metrics",
            queries={"getBaseMetrics": self.count},
            outputs={"BaseMetricsType": MetricsModel},
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


@frozen
class CookieDoor:
    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="users",
            mutations={"deleteUserCookies": self.delete_cookies},
            tokenless=frozenset({"deleteUserCookies"}),
        )

    async def delete_cookies(self, agent: Agent, call: Call) -> Done:
        """Works for everybody, with any token and with Grafana off."""
        call.cookies.append(Cookie(GRAFANA_COOKIE, "", 0))
        return DONE
