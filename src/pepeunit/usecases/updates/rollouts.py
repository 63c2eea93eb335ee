"""What a person sees of a repo's rollouts and does about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Conflict, NotFound, Topic
from pepeunit.domain.ids import RepoId
from pepeunit.domain.repos.rollout import (
    TOUCHED,
    Member,
    MemberState,
    Rollout,
    RolloutState,
    StageCount,
)
from pepeunit.domain.repos.rollout_rule import RolloutRule, read_rule
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database, Transaction
from pepeunit.usecases.access.gates import registry_of, repo_for
from pepeunit.usecases.background import Background
from pepeunit.usecases.updates.advance_rollout import AdvanceRollout
from pepeunit.usecases.updates.programs import Programs

HISTORY_ROLLOUTS = 20
FAILURES_SHOWN = 100


@frozen
class RolloutReport:
    """``rule`` is the stored setting; ``latest`` is None before the first rollout; ``history``
    holds it too, newest first; ``failures`` at most FAILURES_SHOWN."""

    rule: RolloutRule | None
    latest: Rollout | None
    counts: Sequence[StageCount]
    failures: Sequence[Member]
    history: Sequence[Rollout]


async def _report(rows: Collections, repo: RepoId) -> RolloutReport:
    rule = await rows.rollouts.rule_of(repo)
    history = await rows.rollouts.history(repo, HISTORY_ROLLOUTS)
    if not history:
        return RolloutReport(rule, None, (), (), ())
    latest = history[0]
    return RolloutReport(
        rule,
        latest,
        await rows.rollouts.counts(latest.uuid),
        await rows.rollouts.members(latest.uuid, [MemberState.FAILED], FAILURES_SHOWN),
        history,
    )


@frozen
class GetRollout:
    """For the repo's creator: the units in it may be invisible to anybody else."""

    database: Database

    async def __call__(self, agent: Agent, repo: RepoId) -> RolloutReport:
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            await repo_for(rows, agent, Action.INSPECT, repo)
            return await _report(rows, repo)


@frozen
class SetRolloutRule:
    """Counts from the next rollout on, and only where the commit brings no ``[rollout]``."""

    database: Database

    async def __call__(
        self, agent: Agent, repo: RepoId, document: Mapping[str, Any]
    ) -> RolloutReport:
        """Raises ``Invalid`` (topic update) with every violation."""
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            await repo_for(tx, agent, Action.CHANGE, repo, for_update=True)
            await tx.rollouts.put_rule(repo, read_rule(document))
            return await _report(tx, repo)


@frozen
class SteerRollout:
    """Pause, resume, stop and return the latest rollout; what follows runs behind the answer."""

    database: Database
    programs: Programs
    advance: AdvanceRollout
    background: Background
    clock: Clock

    async def pause(self, agent: Agent, repo: RepoId) -> RolloutReport:
        return await self._change(agent, repo, Rollout.paused)

    async def stop(self, agent: Agent, repo: RepoId) -> RolloutReport:
        return await self._change(agent, repo, Rollout.stopped)

    async def resume(self, agent: Agent, repo: RepoId) -> RolloutReport:
        """Raises ``Conflict`` (topic update) when the repo's target is another version by now."""
        return await self._change(agent, repo, Rollout.resumed)

    async def give_back(self, agent: Agent, repo: RepoId) -> RolloutReport:
        """Move the units that the rollout touched back to what each was built for before."""
        return await self._change(agent, repo, Rollout.returned)

    async def _change(
        self, agent: Agent, uuid: RepoId, step: Callable[[Rollout, datetime], Rollout]
    ) -> RolloutReport:
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            repo = await repo_for(tx, agent, Action.CHANGE, uuid)
            latest = await tx.rollouts.latest(uuid)
            rollout = latest and await tx.rollouts.get(latest.uuid, for_update=True)
            if rollout is None:
                raise NotFound("the repo has had no rollout")
            changed = step(rollout, self.clock())
            if changed.is_running:
                await self._refuse_old_target(tx, repo.uuid, rollout)
                if rollout.state is RolloutState.RETURNED:
                    await self._start_over(tx, rollout)
            await tx.rollouts.put(changed)
            report = await _report(tx, uuid)
        if changed.state in (RolloutState.RUNNING, RolloutState.RETURNED):
            self.background.start(f"rollout {changed.uuid}", self.advance(changed.uuid))
        return report

    async def _refuse_old_target(self, tx: Transaction, uuid: RepoId, rollout: Rollout) -> None:
        repo = await tx.repos.get(uuid)
        if repo is None:
            raise NotFound("repo not found")
        target = await self.programs.target(await registry_of(tx, repo), repo, None)
        if target.commit != rollout.commit:
            raise Conflict(f"the repo's target is {target.commit} by now", Topic.UPDATE)

    async def _start_over(self, tx: Transaction, rollout: Rollout) -> None:
        counts = await tx.rollouts.counts(rollout.uuid)
        if any(count.state in TOUCHED for count in counts):
            raise Conflict("units are still on their way back, try again", Topic.UPDATE)
        await tx.rollouts.wait_again(rollout.uuid)
