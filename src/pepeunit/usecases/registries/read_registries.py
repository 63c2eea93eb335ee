"""Look registries and their history up (spec devices.md 2, rulings 10)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, may, require_kind
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.registries.version import Commit
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.mirrors import Mirrors
from pepeunit.ports.paging import Page
from pepeunit.ports.registries import RegistryQuery
from pepeunit.usecases.access.gates import registry_facts, registry_for


@frozen
class RegistryView:
    """A registry as one caller may see it: without its history rights, a bare record."""

    registry: Registry
    branches: Sequence[str]


@frozen
class DescribeRegistry:
    """Turns a row into what one caller may see of it."""

    mirrors: Mirrors

    async def __call__(self, rows: Collections, agent: Agent, registry: Registry) -> RegistryView:
        facts = await registry_facts(rows, agent, registry)
        if registry.is_public_repository or may(agent, Action.READ_HISTORY, facts):
            return RegistryView(registry, await self.mirrors.branches(registry.uuid))
        return RegistryView(evolve(registry, releases=None, sync_error=None), ())


@frozen
class GetRegistry:
    database: Database
    describe: DescribeRegistry

    async def __call__(self, agent: Agent, uuid: RegistryId) -> RegistryView:
        require_kind(agent, AgentKind.BOT, AgentKind.USER)
        async with self.database.read() as rows:
            registry = await registry_for(rows, agent, Action.SEE, uuid)
            return await self.describe(rows, agent, registry)


@frozen
class ListRegistries:
    database: Database
    describe: DescribeRegistry

    async def __call__(self, agent: Agent, query: RegistryQuery) -> Page[RegistryView]:
        require_kind(agent, AgentKind.BOT, AgentKind.USER)
        if agent.restriction is not None and not agent.restriction.reaches(None):
            return Page(0, ())
        if agent.kind is AgentKind.BOT:
            if query.is_public_repository is False:
                return Page(0, ())
            query = evolve(query, is_public_repository=True)
        async with self.database.read() as rows:
            page = await rows.registries.find(query)
            views = [await self.describe(rows, agent, registry) for registry in page.items]
        return Page(page.count, views)


@frozen
class ListBranchCommits:
    """The commits of a branch, newest first."""

    database: Database
    mirrors: Mirrors

    async def __call__(
        self,
        agent: Agent,
        uuid: RegistryId,
        branch: str,
        *,
        only_tag: bool = False,
        offset: int = 0,
        limit: int = 10,
    ) -> Sequence[Commit]:
        """Raises ``Invalid`` (topic git) for an unknown branch."""
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            registry = await registry_for(rows, agent, Action.READ_HISTORY, uuid)
        if branch not in await self.mirrors.branches(uuid):
            raise Invalid(f"branch {branch!r} does not exist", Topic.GIT)
        commits = await self.mirrors.commits(uuid, branch, registry.releases or ())
        if only_tag:
            commits = [commit for commit in commits if commit.tag is not None]
        return commits[offset : offset + limit]
