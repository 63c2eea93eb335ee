"""Make a program family on a registry (spec devices.md 3, O12)."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, Invalid, Topic
from pepeunit.domain.ids import PermissionId, RegistryId, RepoId, UserId
from pepeunit.domain.names import DEFAULT_NAME_SYMBOLS, name_violations
from pepeunit.domain.repos.repo import Repo, update_rule_violations
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.identifiers import NewUuid
from pepeunit.ports.mirrors import Mirrors
from pepeunit.usecases.access.gates import registry_for
from pepeunit.usecases.access.quotas import UNLIMITED, Quotas


@frozen
class RepoSettings:
    """What the creator chooses."""

    name: str
    visibility_level: Visibility
    default_branch: str
    is_compilable_repo: bool
    is_auto_update_repo: bool = True
    is_only_tag_update: bool = True


@frozen
class CreateRepo:
    """Both update flags start true, as clients expect, unless the call says otherwise."""

    database: Database
    mirrors: Mirrors
    clock: Clock
    new_uuid: NewUuid
    quotas: Quotas = UNLIMITED
    name_symbols: Collection[str] = DEFAULT_NAME_SYMBOLS

    async def __call__(
        self, agent: Agent, registry_uuid: RegistryId, settings: RepoSettings
    ) -> Repo:
        """Raises ``Invalid`` (topics repo, git), ``Conflict`` for a taken name, ``OverLimit``
        (topic entity) for a used-up quota, and the refusals of the registry's gate."""
        require_kind(agent, AgentKind.USER)
        creator = agent.user_id
        if creator is None:
            raise Forbidden("only a User may do this")
        async with self.database.read() as rows:
            await registry_for(rows, agent, Action.USE_REMOTE, registry_uuid)
        now = self.clock()
        repo = Repo(
            uuid=RepoId(self.new_uuid()),
            name=settings.name,
            visibility_level=settings.visibility_level,
            repository_registry_uuid=registry_uuid,
            creator_uuid=creator,
            create_datetime=now,
            last_update_datetime=now,
            default_branch=settings.default_branch,
            is_auto_update_repo=settings.is_auto_update_repo,
            is_only_tag_update=settings.is_only_tag_update,
            is_compilable_repo=settings.is_compilable_repo,
        )
        violations = [
            *name_violations("name", settings.name, self.name_symbols),
            *update_rule_violations(repo),
        ]
        if violations:
            raise Invalid(violations, Topic.REPO)
        branch = settings.default_branch
        if branch not in await self.mirrors.branches(registry_uuid):
            raise Invalid([("default_branch", f"branch {branch!r} does not exist")], Topic.GIT)
        async with self.database.begin() as tx:
            await self.quotas.check_repo(tx, creator)
            await tx.repos.put(repo)
            await tx.permissions.put([self._grant(creator, repo)])
        return repo

    def _grant(self, creator: UserId, repo: Repo) -> Permission:
        return Permission(
            PermissionId(self.new_uuid()),
            creator,
            PermissionEntity.USER,
            repo.uuid,
            PermissionEntity.REPO,
        )
