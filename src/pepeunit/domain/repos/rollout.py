"""A rollout: one version on its way to the units of a repo, stage by stage.

::

    running   the last stage is settled                  -> finished
    running   failures_max failures within the window    -> stopped, with the reason
    running   pause                                      -> paused
    running, paused             stop                     -> stopped
    running, paused             a newer target           -> stopped: superseded
    paused, stopped, returned   resume                   -> running
    any other than returned     return                   -> returned

Units move in the order of their ids, so that the same rollout always takes the same ones first.
A unit has answered when its update ended in Success or Error, its timeout among them. One whose
device is away has not been told: it is neither a failure nor waited for, and its answer counts when
it comes (decision 0109).

A stage is settled when each of its units has answered or is away. Where some are away and none has
succeeded yet, nothing speaks for the version: with a failure that counts the stage goes on waiting,
without one it is settled after ``OFFLINE_GRACE_SECONDS``.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from pepeunit.domain.errors import Conflict, Topic
from pepeunit.domain.ids import RepoId, RolloutId, UnitId
from pepeunit.domain.registries.version import Sha, Version
from pepeunit.domain.repos.rollout_rule import RolloutRule, RuleSource

OFFLINE_GRACE_SECONDS: Final = 600.0
"""How long a stage of which no unit has answered waits for one to come back."""


class RolloutState(enum.Enum):
    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    FINISHED = "Finished"
    RETURNED = "Returned"


class MemberState(enum.Enum):
    """``WAITING`` units run what they ran before; ``RETURNED`` ones were told to go back.

    The command of an ``OFFLINE`` one waits for its device, which has not taken it.
    """

    WAITING = "Waiting"
    UPDATING = "Updating"
    OFFLINE = "Offline"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    RETURNED = "Returned"


OPEN = frozenset((MemberState.WAITING, MemberState.UPDATING))
TOLD = frozenset((MemberState.UPDATING, MemberState.OFFLINE))
"""A command was queued, its outcome is not known."""
TOUCHED = TOLD | {MemberState.SUCCEEDED, MemberState.FAILED}


@frozen
class Member:
    """A unit in a rollout. ``previous`` is what it was built for when it was moved.

    ``has_taken`` once its device has taken the command: from then on silence is a failure.
    """

    unit_uuid: UnitId
    stage: int
    state: MemberState = MemberState.WAITING
    previous: Version | None = None
    error: str | None = None
    settled_datetime: datetime | None = None
    has_taken: bool = False


@frozen
class StageCount:
    """How many units of a stage are in a state."""

    stage: int
    state: MemberState
    units: int


@frozen
class Rollout:
    """``ends`` holds where each stage ends in the order of units, ``stage`` the one in progress.

    ``settled_datetime`` is since when no unit of that stage is waited for; in a finished rollout,
    since when none is away. Failures count from ``counted_from_datetime`` on.
    """

    uuid: RolloutId
    repo_uuid: RepoId
    version: Version
    rule: RolloutRule
    source: RuleSource
    ends: tuple[int, ...]
    create_datetime: datetime
    last_update_datetime: datetime
    counted_from_datetime: datetime
    state: RolloutState = RolloutState.RUNNING
    reason: str | None = None
    stage: int = 0
    settled_datetime: datetime | None = None

    @property
    def commit(self) -> Sha:
        return self.version.commit

    @property
    def is_running(self) -> bool:
        return self.state is RolloutState.RUNNING

    @property
    def awaits_devices(self) -> bool:
        """Whether it is finished but for units that are away."""
        return self.state is RolloutState.FINISHED and self.settled_datetime is None

    @property
    def is_in_last_stage(self) -> bool:
        return self.stage >= len(self.ends) - 1

    @property
    def holds_units_back(self) -> bool:
        """Whether nothing but a person's word about it moves units to its version."""
        return self.state in (RolloutState.PAUSED, RolloutState.STOPPED, RolloutState.RETURNED)

    def stage_of(self, position: int) -> int:
        """The stage of the unit at that position in the order of units."""
        return bisect_right(self.ends, position)

    def failures_since(self, now: datetime) -> datetime:
        """From when on a failure counts."""
        if self.rule.window_seconds is None:
            return self.counted_from_datetime
        return max(self.counted_from_datetime, now - timedelta(seconds=self.rule.window_seconds))

    def judged(self, *, failures: int, counts: Iterable[StageCount], now: datetime) -> Rollout:
        """What follows from the failures that count and the states that its units are in."""
        if not (self.is_running or self.awaits_devices):
            return self
        limit = self.rule.failures_max
        if self.is_running and limit is not None and failures >= limit:
            window = self.rule.window_seconds
            within = "" if window is None else f" within {window:g} s"
            return self._ended(
                RolloutState.STOPPED, now, f"{failures} units failed{within}, the limit is {limit}"
            )
        found = [count for count in counts if count.stage <= self.stage]
        if self.awaits_devices or any(count.state in OPEN for count in found):
            is_over = self.awaits_devices and all(count.state not in TOLD for count in found)
            return self._settled(now if is_over else None)
        return self._quiet(failures, found, now)

    def _quiet(self, failures: int, counts: Iterable[StageCount], now: datetime) -> Rollout:
        """What follows when no unit is waited for that is not away."""
        units: Counter[MemberState] = Counter()
        away = 0
        for count in counts:
            away += count.units * (count.state is MemberState.OFFLINE)
            if count.stage == self.stage:
                units[count.state] += count.units
        since = self.settled_datetime or now
        wait_seconds = 0.0 if self.is_in_last_stage else self.rule.pause_seconds
        if units[MemberState.OFFLINE] and not units[MemberState.SUCCEEDED]:
            if failures and units[MemberState.FAILED]:
                return self._settled(since)
            wait_seconds = max(wait_seconds, OFFLINE_GRACE_SECONDS)
        if now - since < timedelta(seconds=wait_seconds):
            return self._settled(since)
        if self.is_in_last_stage:
            ended = self._ended(RolloutState.FINISHED, now, None)
            return evolve(ended, settled_datetime=None if away else now)
        return evolve(self, stage=self.stage + 1, settled_datetime=None, last_update_datetime=now)

    def _settled(self, at: datetime | None) -> Rollout:
        return self if self.settled_datetime == at else evolve(self, settled_datetime=at)

    def paused(self, now: datetime) -> Rollout:
        """Raises ``Conflict`` (topic update), as do the others, where the state does not fit."""
        self._require("paused", RolloutState.RUNNING)
        return self._ended(RolloutState.PAUSED, now, "paused by the creator")

    def stopped(self, now: datetime, reason: str = "stopped by the creator") -> Rollout:
        self._require("stopped", RolloutState.RUNNING, RolloutState.PAUSED)
        return self._ended(RolloutState.STOPPED, now, reason)

    def superseded(self, commit: Sha, now: datetime) -> Rollout:
        """The repo's target is another commit by now: nothing is waited for any more."""
        if self.state in (RolloutState.RUNNING, RolloutState.PAUSED):
            return self.stopped(now, f"superseded by {commit}")
        return self._settled(now) if self.awaits_devices else self

    def resumed(self, now: datetime) -> Rollout:
        """Running again with no failure counted; one that was returned starts over."""
        self._require("resumed", RolloutState.PAUSED, RolloutState.STOPPED, RolloutState.RETURNED)
        again = evolve(
            self._ended(RolloutState.RUNNING, now, None),
            counted_from_datetime=now,
            settled_datetime=None,
        )
        return evolve(again, stage=0) if self.state is RolloutState.RETURNED else again

    def returned(self, now: datetime) -> Rollout:
        """The units it moved go back to what each was built for before."""
        if self.state is RolloutState.RETURNED:
            raise Conflict("the rollout is returned already", Topic.UPDATE)
        return self._ended(RolloutState.RETURNED, now, "returned by the creator")

    def _require(self, wanted: str, *states: RolloutState) -> None:
        if self.state not in states:
            raise Conflict(
                f"a rollout that is {self.state.value.lower()} cannot be {wanted}", Topic.UPDATE
            )

    def _ended(self, state: RolloutState, now: datetime, reason: str | None) -> Rollout:
        return evolve(self, state=state, reason=reason, last_update_datetime=now)
