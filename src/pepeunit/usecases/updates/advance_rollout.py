"""Bring rollouts on, one transaction a batch: the next round takes up what a crash leaves."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from pepeunit.domain.errors import NotFound, Refused, Unavailable
from pepeunit.domain.ids import RolloutId, UnitId
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.registries.version import Version
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.repos.rollout import (
    TOUCHED,
    Member,
    MemberState,
    Rollout,
    RolloutState,
)
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.leases import Leases
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.move_units import BATCH_UNITS, Destination, MoveUnits
from pepeunit.usecases.updates.programs import Programs

log = logging.getLogger(__name__)

OFFLINE_AFTER_SECONDS = 30.0
"""A device counts as away when it was neither told nor seen for so long: one that comes back at
once, as all do after a restart of the platform, is waited for."""


@frozen
class AdvanceRollout:
    """Judges a rollout by what its units reported, and moves those whose stage has come."""

    database: Database
    programs: Programs
    move: MoveUnits
    drain: DrainOutbox
    leases: Leases
    clock: Clock
    batch_units: int = BATCH_UNITS

    async def __call__(self, uuid: RolloutId, to: Destination | None = None) -> int:
        """How many commands were queued; ``to`` is the rollout's version when it is read already.

        Nothing is done while another round, here or in another process, is at it. Raises
        ``Refused`` when the version can no longer be read.
        """
        async with self.leases.hold(f"rollout:{uuid}") as ours:
            return await self._advance(uuid, to) if ours else 0

    async def _advance(self, uuid: RolloutId, to: Destination | None) -> int:
        queued = 0
        while True:
            rollout = await self._judge(uuid)
            if rollout is None:
                return queued
            if rollout.state is RolloutState.RETURNED:
                return queued + await self._send_back(rollout)
            units = await self._waiting(rollout) if rollout.is_running else ()
            if not units:
                return queued
            if to is None:
                to = await self._destination(rollout)
            for start in range(0, len(units), self.batch_units):
                batch = units[start : start + self.batch_units]
                moved = await self._move_batch(uuid, rollout.stage, to, batch)
                if moved is None:
                    return queued
                queued += moved
                await self.drain()

    async def everywhere(self) -> None:
        """The round: every rollout with something left to do."""
        async with self.database.read() as rows:
            uuids = await rows.rollouts.unfinished()
        for uuid in uuids:
            try:
                await self(uuid)
            except Refused as refusal:
                log.warning("rollout %s waits: %s", uuid, refusal)
            except Unavailable as outage:
                log.warning("rollout %s goes on later: %s", uuid, outage)
            except Exception:
                log.exception("rollout %s could not go on", uuid)

    async def _judge(self, uuid: RolloutId) -> Rollout | None:
        now = self.clock()
        async with self.database.begin() as tx:
            rollout = await tx.rollouts.get(uuid, for_update=True)
            if rollout is None:
                return None
            if rollout.is_running or rollout.awaits_devices:
                away_before = now - timedelta(seconds=OFFLINE_AFTER_SECONDS)
                await tx.rollouts.settle(rollout, now, away_before=away_before)
                failures = await tx.rollouts.failed_since(uuid, rollout.failures_since(now))
                counts = await tx.rollouts.counts(uuid)
                judged = rollout.judged(failures=failures, counts=counts, now=now)
                if judged != rollout:
                    await tx.rollouts.put(judged)
                if judged.state is RolloutState.STOPPED:
                    log.warning("rollout %s stopped: %s", uuid, judged.reason)
                return judged
            return rollout

    async def _waiting(self, rollout: Rollout) -> Sequence[UnitId]:
        async with self.database.read() as rows:
            return await rows.rollouts.waiting(rollout.uuid, rollout.stage)

    async def _destination(self, rollout: Rollout, version: Version | None = None) -> Destination:
        repo, registry = await self._sources(rollout)
        return Destination(
            registry, repo, await self.programs.at(registry, version or rollout.version)
        )

    async def _sources(self, rollout: Rollout) -> tuple[Repo, Registry]:
        async with self.database.read() as rows:
            repo = await rows.repos.get(rollout.repo_uuid)
            registry = await rows.registries.get(repo.repository_registry_uuid) if repo else None
        if repo is None or registry is None:
            raise NotFound("repo not found")
        return repo, registry

    async def _move_batch(
        self, uuid: RolloutId, stage: int, to: Destination, units: Sequence[UnitId]
    ) -> int | None:
        """How many commands were queued; None when the rollout went on or was held meanwhile."""
        try:
            async with self.database.read() as rows:
                found = await rows.units.get_many(units)
            await self.move.prepare(found, to)
            return await self._move_units(uuid, stage, to, units)
        except Unavailable:
            raise
        except Exception:
            if len(units) == 1:
                log.exception("unit %s could not be updated", units[0])
                return await self._give_up(uuid, units)
            log.warning("a batch of rollout %s failed and is tried unit by unit", uuid)
        queued = [await self._move_batch(uuid, stage, to, [unit]) for unit in units]
        return sum(moved or 0 for moved in queued)

    async def _move_units(
        self, uuid: RolloutId, stage: int, to: Destination, chosen: Sequence[UnitId]
    ) -> int | None:
        async with self.database.begin() as tx:
            rollout = await tx.rollouts.get(uuid, for_update=True)
            if rollout is None or not rollout.is_running or rollout.stage != stage:
                return None
            members = await tx.rollouts.members(
                uuid, [MemberState.WAITING], len(chosen), among=chosen
            )
            units = await self._locked(tx, members, to)
            queued = await self.move(tx, list(units.values()), to, ignore_backoff=True)
            now = self.clock()
            await tx.rollouts.put_members(
                uuid, [_touched(row, units.get(row.unit_uuid), now) for row in members]
            )
        await self.move.nodes_ready(list(units.values()), to)
        return queued

    async def _locked(
        self, tx: Transaction, members: Sequence[Member], to: Destination
    ) -> dict[UnitId, Unit]:
        """The units that still follow the repo."""
        found = await tx.units.get_many([row.unit_uuid for row in members], for_update=True)
        return {
            unit.uuid: unit
            for unit in found
            if unit.is_auto_update_from_repo_unit and unit.repo_uuid == to.repo.uuid
        }

    async def _give_up(self, uuid: RolloutId, units: Sequence[UnitId]) -> int:
        async with self.database.begin() as tx:
            members = await tx.rollouts.members(
                uuid, [MemberState.WAITING], len(units), among=units
            )
            failed = [
                evolve(
                    row,
                    state=MemberState.FAILED,
                    error="the unit could not be updated, the log of the platform tells why",
                    settled_datetime=self.clock(),
                )
                for row in members
            ]
            await tx.rollouts.put_members(uuid, failed)
        return 0

    async def _send_back(self, rollout: Rollout) -> int:
        queued = 0
        while True:
            async with self.database.read() as rows:
                members = await rows.rollouts.members(rollout.uuid, TOUCHED, self.batch_units)
            if not members:
                return queued
            for version in dict.fromkeys(row.previous for row in members):
                queued += await self._send_back_to(
                    rollout, version, [row for row in members if row.previous == version]
                )
            await self.drain()

    async def _send_back_to(
        self, rollout: Rollout, version: Version | None, members: Sequence[Member]
    ) -> int:
        """Members that were built for one version before; None is never built."""
        to: Destination | None = None
        refusal: Refused | None = None
        if version is not None:
            try:
                to = await self._destination(rollout, version)
            except NotFound:
                raise
            except Refused as unreadable:
                refusal = unreadable
        queued = 0
        async with self.database.begin() as tx:
            locked = await tx.rollouts.get(rollout.uuid, for_update=True)
            if locked is None or locked.state is not RolloutState.RETURNED:
                return 0
            found = await tx.units.get_many([row.unit_uuid for row in members], for_update=True)
            units = [
                unit
                for unit in found
                if unit.built_commit == rollout.commit and unit.is_auto_update_from_repo_unit
            ]
            if to is not None:
                queued = await self.move(tx, units, to, ignore_backoff=True)
            elif refusal is not None:
                refused = [one for unit in units for one in self.move.refused(unit, refusal)]
                await tx.units.put_many(refused)
            await tx.rollouts.put_members(
                rollout.uuid, [evolve(row, state=MemberState.RETURNED) for row in members]
            )
        if to is not None:
            await self.move.nodes_ready(units, to)
        return queued


def _touched(member: Member, unit: Unit | None, now: datetime) -> Member:
    """``unit`` is as it was before it moved, None when it no longer follows the repo."""
    if unit is None:
        return evolve(
            member,
            state=MemberState.FAILED,
            error="the unit no longer follows the repo",
            settled_datetime=now,
        )
    previous = None if unit.built_commit is None else Version(unit.built_commit, unit.built_tag)
    return evolve(
        member,
        state=MemberState.UPDATING,
        previous=previous,
        error=None,
        settled_datetime=None,
    )
