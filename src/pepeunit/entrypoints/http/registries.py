"""Git remotes over REST (spec rest.md 8.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.registry import (
    CommitModel,
    CredentialsModel,
    RegistriesModel,
    RegistryModel,
    WebhookModel,
    commit_model,
    credentials_model,
    registry_model,
)
from pepeunit.codecs.rest.requests import PAGE_ROWS_MAX, Direction, Paged
from pepeunit.codecs.rest.strict import INTEGER_MAX, Hidden, Secret, Within
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.registry import GitPlatform
from pepeunit.entrypoints.http.paging import (
    last_changed_first,
    newest_first,
    order_by,
    set_of,
    slice_of,
)
from pepeunit.entrypoints.http.route import Call, Route
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
from pepeunit.usecases.registries.sync_registry import (
    GetPushSecret,
    ReceivePush,
    SyncMissing,
    SyncRegistry,
)

PUSH_BODY_BYTES_MAX: Final = 1024 * 1024
"""Code hosts list the files of a push; a longer list is left to the poll."""


@frozen
class RegistryPath:
    uuid: RegistryId


@frozen
class CredentialsBody:
    """A token of only ``*`` as it is shown leaves the stored one as it is."""

    username: str
    pat_token: Secret

    def credentials(self) -> GitCredentials:
        return GitCredentials(self.username, self.pat_token)


@frozen
class NewRegistry:
    """``repository_url`` is ``http(s)://....git``; a private repository needs credentials."""

    platform: GitPlatform
    repository_url: str
    is_public_repository: bool
    credentials: Annotated[CredentialsBody, Hidden()] | None = None


@frozen(kw_only=True)
class RegistryList(Paged):
    uuids: tuple[UUID, ...] | None = None
    creator_uuid: UserId | None = None
    search_string: str | None = None
    is_public_repository: bool | None = None
    order_by_create_date: Direction | None = None
    order_by_last_update: Direction | None = None


@frozen
class BranchCommits:
    """``limit`` 0 is an empty list here."""

    repo_branch: str
    only_tag: bool = False
    offset: Annotated[int, Within(0, INTEGER_MAX)] = 0
    limit: Annotated[int, Within(0, PAGE_ROWS_MAX)] = 10


def _model(view: RegistryView) -> RegistryModel:
    return registry_model(view.registry, view.branches)


@frozen
class RegistryDoor:
    register: RegisterRegistry
    get_registry: GetRegistry
    list_registries: ListRegistries
    list_branch_commits: ListBranchCommits
    set_credentials: SetCredentials
    get_credentials: GetCredentials
    sync_registry: SyncRegistry
    sync_missing: SyncMissing
    delete_registry: DeleteRegistry
    receive_push: ReceivePush
    get_push_secret: GetPushSecret

    def routes(self) -> Sequence[Route]:
        at = "/repository_registry"
        return (
            Route.of("POST", at, self.create, status=201),
            Route.of("GET", f"{at}/{{uuid}}", self.get),
            Route.of("GET", at, self.find),
            Route.of("GET", f"{at}/branch_commits/{{uuid}}", self.commits),
            Route.of("PATCH", f"{at}/set_credentials/{{uuid}}", self.enter_credentials),
            Route.of("GET", f"{at}/get_credentials/{{uuid}}", self.own_credentials),
            Route.of("PATCH", f"{at}/update_local_repository/{{uuid}}", self.sync),
            Route.of("PATCH", f"{at}/backend_sync_registry", self.sync_all_missing),
            Route.of("DELETE", f"{at}/{{uuid}}", self.delete),
            Route.of(
                "POST",
                f"{at}/webhook/{{uuid}}",
                self.push,
                reads_token=False,
                body_bytes_max=PUSH_BODY_BYTES_MAX,
            ),
            Route.of("GET", f"{at}/webhook/{{uuid}}", self.push_secret),
        )

    async def create(self, agent: Agent, body: NewRegistry) -> RegistryModel:
        """Make a git remote known and mirror it.

        A failed first sync shows in ``sync_status`` and ``sync_error``; one that takes long goes
        on behind the answer as ``Processing``."""
        registry = await self.register(
            agent,
            body.platform,
            body.repository_url,
            body.is_public_repository,
            body.credentials.credentials() if body.credentials else None,
        )
        return _model(await self.get_registry(agent, registry.uuid))

    async def get(self, agent: Agent, path: RegistryPath) -> RegistryModel:
        """One registry; without the right to its history, the bare record."""
        return _model(await self.get_registry(agent, path.uuid))

    async def find(self, agent: Agent, query: RegistryList) -> RegistriesModel:
        """Registries, newest first; search looks at the URL."""
        page = await self.list_registries(
            agent,
            RegistryQuery(
                uuids=set_of(query.uuids),
                creator_uuid=query.creator_uuid,
                search=query.search_string,
                is_public_repository=query.is_public_repository,
                order=order_by(
                    newest_first(query.order_by_create_date),
                    last_changed_first(query.order_by_last_update),
                ),
                slice=slice_of(query),
            ),
        )
        return RegistriesModel(page.count, [_model(view) for view in page.items])

    async def commits(
        self, agent: Agent, path: RegistryPath, query: BranchCommits
    ) -> list[CommitModel]:
        """The commits of a branch, newest first."""
        found = await self.list_branch_commits(
            agent,
            path.uuid,
            query.repo_branch,
            only_tag=query.only_tag,
            offset=query.offset,
            limit=query.limit,
        )
        return [commit_model(commit) for commit in found]

    async def enter_credentials(
        self, agent: Agent, path: RegistryPath, body: CredentialsBody
    ) -> None:
        """One's own credentials for a private registry, probed at once."""
        await self.set_credentials(agent, path.uuid, body.credentials())

    async def own_credentials(self, agent: Agent, path: RegistryPath) -> CredentialsModel | None:
        """One's own credentials with the token masked, or null."""
        slot = await self.get_credentials(agent, path.uuid)
        return None if slot is None else credentials_model(slot)

    async def sync(self, agent: Agent, path: RegistryPath) -> None:
        """Bring the mirror up to date now; too early is refused with ``Retry-After``."""
        await self.sync_registry(agent, path.uuid)

    async def sync_all_missing(self, agent: Agent) -> None:
        """Mirror what has no mirror yet; for the platform's own token."""
        await self.sync_missing(agent)

    async def delete(self, agent: Agent, path: RegistryPath) -> None:
        """Forget a registry; refused while repos exist."""
        await self.delete_registry(agent, path.uuid)

    async def push(self, agent: Agent, path: RegistryPath, call: Call) -> None:
        """A code host's push webhook, GitLab's or GitHub's form; starts a sync."""
        await self.receive_push(
            path.uuid,
            call.content,
            call.headers.get("x-gitlab-token"),
            call.headers.get("x-hub-signature-256"),
        )

    async def push_secret(self, agent: Agent, path: RegistryPath) -> WebhookModel:
        """The secret to enter for the push webhook at the code host; for the creator."""
        return WebhookModel(await self.get_push_secret(agent, path.uuid))
