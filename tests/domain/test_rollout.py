"""Rollouts: rules and their violations, stages, and what judges them (devices.md 11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.errors import Conflict, Invalid, Topic
from pepeunit.domain.ids import RepoId, RolloutId
from pepeunit.domain.registries.version import Sha, Version
from pepeunit.domain.repos.rollout import (
    OFFLINE_GRACE_SECONDS,
    MemberState,
    Rollout,
    RolloutState,
    StageCount,
)
from pepeunit.domain.repos.rollout_rule import (
    ALL_AT_ONCE,
    RolloutRule,
    RuleSource,
    Stage,
    read_program_rule,
    read_rule,
    rule_document,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
S, M = RolloutState, MemberState


def a_rollout(**given: object) -> Rollout:
    fields = {
        "uuid": RolloutId(UUID(int=1)),
        "repo_uuid": RepoId(UUID(int=2)),
        "version": Version(Sha("a" * 40), "v2"),
        "rule": ALL_AT_ONCE,
        "source": RuleSource.DEFAULT,
        "ends": (5, 10),
        "create_datetime": NOON,
        "last_update_datetime": NOON,
        "counted_from_datetime": NOON,
    } | given
    return Rollout(**fields)  # type: ignore[arg-type]


def updating(units: int, stage: int = 0) -> list[StageCount]:
    return [StageCount(stage, M.UPDATING, units)] if units else []


ANSWERED = [StageCount(stage, M.SUCCEEDED, 5) for stage in (0, 1)]


@pytest.mark.parametrize(
    ("stages", "units", "ends"),
    [
        ([], 7, (7,)),
        ([], 0, ()),
        (["1", "10%", "100%"], 100, (1, 10, 100)),
        (["1", "10%", "50%"], 100, (1, 10, 50, 100)),
        (["10%"], 5, (1, 5)),
        (["1%", "2%", "50%"], 3, (1, 2, 3)),
        (["500"], 3, (3,)),
        ([5, "1%"], 100, (5, 100)),
    ],
)
def test_stages_as_counts_of_units(stages: list[str], units: int, ends: tuple[int, ...]) -> None:
    assert read_rule({"stages": stages}).ends(units) == ends


STAGES = st.builds(Stage, st.integers(1, 100), st.booleans())


@given(st.lists(STAGES, max_size=20), st.integers(0, 5000))
def test_every_unit_is_in_exactly_one_stage_that_is_not_empty(
    stages: list[Stage], units: int
) -> None:
    ends = RolloutRule(tuple(stages)).ends(units)
    assert list(ends) == sorted(set(ends))
    assert (ends[-1] if ends else 0) == units
    rollout = a_rollout(ends=ends)
    found = [rollout.stage_of(place) for place in range(units)]
    assert found == sorted(found)
    assert set(found) == set(range(len(ends)))


@given(
    st.lists(st.integers(1, 100), max_size=20, unique=True).map(sorted),
    st.floats(0, 1000),
    st.none() | st.integers(1, 100),
)
def test_a_rule_survives_its_document(
    shares: list[int], pause: float, failures: int | None
) -> None:
    rule = RolloutRule(tuple(Stage(share, True) for share in shares), pause, failures)
    assert read_rule(rule_document(rule)) == rule


def test_every_violation_of_a_rule_is_told_with_its_place() -> None:
    with pytest.raises(Invalid) as refused:
        read_rule(
            {
                "stages": ["0%", "101%", "-3", True, "a", 4.5],
                "pause_seconds": -1,
                "failures_max": 0.5,
                "window_seconds": "long",
                "stage": [],
            }
        )
    assert refused.value.topic is Topic.UPDATE
    assert [path for path, _ in refused.value.violations] == [
        "rollout.stage",
        *(f"rollout.stages[{index}]" for index in range(6)),
        "rollout.pause_seconds",
        "rollout.failures_max",
        "rollout.window_seconds",
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"stages": "10%"},
        {"stages": {"a": 1}},
        {"stages": ["50%", "10%"]},
        {"stages": ["5", "5"]},
        {"stages": ["1"] * 21},
        {"failures_max": True},
        {"pause_seconds": float("nan")},
        {"window_seconds": 5},
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        read_rule(document)


def test_the_file_gives_a_rule_only_where_it_has_the_section() -> None:
    assert read_program_rule(b"[general]\nname = 'x'\n") is None
    assert read_program_rule(b"not toml at all ][") is None
    rule = read_program_rule(b"[rollout]\nstages = [1, '50%']\nfailures_max = 2\n")
    assert rule == RolloutRule((Stage(1, False), Stage(50, True)), 0.0, 2)
    for content in (b"[rollout\n", b"rollout = 5\n", b"[rollout]\nstages = 1\n", b"# rollout \xff"):
        with pytest.raises(Invalid) as refused:
            read_program_rule(content)
        assert refused.value.violations[0][0].startswith("pepeunit.toml")


def test_a_stage_ends_when_every_unit_of_it_has_answered() -> None:
    rollout = a_rollout()
    assert rollout.judged(failures=0, counts=updating(1), now=NOON) is rollout
    second = rollout.judged(failures=0, counts=ANSWERED, now=NOON)
    assert (second.stage, second.state) == (1, S.RUNNING)
    assert second.judged(failures=9, counts=ANSWERED, now=NOON).state is S.FINISHED


def test_the_pause_between_stages_counts_from_the_last_answer() -> None:
    rollout = a_rollout(rule=RolloutRule(pause_seconds=60))
    settled = rollout.judged(failures=0, counts=ANSWERED, now=NOON)
    assert settled.stage == 0
    early = settled.judged(failures=0, counts=ANSWERED, now=NOON + timedelta(seconds=59))
    assert early.stage == 0
    assert early.judged(failures=0, counts=ANSWERED, now=NOON + timedelta(seconds=60)).stage == 1


def test_units_that_are_away_hold_no_stage_up_once_another_one_succeeded() -> None:
    rollout = a_rollout()
    away = [StageCount(0, M.OFFLINE, 4), StageCount(1, M.WAITING, 5)]
    proof = [*away, StageCount(0, M.SUCCEEDED, 1)]
    assert rollout.judged(failures=0, counts=proof, now=NOON).stage == 1
    assert rollout.judged(failures=0, counts=[*proof, *updating(1)], now=NOON).stage == 0
    failed = [*proof, StageCount(0, M.FAILED, 1)]
    assert rollout.judged(failures=1, counts=failed, now=NOON).stage == 1


def test_a_stage_of_which_every_unit_is_away_waits_for_one_and_then_goes_on() -> None:
    away = [StageCount(0, M.OFFLINE, 5), StageCount(1, M.WAITING, 5)]
    rollout = a_rollout(rule=RolloutRule(pause_seconds=60))
    quiet = rollout.judged(failures=0, counts=away, now=NOON)
    grace = timedelta(seconds=OFFLINE_GRACE_SECONDS)
    early = quiet.judged(failures=0, counts=away, now=NOON + grace - timedelta(seconds=1))
    assert (early.stage, early.settled_datetime) == (0, NOON)
    assert early.judged(failures=0, counts=away, now=NOON + grace).stage == 1


def test_the_success_of_an_earlier_stage_does_not_speak_for_units_that_are_away() -> None:
    counts = [StageCount(0, M.SUCCEEDED, 5), StageCount(1, M.OFFLINE, 5)]
    quiet = a_rollout(stage=1, ends=(5, 10, 15)).judged(failures=0, counts=counts, now=NOON)
    assert quiet.stage == 1
    grace = timedelta(seconds=OFFLINE_GRACE_SECONDS)
    assert quiet.judged(failures=0, counts=counts, now=NOON + grace).stage == 2


def test_a_stage_that_has_a_failure_and_no_success_waits_for_those_that_are_away() -> None:
    counts = [StageCount(0, M.OFFLINE, 4), StageCount(0, M.FAILED, 1)]
    rollout = a_rollout(settled_datetime=NOON)
    day = NOON + timedelta(days=1)
    assert rollout.judged(failures=1, counts=counts, now=day) is rollout
    # a failure of the stage before, or from before it was resumed, says nothing about this one
    assert rollout.judged(failures=1, counts=counts[:1], now=day).stage == 1
    assert rollout.judged(failures=0, counts=counts, now=day).stage == 1


def test_a_finished_rollout_awaits_the_units_that_are_away() -> None:
    rollout = a_rollout(stage=1)
    away = [*ANSWERED, StageCount(0, M.OFFLINE, 1)]
    finished = rollout.judged(failures=0, counts=away, now=NOON)
    assert (finished.state, finished.awaits_devices) == (S.FINISHED, True)
    later = NOON + timedelta(days=1)
    assert finished.judged(failures=0, counts=away, now=later) is finished
    done = finished.judged(failures=9, counts=ANSWERED, now=later)
    assert (done.state, done.awaits_devices, done.settled_datetime) == (S.FINISHED, False, later)
    assert not rollout.judged(failures=0, counts=ANSWERED, now=NOON).awaits_devices


def test_a_newer_target_ends_all_waiting() -> None:
    newer = Sha("b" * 40)
    for state in (S.RUNNING, S.PAUSED):
        ended = a_rollout(state=state).superseded(newer, NOON)
        assert (ended.state, ended.reason) == (S.STOPPED, f"superseded by {newer}")
    finished = a_rollout(state=S.FINISHED).superseded(newer, NOON)
    assert (finished.state, finished.awaits_devices) == (S.FINISHED, False)
    for state in (S.STOPPED, S.RETURNED):
        rollout = a_rollout(state=state)
        assert rollout.superseded(newer, NOON) is rollout


def test_it_stops_by_itself_at_the_limit_also_in_the_middle_of_a_stage() -> None:
    rollout = a_rollout(rule=RolloutRule(failures_max=3, window_seconds=600))
    assert rollout.judged(failures=2, counts=updating(4), now=NOON).is_running
    stopped = rollout.judged(failures=3, counts=updating(4), now=NOON)
    assert stopped.state is S.STOPPED
    assert stopped.reason == "3 units failed within 600 s, the limit is 3"


def test_only_failures_within_the_window_and_since_it_was_resumed_count() -> None:
    rollout = a_rollout(rule=RolloutRule(failures_max=3, window_seconds=600))
    later = NOON + timedelta(seconds=1000)
    assert rollout.failures_since(later) == NOON + timedelta(seconds=400)
    assert rollout.failures_since(NOON + timedelta(seconds=5)) == NOON
    resumed = evolve(rollout, state=S.STOPPED).resumed(later)
    assert resumed.failures_since(later) == later
    assert a_rollout().failures_since(later) == NOON


@pytest.mark.parametrize(
    ("step", "allowed"),
    [
        (Rollout.paused, {S.RUNNING}),
        (Rollout.stopped, {S.RUNNING, S.PAUSED}),
        (Rollout.resumed, {S.PAUSED, S.STOPPED, S.RETURNED}),
        (Rollout.returned, {S.RUNNING, S.PAUSED, S.STOPPED, S.FINISHED}),
    ],
)
def test_which_step_is_possible_from_where(step, allowed) -> None:  # type: ignore[no-untyped-def]
    for state in RolloutState:
        rollout = a_rollout(state=state)
        if state in allowed:
            assert step(rollout, NOON).state is not state
        else:
            with pytest.raises(Conflict) as refused:
                step(rollout, NOON)
            assert refused.value.topic is Topic.UPDATE


def test_a_returned_rollout_starts_over_and_a_stopped_one_goes_on() -> None:
    assert a_rollout(state=S.STOPPED, stage=1).resumed(NOON).stage == 1
    assert a_rollout(state=S.RETURNED, stage=1).resumed(NOON).stage == 0


@given(st.sampled_from(RolloutState), st.integers(0, 9), st.integers(0, 9), st.integers(1, 9))
def test_nothing_but_a_running_rollout_is_ever_moved_by_what_units_report(
    state: RolloutState, failures: int, left: int, limit: int
) -> None:
    rollout = a_rollout(state=state, rule=RolloutRule(failures_max=limit))
    judged = rollout.judged(failures=failures, counts=updating(left), now=NOON)
    assert judged.state is state or state is S.RUNNING
    assert judged.stage == 0 or state is S.RUNNING
    if state is S.RUNNING and failures >= limit:
        assert judged.state is S.STOPPED
