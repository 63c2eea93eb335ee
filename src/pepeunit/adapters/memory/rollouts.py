"""Rollouts in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from attrs import evolve, frozen

from pepeunit.adapters.memory.world import View
from pepeunit.domain.ids import RepoId, RolloutId, UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.repos.rollout import (
    TOLD,
    TOUCHED,
    Member,
    MemberState,
    Rollout,
    RolloutState,
    StageCount,
)
from pepeunit.domain.repos.rollout_rule import RolloutRule
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateStatus


@frozen
class MemoryRollouts:
    """Implements :class:`~pepeunit.ports.rollouts.Rollouts`."""

    view: View

    async def rule_of(self, repo: RepoId) -> RolloutRule | None:
        return self.view.world.rollout_rules.get(repo)

    async def put_rule(self, repo: RepoId, rule: RolloutRule | None) -> None:
        world = self.view.for_writing()
        if rule is None:
            world.rollout_rules.pop(repo, None)
            return
        self.view.require(repo in world.repos, "the repo is gone")
        world.rollout_rules[repo] = rule

    async def get(self, uuid: RolloutId, *, for_update: bool = False) -> Rollout | None:
        return self.view.locked(for_update=for_update).rollouts.get(uuid)

    async def latest(self, repo: RepoId) -> Rollout | None:
        return next(iter(await self.history(repo, 1)), None)

    async def history(self, repo: RepoId, limit: int) -> Sequence[Rollout]:
        found = [row for row in self.view.world.rollouts.values() if row.repo_uuid == repo]
        found.sort(key=lambda row: (row.create_datetime, row.uuid), reverse=True)
        return found[:limit]

    async def unfinished(self) -> Sequence[RolloutId]:
        world = self.view.world
        touched = {key[0] for key, row in world.members.items() if row.state in TOUCHED}
        return sorted(
            row.uuid
            for row in world.rollouts.values()
            if row.is_running
            or row.awaits_devices
            or (row.state is RolloutState.RETURNED and row.uuid in touched)
        )

    async def put(self, rollout: Rollout) -> None:
        world = self.view.for_writing()
        self.view.require(rollout.repo_uuid in world.repos, "the repo is gone")
        world.rollouts[rollout.uuid] = rollout

    async def put_members(self, uuid: RolloutId, members: Sequence[Member]) -> None:
        world = self.view.for_writing()
        self.view.require(uuid in world.rollouts, "the rollout is gone")
        for member in members:
            if member.unit_uuid in world.units:
                world.members[uuid, member.unit_uuid] = member

    def _of(self, uuid: RolloutId) -> list[Member]:
        found = [row for key, row in self.view.world.members.items() if key[0] == uuid]
        return sorted(found, key=lambda row: row.unit_uuid)

    async def members(
        self,
        uuid: RolloutId,
        states: Collection[MemberState],
        limit: int,
        *,
        among: Collection[UnitId] | None = None,
    ) -> Sequence[Member]:
        found = [
            row
            for row in self._of(uuid)
            if row.state in states and (among is None or row.unit_uuid in among)
        ]
        return found[:limit]

    async def waiting(self, uuid: RolloutId, stage: int) -> Sequence[UnitId]:
        units = self.view.world.units
        found = [
            row.unit_uuid
            for row in self._of(uuid)
            if row.stage == stage and row.state is MemberState.WAITING
        ]
        return sorted(found, key=lambda unit: not units[unit].is_online)

    async def settle(self, rollout: Rollout, now: datetime, *, away_before: datetime) -> int:
        world = self.view.for_writing()
        changed = 0
        for member in self._of(rollout.uuid):
            if member.state not in TOLD:
                continue
            unit = world.units[member.unit_uuid]
            is_taken = (unit.uuid, CommandKind.UPDATE) not in world.outbox
            row = evolve(member, has_taken=member.has_taken or is_taken)
            state = _state(row, unit, rollout, away_before)
            changed += state is not row.state
            world.members[rollout.uuid, row.unit_uuid] = evolve(
                row,
                state=state,
                error=unit.update.error if state is MemberState.FAILED else None,
                settled_datetime=None if state in TOLD else now,
            )
        return changed

    async def counts(self, uuid: RolloutId) -> Sequence[StageCount]:
        found = Counter((row.stage, row.state) for row in self._of(uuid))
        ordered = sorted(found.items(), key=lambda item: (item[0][0], item[0][1].value))
        return [StageCount(stage, state, units) for (stage, state), units in ordered]

    async def failed_since(self, uuid: RolloutId, since: datetime) -> int:
        return sum(
            row.state is MemberState.FAILED
            and row.settled_datetime is not None
            and row.settled_datetime >= since
            for row in self._of(uuid)
        )

    async def wait_again(self, uuid: RolloutId) -> None:
        members = self.view.for_writing().members
        for row in self._of(uuid):
            if row.state is MemberState.RETURNED:
                members[uuid, row.unit_uuid] = Member(row.unit_uuid, row.stage)


def _state(row: Member, unit: Unit, rollout: Rollout, away_before: datetime) -> MemberState:
    if unit.current_commit_version == rollout.commit:
        return MemberState.SUCCEEDED
    is_untold = not row.has_taken and unit.built_commit == rollout.commit
    is_away = is_untold and not unit.is_online
    if row.state is MemberState.UPDATING and is_away:
        moments = (unit.update.sent_datetime, unit.last_seen_datetime)
        was_here = any(moment is not None and moment > away_before for moment in moments)
        return MemberState.UPDATING if was_here else MemberState.OFFLINE
    if unit.update.status is not UpdateStatus.ERROR:
        return row.state
    if row.state is MemberState.OFFLINE and is_untold:
        return MemberState.OFFLINE
    return MemberState.FAILED
