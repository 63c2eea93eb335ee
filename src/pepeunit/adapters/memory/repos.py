"""Repos in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from pepeunit.adapters.memory.permissions import forget_permissions, is_permitted
from pepeunit.adapters.memory.selecting import Keys, page, searcher, wanted
from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.domain.errors import Topic
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.domain.repos.repo import Repo
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.repos import RepoQuery

_KEYS: Final[Keys[Repo]] = {
    OrderKey.CREATE_DATETIME: lambda repo: repo.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: lambda repo: repo.last_update_datetime,
    OrderKey.NAME: lambda repo: repo.name,
}


@frozen
class MemoryRepos:
    """Implements :class:`~pepeunit.ports.repos.Repos`."""

    view: View

    async def get(self, uuid: RepoId, *, for_update: bool = False) -> Repo | None:
        return self.view.locked(for_update=for_update).repos.get(uuid)

    async def find(self, query: RepoQuery) -> Page[Repo]:
        world = self.view.world
        matches = searcher(query.search)
        rows = (
            repo
            for repo in world.repos.values()
            if wanted(repo.uuid, query.uuids)
            and wanted(repo.repository_registry_uuid, query.repository_registry_uuid)
            and wanted(repo.creator_uuid, query.creators)
            and wanted(repo.is_auto_update_repo, query.is_auto_update_repo)
            and query.scope.admits(
                repo.resource(permitted=is_permitted(world, query.scope, repo.uuid))
            )
            and matches(
                repo.name,
                world.registries[repo.repository_registry_uuid].repository_url,
                repo.default_branch,
            )
        )
        return page(rows, query.order, query.slice, _KEYS)

    async def auto_updated(self) -> Sequence[Repo]:
        repos = self.view.world.repos.values()
        return sorted((r for r in repos if r.is_auto_update_repo), key=lambda repo: repo.uuid)

    async def of_registry(self, registry: RegistryId) -> Sequence[Repo]:
        repos = self.view.world.repos.values()
        return sorted(
            (repo for repo in repos if repo.repository_registry_uuid == registry),
            key=lambda repo: repo.uuid,
        )

    async def put(self, repo: Repo) -> None:
        world = self.view.for_writing()
        require_storable_row(repo)
        for other in world.repos.values():
            if other.name == repo.name and other.uuid != repo.uuid:
                raise self.view.clash("the name is taken by another repo", Topic.REPO)
        self.view.require(repo.repository_registry_uuid in world.registries, "the registry is gone")
        self.view.require(repo.creator_uuid in world.users, "the user is gone")
        world.repos[repo.uuid] = repo

    async def delete(self, uuid: RepoId) -> None:
        world = self.view.for_writing()
        if any(unit.repo_uuid == uuid for unit in world.units.values()):
            raise self.view.clash("the repo still has units")
        world.repos.pop(uuid, None)
        world.rollout_rules.pop(uuid, None)
        gone = {row.uuid for row in world.rollouts.values() if row.repo_uuid == uuid}
        for rollout in gone:
            del world.rollouts[rollout]
        for member in [key for key in world.members if key[0] in gone]:
            del world.members[member]
        forget_permissions(world, {uuid})
