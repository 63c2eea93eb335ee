"""The instance as a whole over REST (spec rest.md 8.7, 10)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from attrs import frozen

from pepeunit.codecs.rest.instance import (
    AuthorModel,
    FeatureFlagsModel,
    InstanceModel,
    MetricsModel,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.http.route import Route
from pepeunit.usecases.instance.metrics import GetMetrics

DESCRIPTION = "Self-hosted, federated IoT platform"
AUTHORS = (AuthorModel("The Pepeunit authors", ""),)


@frozen
class InstanceDoor:
    """``telegram_link`` is ``PU_TELEGRAM_BOT_LINK``."""

    get_metrics: GetMetrics
    facts: InstanceFacts
    version: str
    flags: FeatureFlagsModel
    telegram_link: str = ""

    @cached_property
    def _described(self) -> InstanceModel:
        link = self.facts.base_url
        app = link + self.facts.app_prefix
        return InstanceModel(
            name="pepeunit",
            version=self.version,
            description=DESCRIPTION,
            license="Apache-2.0",
            authors=AUTHORS,
            swagger=f"{app}/docs",
            graphql=f"{app}/graphql",
            grafana=f"{link}/grafana/",
            telegram_bot=self.telegram_link,
            feature_flags=self.flags,
        )

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("GET", "", self.describe, reads_token=False, outside_api=True),
            Route.of("GET", "/metrics/", self.count),
        )

    async def describe(self, agent: Agent) -> InstanceModel:
        """Version, links and features; also a health check."""
        return self._described

    async def count(self, agent: Agent) -> MetricsModel:
        """How many users, registries, repos, units, nodes and edges there are."""
        census = await self.get_metrics(agent)
        return MetricsModel(
            user_count=census.user_count,
            repository_registry_count=census.repository_registry_count,
            repo_count=census.repo_count,
            unit_count=census.unit_count,
            unit_node_count=census.unit_node_count,
            unit_node_edge_count=census.unit_node_edge_count,
        )
