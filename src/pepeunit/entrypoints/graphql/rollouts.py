"""Rollouts of a repo's versions over GraphQL; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import asdict, frozen

from pepeunit.codecs.rest.rollout import (
    RolloutFailureModel,
    RolloutModel,
    RolloutReportModel,
    RolloutRuleModel,
    RolloutStageModel,
    failure_model,
    rollout_model,
    rule_model,
    stage_models,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import RepoId
from pepeunit.domain.repos.rollout import RolloutState
from pepeunit.domain.repos.rollout_rule import RuleSource
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.usecases.updates.rollouts import (
    GetRollout,
    RolloutReport,
    SetRolloutRule,
    SteerRollout,
)


@frozen
class RuleInput:
    """``stages`` are shares such as ``10%`` or counts of units; none moves all at once."""

    stages: Sequence[str] | None
    pause_seconds: int
    failures_max: int | None
    window_seconds: int | None


@frozen
class RolloutDoor:
    get_rollout: GetRollout
    set_rule: SetRolloutRule
    steer: SteerRollout

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="repos",
            collection="repos",
            queries={"getRollout": self.rollout},
            mutations={
                "setRolloutRule": self.set_rollout_rule,
                "pauseRollout": self.pause_rollout,
                "resumeRollout": self.resume_rollout,
                "stopRollout": self.stop_rollout,
                "returnRollout": self.return_rollout,
            },
            inputs={"RolloutRuleInput": RuleInput},
            outputs={
                "RolloutRuleType": RolloutRuleModel,
                "RolloutStageType": RolloutStageModel,
                "RolloutFailureType": RolloutFailureModel,
                "RolloutType": RolloutModel,
                "RolloutReportType": RolloutReportModel,
            },
            enums={"RolloutState": RolloutState, "RolloutRuleSource": RuleSource},
        )

    async def rollout(self, agent: Agent, uuid: UUID) -> RolloutReportModel:
        return _model(await self.get_rollout(agent, RepoId(uuid)))

    async def set_rollout_rule(
        self, agent: Agent, uuid: UUID, rule: RuleInput
    ) -> RolloutReportModel:
        """``[rollout]`` in ``pepeunit.toml`` of a commit wins over it."""
        document = asdict(rule, recurse=False) | {"stages": tuple(rule.stages or ())}
        return _model(await self.set_rule(agent, RepoId(uuid), document))

    async def pause_rollout(self, agent: Agent, uuid: UUID) -> RolloutReportModel:
        return _model(await self.steer.pause(agent, RepoId(uuid)))

    async def resume_rollout(self, agent: Agent, uuid: UUID) -> RolloutReportModel:
        return _model(await self.steer.resume(agent, RepoId(uuid)))

    async def stop_rollout(self, agent: Agent, uuid: UUID) -> RolloutReportModel:
        return _model(await self.steer.stop(agent, RepoId(uuid)))

    async def return_rollout(self, agent: Agent, uuid: UUID) -> RolloutReportModel:
        return _model(await self.steer.give_back(agent, RepoId(uuid)))


def _model(report: RolloutReport) -> RolloutReportModel:
    latest = report.latest
    return RolloutReportModel(
        rule=None if report.rule is None else rule_model(report.rule),
        latest=None if latest is None else rollout_model(latest),
        stages=[] if latest is None else stage_models(latest, report.counts),
        failures=[failure_model(member) for member in report.failures],
        history=[rollout_model(rollout) for rollout in report.history],
    )
