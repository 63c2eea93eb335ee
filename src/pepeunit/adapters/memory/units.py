"""Units and their sealed texts in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from attrs import asdict, evolve, frozen

from pepeunit.adapters.memory.nodes import drop_nodes, matching_nodes
from pepeunit.adapters.memory.permissions import forget_permissions, is_permitted
from pepeunit.adapters.memory.selecting import Keys, page, searcher, wanted
from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.codecs.text import json_text, require_storable
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Topic
from pepeunit.domain.ids import RepoId, UnitId
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.units import SealedKind, UnitQuery

_KEYS: Final[Keys[Unit]] = {
    OrderKey.CREATE_DATETIME: lambda unit: unit.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: lambda unit: unit.last_update_datetime,
    OrderKey.NAME: lambda unit: unit.name,
}


@frozen
class MemoryUnits:
    """Implements :class:`~pepeunit.ports.units.Units`."""

    view: View

    async def get(self, uuid: UnitId, *, for_update: bool = False) -> Unit | None:
        return self.view.locked(for_update=for_update).units.get(uuid)

    async def get_many(
        self, uuids: Collection[UnitId], *, for_update: bool = False
    ) -> Sequence[Unit]:
        units = self.view.locked(for_update=for_update).units
        return [units[uuid] for uuid in sorted(set(uuids)) if uuid in units]

    async def taken(self, names: Collection[str]) -> Sequence[str]:
        wanted = set(names)
        return sorted(unit.name for unit in self.view.world.units.values() if unit.name in wanted)

    async def find(self, query: UnitQuery) -> Page[Unit]:
        world = self.view.world
        matches = searcher(query.search)
        owners = (
            None
            if query.owning is None
            else frozenset(node.unit_uuid for node in matching_nodes(world, query.owning))
        )
        rows = (
            unit
            for unit in world.units.values()
            if wanted(unit.uuid, query.uuids)
            and wanted(unit.uuid, owners)
            and wanted(unit.creator_uuid, query.creator_uuid)
            and wanted(unit.repo_uuid, query.repos)
            and wanted(unit.is_auto_update_from_repo_unit, query.is_auto_update_from_repo_unit)
            and query.scope.admits(
                unit.resource(permitted=is_permitted(world, query.scope, unit.uuid))
            )
            and matches(unit.name)
        )
        return page(rows, query.order, query.slice, _KEYS)

    def _of(self, repo: RepoId) -> list[Unit]:
        return [unit for unit in self.view.world.units.values() if unit.repo_uuid == repo]

    async def following(self, repo: RepoId) -> Sequence[UnitId]:
        return sorted(unit.uuid for unit in self._of(repo) if unit.is_auto_update_from_repo_unit)

    async def behind(self, repo: RepoId, commit: Sha) -> Sequence[UnitId]:
        return sorted(
            unit.uuid
            for unit in self._of(repo)
            if unit.is_auto_update_from_repo_unit
            and not unit.built_commit == unit.current_commit_version == commit
        )

    async def not_built_for(self, repo: RepoId, commit: Sha) -> Sequence[UnitId]:
        return sorted(
            unit.uuid
            for unit in self._of(repo)
            if unit.is_auto_update_from_repo_unit and unit.built_commit != commit
        )

    async def versions(self, repo: RepoId) -> Sequence[tuple[Sha, int]]:
        counts = Counter(
            unit.current_commit_version for unit in self._of(repo) if unit.current_commit_version
        )
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    async def widest_visibility(self, repo: RepoId) -> Visibility | None:
        levels = (unit.visibility_level for unit in self._of(repo))
        return min(levels, key=lambda level: level.strictness, default=None)

    async def overdue(self, sent_before: datetime, limit: int) -> Sequence[UnitId]:
        waiting = sorted(
            (unit.update.sent_datetime, unit.uuid)
            for unit in self.view.world.units.values()
            if unit.update.status is UpdateStatus.REQUEST_SENT
            and unit.update.sent_datetime is not None
            and unit.update.sent_datetime < sent_before
        )
        return [uuid for _, uuid in waiting[:limit]]

    async def update_statuses(self) -> Mapping[UpdateStatus | None, int]:
        return Counter(unit.update.status for unit in self.view.world.units.values())

    async def with_old_token_before(self, moment: datetime, limit: int) -> Sequence[UnitId]:
        due = sorted(
            (unit.old_token_until, unit.uuid)
            for unit in self.view.world.units.values()
            if unit.old_token_until is not None and unit.old_token_until <= moment
        )
        return [uuid for _, uuid in due[:limit]]

    async def put(self, unit: Unit) -> None:
        world = self.view.for_writing()
        require_storable_row(unit)
        require_storable_row(unit.update)
        if unit.unit_state is not None:
            json_text("unit_state", asdict(unit.unit_state, recurse=False))
        for other in world.units.values():
            if other.name == unit.name and other.uuid != unit.uuid:
                raise self.view.clash("the name is taken by another unit", Topic.UNIT)
        self.view.require(unit.repo_uuid in world.repos, "the repo is gone")
        self.view.require(unit.creator_uuid in world.users, "the user is gone")
        world.units[unit.uuid] = unit

    async def put_many(self, units: Sequence[Unit]) -> None:
        for unit in units:
            await self.put(unit)

    async def delete(self, uuid: UnitId) -> None:
        world = self.view.for_writing()
        drop_nodes(world, {node.uuid for node in world.nodes.values() if node.unit_uuid == uuid})
        forget_permissions(world, {uuid})
        for kind in SealedKind:
            world.sealed.pop((uuid, kind), None)
        for key in [key for key in world.outbox if key[0] == uuid]:
            del world.outbox[key]
        for member in [key for key in world.members if key[1] == uuid]:
            del world.members[member]
        world.units.pop(uuid, None)

    async def mark_presence(self, uuid: UnitId, *, is_online: bool, at: datetime) -> None:
        units = self.view.for_writing().units
        if uuid in units:
            units[uuid] = evolve(units[uuid], is_online=is_online, last_seen_datetime=at)

    async def mark_all_offline(self) -> None:
        units = self.view.for_writing().units
        units.update({uuid: evolve(unit, is_online=False) for uuid, unit in units.items()})

    async def sealed(self, uuid: UnitId, kind: SealedKind) -> str | None:
        return self.view.world.sealed.get((uuid, kind))

    async def put_sealed(self, uuid: UnitId, kind: SealedKind, text: str | None) -> None:
        world = self.view.for_writing()
        if text is None:
            world.sealed.pop((uuid, kind), None)
            return
        require_storable([("text", text)])
        self.view.require(uuid in world.units, "the unit is gone")
        world.sealed[uuid, kind] = text
