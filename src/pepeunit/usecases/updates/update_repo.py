"""Bring every unit of a repo, or of all repos, to its target version (spec devices.md 11).

Webhook, poll, hourly net and the button all come through :class:`UpdateFollowers`, so that all of
them obey the repo's rollout.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_admin, require_kind
from pepeunit.domain.errors import Conflict, Refused, Topic, Unavailable
from pepeunit.domain.ids import RegistryId, RepoId, RolloutId, UnitId
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.repos.rollout import Member, MemberState, Rollout
from pepeunit.domain.repos.rollout_rule import ALL_AT_ONCE, RolloutRule, RuleSource
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.identifiers import NewUuid
from pepeunit.usecases.access.gates import registry_of, repo_for
from pepeunit.usecases.background import Background
from pepeunit.usecases.updates.advance_rollout import AdvanceRollout
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.move_units import BATCH_UNITS, Destination, MoveUnits
from pepeunit.usecases.updates.programs import Programs

log = logging.getLogger(__name__)


@frozen
class StartRollout:
    """Fixes who is in a rollout, in which order, under which rule."""

    database: Database
    programs: Programs
    clock: Clock
    new_uuid: NewUuid

    async def __call__(self, to: Destination) -> Rollout | None:
        """The repo's rollout of this version, begun now if it is new.

        None when no unit has to be built for it. One of another version ends here. Raises
        ``Invalid`` (topic update) for a bad ``[rollout]``.
        """
        repo = to.repo.uuid
        async with self.database.read() as rows:
            known = await rows.rollouts.latest(repo)
        if known is not None and known.commit == to.version.commit:
            return known
        rule, source = await self._rule(to)
        now = self.clock()
        async with self.database.begin() as tx:
            await tx.lock(f"rollouts of {repo}")
            latest = await tx.rollouts.latest(repo)
            if latest is not None:
                if latest.commit == to.version.commit:
                    return latest
                locked = await tx.rollouts.get(latest.uuid, for_update=True)
                if locked is not None:
                    await tx.rollouts.put(locked.superseded(to.version.commit, now))
            units = await tx.units.not_built_for(repo, to.version.commit)
            if not units:
                return None
            rollout = Rollout(
                uuid=RolloutId(self.new_uuid()),
                repo_uuid=repo,
                version=to.version,
                rule=rule,
                source=source,
                ends=rule.ends(len(units)),
                create_datetime=now,
                last_update_datetime=now,
                counted_from_datetime=now,
            )
            await tx.rollouts.put(rollout)
            members = [Member(unit, rollout.stage_of(place)) for place, unit in enumerate(units)]
            await tx.rollouts.put_members(rollout.uuid, members)
        return rollout

    async def _rule(self, to: Destination) -> tuple[RolloutRule, RuleSource]:
        found = await self.programs.rollout_rule(to.registry.uuid, to.version.commit)
        if found is not None:
            return found, RuleSource.FILE
        async with self.database.read() as rows:
            stored = await rows.rollouts.rule_of(to.repo.uuid)
        if stored is not None:
            return stored, RuleSource.SETTING
        return ALL_AT_ONCE, RuleSource.DEFAULT


@frozen
class UpdateFollowers:
    """The shared way: one unit's failure never stops the others (O31)."""

    database: Database
    programs: Programs
    start: StartRollout
    advance: AdvanceRollout
    move: MoveUnits
    drain: DrainOutbox

    async def __call__(self, uuid: RepoId, *, ignore_backoff: bool = False) -> int:
        """How many commands were queued.

        Raises ``Conflict`` (topic update) only with ``ignore_backoff``, a person's wish, when the
        rollout of the target is paused, stopped or returned: resuming it is the way on.
        """
        async with self.database.read() as rows:
            repo = await rows.repos.get(uuid)
            registry = None if repo is None else await registry_of(rows, repo)
            followers = await rows.units.following(uuid)
        if repo is None or registry is None or not followers:
            return 0
        try:
            to = await self._target(repo, registry)
            rollout = await self.start(to)
        except Unavailable as outage:
            log.warning("units of repo %s are updated later: %s", uuid, outage)
            return 0
        except Refused as refusal:
            await self._record(followers, refusal)
            return 0
        if rollout is not None and rollout.holds_units_back:
            if ignore_backoff:
                state = rollout.state.value.lower()
                raise Conflict(f"the rollout of {to.version.commit} is {state}", Topic.UPDATE)
            return 0
        return await self._go_on(rollout, to, ignore_backoff)

    async def _go_on(self, rollout: Rollout | None, to: Destination, ignore_backoff: bool) -> int:
        queued = 0
        if rollout is not None:
            queued = await self.advance(rollout.uuid, to)
            async with self.database.read() as rows:
                now = await rows.rollouts.get(rollout.uuid)
                waits = await rows.rollouts.members(rollout.uuid, [MemberState.WAITING], 1)
            if queued or waits or now is None or now.holds_units_back:
                return queued
        return await self._nudge(to, ignore_backoff)

    async def _target(self, repo: Repo, registry: Registry) -> Destination:
        version = await self.programs.target(registry, repo, None)
        return Destination(registry, repo, await self.programs.at(registry, version))

    async def _nudge(self, to: Destination, ignore_backoff: bool) -> int:
        """Tell the units again that are behind, and those that came after the rollout."""
        repo = to.repo.uuid
        async with self.database.read() as rows:
            behind = await rows.units.behind(repo, to.version.commit)
        queued = 0
        for batch in _batches(behind, BATCH_UNITS):
            queued += await self._nudge_batch(batch, to, ignore_backoff)
        return queued

    async def _nudge_batch(
        self, batch: Sequence[UnitId], to: Destination, ignore_backoff: bool
    ) -> int:
        try:
            async with self.database.read() as rows:
                found = await rows.units.get_many(batch)
            await self.move.prepare(found, to)
            async with self.database.begin() as tx:
                units = [
                    unit
                    for unit in await tx.units.get_many(batch, for_update=True)
                    if unit.is_auto_update_from_repo_unit
                ]
                queued = await self.move(tx, units, to, ignore_backoff=ignore_backoff)
            await self.move.nodes_ready(units, to)
        except Unavailable as outage:
            log.warning("units of repo %s are updated later: %s", to.repo.uuid, outage)
            return 0
        except Exception:
            if len(batch) == 1:
                log.exception("unit %s could not be updated", batch[0])
                return 0
            return sum([await self._nudge_batch([unit], to, ignore_backoff) for unit in batch])
        if queued:
            await self.drain()
        return queued

    async def _record(self, followers: Sequence[UnitId], refusal: Refused) -> None:
        """Write to the units why none of them can move (O31)."""
        for batch in _batches(followers, BATCH_UNITS):
            async with self.database.begin() as tx:
                units = await tx.units.get_many(batch, for_update=True)
                failed = [one for unit in units for one in self.move.refused(unit, refusal)]
                await tx.units.put_many(failed)

    async def of_registry(self, registry: RegistryId) -> int:
        """The automatic repos of a registry whose mirror has just moved."""
        async with self.database.read() as rows:
            repos = await rows.repos.of_registry(registry)
        return sum([await self(repo.uuid) for repo in repos if repo.is_auto_update_repo])

    async def everywhere(self) -> int:
        """The hourly net over all automatic repos."""
        async with self.database.read() as rows:
            repos = await rows.repos.auto_updated()
        return sum([await self(repo.uuid) for repo in repos])


def _batches(units: Sequence[UnitId], size: int) -> list[Sequence[UnitId]]:
    return [units[start : start + size] for start in range(0, len(units), size)]


@frozen
class UpdateRepoUnits:
    """The creator's button."""

    database: Database
    followers: UpdateFollowers

    async def __call__(self, agent: Agent, uuid: RepoId) -> int:
        """Raises ``Conflict`` (topic update) while the target's rollout is held."""
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            await repo_for(rows, agent, Action.CHANGE, uuid)
        return await self.followers(uuid, ignore_backoff=True)


@frozen
class BulkUpdate:
    """The administrator's button; the work goes on behind the answer."""

    followers: UpdateFollowers
    background: Background

    async def __call__(self, agent: Agent) -> None:
        require_admin(agent)
        self.background.start("bulk update", self.followers.everywhere())
