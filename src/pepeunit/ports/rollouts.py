"""The collection of rollouts, their rules and the units in them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from pepeunit.domain.ids import RepoId, RolloutId, UnitId
from pepeunit.domain.repos.rollout import Member, MemberState, Rollout, StageCount
from pepeunit.domain.repos.rollout_rule import RolloutRule


class Rollouts(Protocol):
    """Rules and rollouts go with the repo; a member goes with its unit."""

    async def rule_of(self, repo: RepoId) -> RolloutRule | None:
        """The rule the repo's creator stored."""
        ...

    async def put_rule(self, repo: RepoId, rule: RolloutRule | None) -> None:
        """Store a rule, or forget it when None."""
        ...

    async def get(self, uuid: RolloutId, *, for_update: bool = False) -> Rollout | None: ...

    async def latest(self, repo: RepoId) -> Rollout | None: ...

    async def history(self, repo: RepoId, limit: int) -> Sequence[Rollout]:
        """The repo's rollouts, newest first."""
        ...

    async def unfinished(self) -> Sequence[RolloutId]:
        """Those that run, those finished that await devices, and those returned that have units
        still to send back."""
        ...

    async def put(self, rollout: Rollout) -> None:
        """Insert or replace. Raises ``Conflict`` (topic entity) when the repo is gone."""
        ...

    async def put_members(self, uuid: RolloutId, members: Sequence[Member]) -> None:
        """Insert or replace; members whose unit is gone are passed over."""
        ...

    async def members(
        self,
        uuid: RolloutId,
        states: Collection[MemberState],
        limit: int,
        *,
        among: Collection[UnitId] | None = None,
    ) -> Sequence[Member]:
        """Up to ``limit`` members in these states, of these units, in the order of units."""
        ...

    async def waiting(self, uuid: RolloutId, stage: int) -> Sequence[UnitId]:
        """The units of the stage that have not moved: connected ones first, then in order."""
        ...

    async def settle(self, rollout: Rollout, now: datetime, *, away_before: datetime) -> int:
        """Give the members that were told what their units show; how many changed their state.

        A unit that reports the rollout's commit succeeded. One that is not connected, and was
        neither told nor seen after ``away_before``, is ``OFFLINE`` while its command still waits
        in the outbox and no round found it taken. Any other one in ``Error`` failed, except that
        an ``OFFLINE`` one comes to fail only once its command is taken or of another version.
        """
        ...

    async def counts(self, uuid: RolloutId) -> Sequence[StageCount]:
        """By stage and state, without zeros, in order of stages."""
        ...

    async def failed_since(self, uuid: RolloutId, since: datetime) -> int:
        """How many failed at that moment or later."""
        ...

    async def wait_again(self, uuid: RolloutId) -> None:
        """Put the members that were returned back to ``WAITING``."""
        ...
