"""Rollouts of a repo's versions over REST."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import asdict, frozen

from pepeunit.codecs.rest.rollout import (
    RolloutReportModel,
    failure_model,
    rollout_model,
    rule_model,
    stage_models,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import RepoId
from pepeunit.entrypoints.http.route import Route
from pepeunit.usecases.updates.rollouts import (
    GetRollout,
    RolloutReport,
    SetRolloutRule,
    SteerRollout,
)


@frozen
class RolloutPath:
    """The repo's uuid."""

    uuid: RepoId


@frozen
class RolloutRuleBody:
    """``stages`` are shares such as ``10%`` or counts of units; none moves all at once."""

    stages: tuple[str, ...] = ()
    pause_seconds: int = 0
    failures_max: int | None = None
    window_seconds: int | None = None


@frozen
class RolloutDoor:
    get_rollout: GetRollout
    set_rule: SetRolloutRule
    steer: SteerRollout

    def routes(self) -> Sequence[Route]:
        at = "/repos/rollout/{uuid}"
        return (
            Route.of("GET", at, self.rollout),
            Route.of("PATCH", at, self.set_rollout_rule),
            Route.of("POST", f"{at}/pause", self.pause_rollout),
            Route.of("POST", f"{at}/resume", self.resume_rollout),
            Route.of("POST", f"{at}/stop", self.stop_rollout),
            Route.of("POST", f"{at}/return", self.return_rollout),
        )

    async def rollout(self, agent: Agent, path: RolloutPath) -> RolloutReportModel:
        """How the latest version reaches the repo's units, and the rollouts before it."""
        return _model(await self.get_rollout(agent, path.uuid))

    async def set_rollout_rule(
        self, agent: Agent, path: RolloutPath, body: RolloutRuleBody
    ) -> RolloutReportModel:
        """Store the rule of the rollouts to come.

        ``[rollout]`` in ``pepeunit.toml`` of a commit wins over it.
        """
        document = asdict(body, recurse=False)
        return _model(await self.set_rule(agent, path.uuid, document))

    async def pause_rollout(self, agent: Agent, path: RolloutPath) -> RolloutReportModel:
        """Move no further unit until it is resumed."""
        return _model(await self.steer.pause(agent, path.uuid))

    async def resume_rollout(self, agent: Agent, path: RolloutPath) -> RolloutReportModel:
        """Go on after a pause or a stop, with no failure counted; start over after a return."""
        return _model(await self.steer.resume(agent, path.uuid))

    async def stop_rollout(self, agent: Agent, path: RolloutPath) -> RolloutReportModel:
        """End it; the units that have not moved keep their version."""
        return _model(await self.steer.stop(agent, path.uuid))

    async def return_rollout(self, agent: Agent, path: RolloutPath) -> RolloutReportModel:
        """Move every unit it touched back to the commit it was built for before."""
        return _model(await self.steer.give_back(agent, path.uuid))


def _model(report: RolloutReport) -> RolloutReportModel:
    latest = report.latest
    return RolloutReportModel(
        rule=None if report.rule is None else rule_model(report.rule),
        latest=None if latest is None else rollout_model(latest),
        stages=[] if latest is None else stage_models(latest, report.counts),
        failures=[failure_model(member) for member in report.failures],
        history=[rollout_model(rollout) for rollout in report.history],
    )
