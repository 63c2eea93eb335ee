"""Read models of rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc, naive_utc_or_none
from pepeunit.domain.repos.rollout import Member, MemberState, Rollout, RolloutState, StageCount
from pepeunit.domain.repos.rollout_rule import RolloutRule, RuleSource


@frozen
class RolloutRuleModel:
    """``stages`` are shares such as ``10%`` or counts of units, each counted from the first unit;
    empty moves all at once. ``failures_max`` failures within ``window_seconds`` stop a rollout."""

    stages: Sequence[str]
    pause_seconds: float
    failures_max: int | None
    window_seconds: float | None


@frozen
class RolloutStageModel:
    """How many units of a stage are in each state; ``offline`` ones get the command when their
    device comes back."""

    units: int
    waiting: int
    updating: int
    succeeded: int
    failed: int
    returned: int
    offline: int


@frozen
class RolloutFailureModel:
    unit_uuid: UUID
    error: str | None
    settled_datetime: datetime | None


@frozen
class RolloutModel:
    """``stage`` is the one in progress, counted from 0; ``reason`` says why it does not run."""

    uuid: UUID
    commit: str
    tag: str | None
    state: RolloutState
    reason: str | None
    stage: int
    stage_count: int
    unit_count: int
    rule: RolloutRuleModel
    rule_source: RuleSource
    create_datetime: datetime
    last_update_datetime: datetime


@frozen
class RolloutReportModel:
    """``rule`` is the stored one, ``stages`` and ``failures`` are those of ``latest``,
    ``history`` lists the last rollouts, newest first."""

    rule: RolloutRuleModel | None
    latest: RolloutModel | None
    stages: Sequence[RolloutStageModel]
    failures: Sequence[RolloutFailureModel]
    history: Sequence[RolloutModel]


def rule_model(rule: RolloutRule) -> RolloutRuleModel:
    return RolloutRuleModel(
        [str(stage) for stage in rule.stages],
        rule.pause_seconds,
        rule.failures_max,
        rule.window_seconds,
    )


def rollout_model(rollout: Rollout) -> RolloutModel:
    return RolloutModel(
        uuid=rollout.uuid,
        commit=rollout.version.commit,
        tag=rollout.version.tag,
        state=rollout.state,
        reason=rollout.reason,
        stage=rollout.stage,
        stage_count=len(rollout.ends),
        unit_count=rollout.ends[-1] if rollout.ends else 0,
        rule=rule_model(rollout.rule),
        rule_source=rollout.source,
        create_datetime=naive_utc(rollout.create_datetime),
        last_update_datetime=naive_utc(rollout.last_update_datetime),
    )


def stage_models(rollout: Rollout, counts: Sequence[StageCount]) -> list[RolloutStageModel]:
    found = {(count.stage, count.state): count.units for count in counts}

    def model(stage: int) -> RolloutStageModel:
        units = {state: found.get((stage, state), 0) for state in MemberState}
        return RolloutStageModel(
            units=sum(units.values()),
            waiting=units[MemberState.WAITING],
            updating=units[MemberState.UPDATING],
            succeeded=units[MemberState.SUCCEEDED],
            failed=units[MemberState.FAILED],
            returned=units[MemberState.RETURNED],
            offline=units[MemberState.OFFLINE],
        )

    return [model(stage) for stage in range(len(rollout.ends))]


def failure_model(member: Member) -> RolloutFailureModel:
    return RolloutFailureModel(
        member.unit_uuid, member.error, naive_utc_or_none(member.settled_datetime)
    )
