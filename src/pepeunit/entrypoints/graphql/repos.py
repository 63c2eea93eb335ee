"""Program families over GraphQL (spec graphql.md 6, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import asdict, frozen

from pepeunit.codecs.rest.repo import (
    PlatformModel,
    RepoModel,
    ReposModel,
    RepoVersionModel,
    RepoVersionsModel,
    TargetVersionModel,
    repo_model,
)
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.domain.registries.version import Sha
from pepeunit.entrypoints.graphql.door import Call, Resolvers
from pepeunit.entrypoints.graphql.filters import (
    DONE,
    Done,
    among,
    members,
    one_and_many,
    ordered,
    slice_of,
)
from pepeunit.ports.paging import OrderKey
from pepeunit.ports.repos import RepoQuery
from pepeunit.usecases.repos.create_repo import CreateRepo, RepoSettings
from pepeunit.usecases.repos.edit_repo import DeleteRepo, EditRepo, RepoChanges
from pepeunit.usecases.repos.read_repos import GetRepo, GetRepoVersions, ListPlatforms, ListRepos
from pepeunit.usecases.updates.update_repo import BulkUpdate, UpdateRepoUnits


@frozen
class NewRepo:
    repository_registry_uuid: RegistryId
    default_branch: str
    visibility_level: Visibility
    name: str
    is_compilable_repo: bool


@frozen
class RepoPatch:
    """Null leaves a value as it is."""

    visibility_level: Visibility | None
    name: str | None
    is_auto_update_repo: bool | None
    default_branch: str | None
    default_commit: Sha | None
    is_only_tag_update: bool | None
    is_compilable_repo: bool | None


@frozen(kw_only=True)
class RepoFilter(Paged):
    repository_registry_uuid: RegistryId | None
    uuids: Sequence[UUID] | None
    creator_uuid: UUID | None
    creators_uuids: Sequence[UUID] | None
    search_string: str | None
    is_auto_update_repo: bool | None
    visibility_level: Sequence[Visibility] | None
    order_by_create_date: Direction | None
    order_by_last_update: Direction | None


@frozen
class RepoDoor:
    create_repo: CreateRepo
    get_repo: GetRepo
    list_repos: ListRepos
    list_platforms: ListPlatforms
    get_versions: GetRepoVersions
    edit_repo: EditRepo
    update_repo_units: UpdateRepoUnits
    bulk_update: BulkUpdate
    delete_repo: DeleteRepo

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="repos",
            collection="repos",
            queries={
                "getRepo": self.get,
                "getRepos": self.find,
                "getAvailablePlatforms": self.platforms,
                "getVersions": self.versions,
            },
            mutations={
                "createRepo": self.create,
                "updateRepo": self.edit,
                "deleteRepo": self.delete,
                "updateUnitsFirmware": self.update_units,
                "bulkUpdate": self.update_everything,
            },
            inputs={
                "RepoCreateInput": NewRepo,
                "RepoUpdateInput": RepoPatch,
                "RepoFilterInput": RepoFilter,
            },
            outputs={
                "RepoType": RepoModel,
                "ReposResultType": ReposModel,
                "PlatformType": PlatformModel,
                "RepoVersionType": RepoVersionModel,
                "RepoVersionsType": RepoVersionsModel,
                "TargetVersionType": TargetVersionModel,
            },
            enums={"VisibilityLevel": Visibility},
        )

    async def create(self, agent: Agent, repo: NewRepo) -> RepoModel:
        settings = RepoSettings(
            name=repo.name,
            visibility_level=repo.visibility_level,
            default_branch=repo.default_branch,
            is_compilable_repo=repo.is_compilable_repo,
        )
        return repo_model(await self.create_repo(agent, repo.repository_registry_uuid, settings))

    async def get(self, agent: Agent, uuid: UUID) -> RepoModel:
        return repo_model(await self.get_repo(agent, RepoId(uuid)))

    async def find(self, agent: Agent, filters: RepoFilter, call: Call) -> ReposModel:
        page = await self.list_repos(
            agent,
            RepoQuery(
                scope=Scope.of(agent, members(filters.visibility_level, Visibility)),
                uuids=among(filters.uuids),
                repository_registry_uuid=filters.repository_registry_uuid,
                creators=one_and_many(filters.creator_uuid, filters.creators_uuids),
                search=filters.search_string,
                is_auto_update_repo=filters.is_auto_update_repo,
                order=ordered(
                    call.given("filters"),
                    ("orderByCreateDate", OrderKey.CREATE_DATETIME, filters.order_by_create_date),
                    (
                        "orderByLastUpdate",
                        OrderKey.LAST_UPDATE_DATETIME,
                        filters.order_by_last_update,
                    ),
                ),
                slice=slice_of(filters),
            ),
        )
        return ReposModel(page.count, [repo_model(repo) for repo in page.items])

    async def platforms(
        self, agent: Agent, uuid: UUID, target_commit: str | None, target_tag: str | None
    ) -> list[PlatformModel]:
        """The tag wins; without either, the current target version counts."""
        commit = Sha(target_commit) if target_commit else None
        found = await self.list_platforms(agent, RepoId(uuid), commit, target_tag or None)
        return [PlatformModel(asset.name, asset.link) for asset in found]

    async def versions(self, agent: Agent, uuid: UUID) -> RepoVersionsModel:
        found = await self.get_versions(agent, RepoId(uuid))
        return RepoVersionsModel(
            found.unit_count,
            [RepoVersionModel(run.commit, run.unit_count, run.tag) for run in found.versions],
        )

    async def edit(self, agent: Agent, uuid: UUID, repo: RepoPatch) -> RepoModel:
        changes = RepoChanges(**asdict(repo, recurse=False))
        return repo_model(await self.edit_repo(agent, RepoId(uuid), changes))

    async def update_units(self, agent: Agent, uuid: UUID) -> Done:
        await self.update_repo_units(agent, RepoId(uuid))
        return DONE

    async def update_everything(self, agent: Agent) -> Done:
        await self.bulk_update(agent)
        return DONE

    async def delete(self, agent: Agent, uuid: UUID) -> Done:
        await self.delete_repo(agent, RepoId(uuid))
        return DONE
