"""Program families over REST (spec rest.md 8.3)."""

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
    repo_model,
)
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.domain.registries.version import Sha
from pepeunit.entrypoints.http.paging import (
    last_changed_first,
    newest_first,
    one_and_many,
    order_by,
    set_of,
    slice_of,
)
from pepeunit.entrypoints.http.route import Route
from pepeunit.ports.repos import RepoQuery
from pepeunit.usecases.repos.create_repo import CreateRepo, RepoSettings
from pepeunit.usecases.repos.edit_repo import DeleteRepo, EditRepo, RepoChanges
from pepeunit.usecases.repos.read_repos import GetRepo, GetRepoVersions, ListPlatforms, ListRepos
from pepeunit.usecases.updates.update_repo import BulkUpdate, UpdateRepoUnits


@frozen
class RepoPath:
    uuid: RepoId


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

    visibility_level: Visibility | None = None
    name: str | None = None
    is_auto_update_repo: bool | None = None
    default_branch: str | None = None
    default_commit: Sha | None = None
    is_only_tag_update: bool | None = None
    is_compilable_repo: bool | None = None


@frozen(kw_only=True)
class RepoList(Paged):
    repository_registry_uuid: RegistryId | None = None
    uuids: tuple[UUID, ...] | None = None
    creator_uuid: UUID | None = None
    creators_uuids: tuple[UUID, ...] | None = None
    search_string: str | None = None
    is_auto_update_repo: bool | None = None
    visibility_level: tuple[Visibility, ...] | None = None
    order_by_create_date: Direction | None = None
    order_by_last_update: Direction | None = None


@frozen
class PlatformChoice:
    """The tag wins; without either, the current target version counts."""

    target_commit: Sha | None = None
    target_tag: str | None = None


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

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/repos", self.create, status=201),
            Route.of("GET", "/repos/{uuid}", self.get),
            Route.of("GET", "/repos", self.find),
            Route.of("GET", "/repos/available_platforms/{uuid}", self.platforms),
            Route.of("GET", "/repos/versions/{uuid}", self.versions),
            Route.of("PATCH", "/repos/{uuid}", self.edit),
            Route.of("PATCH", "/repos/update_units_firmware/{uuid}", self.update_units),
            Route.of("POST", "/repos/bulk_update", self.update_everything),
            Route.of("DELETE", "/repos/{uuid}", self.delete),
        )

    async def create(self, agent: Agent, body: NewRepo) -> RepoModel:
        """Make a program family from a registry's branch; it follows the branch's tags."""
        settings = RepoSettings(
            name=body.name,
            visibility_level=body.visibility_level,
            default_branch=body.default_branch,
            is_compilable_repo=body.is_compilable_repo,
        )
        return repo_model(await self.create_repo(agent, body.repository_registry_uuid, settings))

    async def get(self, agent: Agent, path: RepoPath) -> RepoModel:
        """One repo."""
        return repo_model(await self.get_repo(agent, path.uuid))

    async def find(self, agent: Agent, query: RepoList) -> ReposModel:
        """Repos, newest first; search looks at name, registry URL and default branch."""
        page = await self.list_repos(
            agent,
            RepoQuery(
                scope=Scope.of(agent, set_of(query.visibility_level)),
                uuids=set_of(query.uuids),
                repository_registry_uuid=query.repository_registry_uuid,
                creators=one_and_many(query.creator_uuid, query.creators_uuids),
                search=query.search_string,
                is_auto_update_repo=query.is_auto_update_repo,
                order=order_by(
                    newest_first(query.order_by_create_date),
                    last_changed_first(query.order_by_last_update),
                ),
                slice=slice_of(query),
            ),
        )
        return ReposModel(page.count, [repo_model(repo) for repo in page.items])

    async def platforms(
        self, agent: Agent, path: RepoPath, query: PlatformChoice
    ) -> list[PlatformModel]:
        """The release assets compilable units can choose from."""
        found = await self.list_platforms(
            agent, path.uuid, query.target_commit or None, query.target_tag or None
        )
        return [PlatformModel(asset.name, asset.link) for asset in found]

    async def versions(self, agent: Agent, path: RepoPath) -> RepoVersionsModel:
        """The versions the repo's units report, most used first."""
        found = await self.get_versions(agent, path.uuid)
        return RepoVersionsModel(
            found.unit_count,
            [RepoVersionModel(run.commit, run.unit_count, run.tag) for run in found.versions],
        )

    async def edit(self, agent: Agent, path: RepoPath, body: RepoPatch) -> RepoModel:
        """Change a repo; a changed version rule moves its units."""
        changes = RepoChanges(**asdict(body, recurse=False))
        return repo_model(await self.edit_repo(agent, path.uuid, changes))

    async def update_units(self, agent: Agent, path: RepoPath) -> None:
        """Bring the units that follow the repo to its target version."""
        await self.update_repo_units(agent, path.uuid)

    async def update_everything(self, agent: Agent) -> None:
        """The same for every automatic repo, for administrators; goes on behind the answer."""
        await self.bulk_update(agent)

    async def delete(self, agent: Agent, path: RepoPath) -> None:
        """Delete a repo; refused while units exist."""
        await self.delete_repo(agent, path.uuid)
