"""Git remotes over GraphQL (spec graphql.md 6, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from attrs import field, frozen

from pepeunit.codecs.rest.registry import (
    CommitModel,
    CredentialsModel,
    GitCredentialsModel,
    RegistriesModel,
    RegistryModel,
    commit_model,
    credentials_model,
    registry_model,
)
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.credentials import CredentialStatus, GitCredentials
from pepeunit.domain.registries.registry import GitPlatform, SyncStatus
from pepeunit.entrypoints.graphql.door import Call, Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done, among, ordered, slice_of
from pepeunit.ports.paging import OrderKey
from pepeunit.ports.registries import RegistryQuery
from pepeunit.usecases.registries.credentials import GetCredentials, SetCredentials
from pepeunit.usecases.registries.delete_registry import DeleteRegistry
from pepeunit.usecases.registries.read_registries import (
    GetRegistry,
    ListBranchCommits,
    ListRegistries,
    RegistryView,
)
from pepeunit.usecases.registries.register import RegisterRegistry
from pepeunit.usecases.registries.sync_registry import GetPushSecret, SyncRegistry

COMMITS_DEFAULT: Final = 10
SIZE_MAX: Final = 2**31 - 1
"""``Int`` ends here; a larger mirror is told to have this many bytes."""


@frozen
class Credentials:
    """A token of only ``*`` as it is shown leaves the stored one as it is."""

    username: str
    pat_token: str = field(repr=False)

    def credentials(self) -> GitCredentials:
        return GitCredentials(self.username, self.pat_token)


@frozen
class NewRegistry:
    """``repository_url`` is ``http(s)://....git``; a private repository needs credentials."""

    platform: GitPlatform
    repository_url: str
    is_public_repository: bool
    credentials: Credentials | None


@frozen(kw_only=True)
class RegistryFilter(Paged):
    uuids: Sequence[UUID] | None
    creator_uuid: UserId | None
    search_string: str | None
    is_public_repository: bool | None
    order_by_create_date: Direction | None
    order_by_last_update: Direction | None


@frozen(kw_only=True)
class CommitFilter(Paged):
    """Without ``limit`` ten; ``limit`` 0 is an empty list here."""

    repo_branch: str
    only_tag: bool

    @property
    def is_unlimited(self) -> bool:
        return False


def _model(view: RegistryView) -> RegistryModel:
    return registry_model(view.registry, view.branches)


def _size(model: RegistryModel) -> int:
    return min(model.local_repository_size, SIZE_MAX)


@frozen
class RegistryDoor:
    register: RegisterRegistry
    get_registry: GetRegistry
    list_registries: ListRegistries
    list_branch_commits: ListBranchCommits
    set_credentials: SetCredentials
    get_credentials: GetCredentials
    sync_registry: SyncRegistry
    delete_registry: DeleteRegistry
    get_push_secret: GetPushSecret

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="repository_registry",
            collection="registries",
            queries={
                "getRepositoryRegistry": self.get,
                "getRepositoriesRegistry": self.find,
                "getBranchCommits": self.commits,
                "getCredentials": self.own_credentials,
                "getPushSecret": self.push_secret,
            },
            mutations={
                "createRepositoryRegistry": self.create,
                "setCredentials": self.enter_credentials,
                "updateLocalRepository": self.sync,
                "deleteRepositoryRegistry": self.delete,
            },
            inputs={
                "CredentialsInput": Credentials,
                "RepositoryRegistryCreateInput": NewRegistry,
                "RepositoryRegistryFilterInput": RegistryFilter,
                "CommitFilterInput": CommitFilter,
            },
            outputs={
                "RepositoryRegistryType": RegistryModel,
                "RepositoriesRegistryResultType": RegistriesModel,
                "CredentialsType": GitCredentialsModel,
                "OneRepositoryRegistryCredentialsType": CredentialsModel,
                "CommitType": CommitModel,
            },
            readers={"RepositoryRegistryType.localRepositorySize": _size},
            enums={
                "GitPlatform": GitPlatform,
                "RepositoryRegistryStatus": SyncStatus,
                "CredentialStatus": CredentialStatus,
            },
        )

    async def create(self, agent: Agent, repository_registry: NewRegistry) -> RegistryModel:
        """A failed first sync shows in the status; a long one goes on behind the answer."""
        given = repository_registry
        made = await self.register(
            agent,
            given.platform,
            given.repository_url,
            given.is_public_repository,
            given.credentials.credentials() if given.credentials else None,
        )
        return _model(await self.get_registry(agent, made.uuid))

    async def get(self, agent: Agent, uuid: UUID) -> RegistryModel:
        return _model(await self.get_registry(agent, RegistryId(uuid)))

    async def find(self, agent: Agent, filters: RegistryFilter, call: Call) -> RegistriesModel:
        page = await self.list_registries(
            agent,
            RegistryQuery(
                uuids=among(filters.uuids),
                creator_uuid=filters.creator_uuid,
                search=filters.search_string,
                is_public_repository=filters.is_public_repository,
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
        return RegistriesModel(page.count, [_model(view) for view in page.items])

    async def commits(self, agent: Agent, uuid: UUID, filters: CommitFilter) -> list[CommitModel]:
        found = await self.list_branch_commits(
            agent,
            RegistryId(uuid),
            filters.repo_branch,
            only_tag=filters.only_tag,
            offset=filters.offset or 0,
            limit=COMMITS_DEFAULT if filters.limit is None else filters.limit,
        )
        return [commit_model(commit) for commit in found]

    async def enter_credentials(self, agent: Agent, uuid: UUID, data: Credentials) -> Done:
        await self.set_credentials(agent, RegistryId(uuid), data.credentials())
        return DONE

    async def own_credentials(self, agent: Agent, uuid: UUID) -> CredentialsModel | None:
        slot = await self.get_credentials(agent, RegistryId(uuid))
        return None if slot is None else credentials_model(slot)

    async def sync(self, agent: Agent, uuid: UUID) -> Done:
        await self.sync_registry(agent, RegistryId(uuid))
        return DONE

    async def delete(self, agent: Agent, uuid: UUID) -> Done:
        await self.delete_registry(agent, RegistryId(uuid))
        return DONE

    async def push_secret(self, agent: Agent, uuid: UUID) -> str:
        return await self.get_push_secret(agent, RegistryId(uuid))
