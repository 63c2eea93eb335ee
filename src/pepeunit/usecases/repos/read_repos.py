"""Look repos up, with the versions their units run (spec devices.md 3)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import RepoId
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.registries.version import Asset, Sha
from pepeunit.domain.repos.repo import Repo
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Page
from pepeunit.ports.repos import RepoQuery
from pepeunit.usecases.access.gates import registry_of, repo_for
from pepeunit.usecases.updates.programs import Programs


@frozen
class GetRepo:
    """Units too: one reads the repo it is built from (access.md C5)."""

    database: Database

    async def __call__(self, agent: Agent, uuid: RepoId) -> Repo:
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            return await repo_for(rows, agent, Action.SEE, uuid)


@frozen
class ListRepos:
    """``query.scope`` must come from ``Scope.of(agent, levels)``."""

    database: Database

    async def __call__(self, agent: Agent, query: RepoQuery) -> Page[Repo]:
        require_kind(agent, AgentKind.BOT, AgentKind.USER)
        async with self.database.read() as rows:
            return await rows.repos.find(query)


@frozen
class RunningVersion:
    commit: Sha
    unit_count: int
    tag: str | None


@frozen
class RepoVersions:
    unit_count: int
    versions: Sequence[RunningVersion]


@frozen
class GetRepoVersions:
    """Units grouped by the commit they report, most used first; tags of the default branch."""

    database: Database
    programs: Programs

    async def __call__(self, agent: Agent, uuid: RepoId) -> RepoVersions:
        require_kind(agent, AgentKind.BOT, AgentKind.USER)
        async with self.database.read() as rows:
            repo = await repo_for(rows, agent, Action.SEE, uuid)
            counts = await rows.units.versions(uuid)
            registry = await registry_of(rows, repo)
        history = await self.programs.history(registry, repo.default_branch)
        tags = {found.commit: found.tag for found in history or ()}
        return RepoVersions(
            unit_count=sum(count for _, count in counts),
            versions=[RunningVersion(commit, count, tags.get(commit)) for commit, count in counts],
        )


@frozen
class ListPlatforms:
    """The release assets that compilable units can choose from."""

    database: Database
    programs: Programs

    async def __call__(
        self,
        agent: Agent,
        uuid: RepoId,
        target_commit: Sha | None = None,
        target_tag: str | None = None,
    ) -> Sequence[Asset]:
        """Empty when not compilable, without releases, or for an unknown tag or commit."""
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            repo = await repo_for(rows, agent, Action.SEE, uuid)
            registry = await registry_of(rows, repo)
        releases = registry.releases
        if not repo.is_compilable_repo or not releases:
            return ()
        if target_tag is None:
            target_tag = await self._tag(registry, repo, target_commit)
        return releases.get(target_tag or "", ())

    async def _tag(self, registry: Registry, repo: Repo, commit: Sha | None) -> str | None:
        if commit is None:
            return (await self.programs.target(registry, repo, None)).tag
        history = await self.programs.history(registry, repo.default_branch)
        return next((found.tag for found in history or () if found.commit == commit), None)
