"""Read models of the instance as a whole (spec rest.md 6, 10)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen


@frozen
class MetricsModel:
    user_count: int
    repository_registry_count: int
    repo_count: int
    unit_count: int
    unit_node_count: int
    unit_node_edge_count: int


@frozen
class AuthorModel:
    name: str
    email: str


@frozen
class FeatureFlagsModel:
    """The effective values: a feature that is not built or not configured is false."""

    pu_ff_telegram_bot_enable: bool = False
    pu_ff_grafana_integration_enable: bool = False
    pu_ff_datapipe_enable: bool = False
    pu_ff_datapipe_default_last_value_enable: bool = False
    pu_ff_prometheus_enable: bool = False


@frozen
class InstanceModel:
    """Links are absolute; ``telegram_bot`` is empty without a bot."""

    name: str
    version: str
    description: str
    license: str
    authors: Sequence[AuthorModel]
    swagger: str
    graphql: str
    grafana: str
    telegram_bot: str
    feature_flags: FeatureFlagsModel
