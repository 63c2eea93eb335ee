"""Change or delete a repo (spec devices.md 3)."""

from __future__ import annotations

from collections.abc import Collection

from attrs import asdict, evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import RepoId
from pepeunit.domain.names import DEFAULT_NAME_SYMBOLS, name_violations
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.repos.repo import Repo, update_rule_violations
from pepeunit.domain.repos.target import target_rule
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database
from pepeunit.usecases.access.gates import registry_of, repo_for
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.update_repo import UpdateFollowers


@frozen
class RepoChanges:
    """None leaves a value as it is."""

    visibility_level: Visibility | None = None
    name: str | None = None
    is_auto_update_repo: bool | None = None
    default_branch: str | None = None
    default_commit: Sha | None = None
    is_only_tag_update: bool | None = None
    is_compilable_repo: bool | None = None

    def applied_to(self, repo: Repo) -> Repo:
        given = asdict(self, filter=lambda _, value: value is not None)
        return evolve(repo, **given)


@frozen
class EditRepo:
    """Checks only what the change touches (O12); a changed version rule moves the units."""

    database: Database
    programs: Programs
    followers: UpdateFollowers
    clock: Clock
    name_symbols: Collection[str] = DEFAULT_NAME_SYMBOLS

    async def __call__(self, agent: Agent, uuid: RepoId, changes: RepoChanges) -> Repo:
        """Raises ``Invalid`` (topics repo, git, entity) and ``Conflict`` for a taken name."""
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            before = await repo_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            repo = evolve(changes.applied_to(before), last_update_datetime=self.clock())
            await self._check(tx, before, repo)
            await tx.repos.put(repo)
        if not repo.is_auto_update_repo and target_rule(None, before) != target_rule(None, repo):
            await self.followers(uuid, ignore_backoff=True)
        return repo

    async def _check(self, rows: Collections, before: Repo, repo: Repo) -> None:
        violations = [*update_rule_violations(repo)]
        if repo.name != before.name:
            violations += name_violations("name", repo.name, self.name_symbols)
        if violations:
            raise Invalid(violations, Topic.REPO)
        widest = await rows.units.widest_visibility(repo.uuid)
        if widest is not None and widest.is_wider_than(repo.visibility_level):
            raise Invalid(
                [("visibility_level", f"a unit of this repo is {widest.value}")], Topic.ENTITY
            )
        registry = await registry_of(rows, repo)
        if repo.default_commit is not None and repo.default_commit != before.default_commit:
            history = await self.programs.history(registry, repo.default_branch)
            if repo.default_commit not in (found.commit for found in history or ()):
                raise Invalid(
                    [("default_commit", f"is not on branch {repo.default_branch!r}")], Topic.GIT
                )
        if target_rule(None, before) != target_rule(None, repo):
            await self.programs.target(registry, repo, None)


@frozen
class DeleteRepo:
    """Refused with ``Conflict`` while units exist."""

    database: Database

    async def __call__(self, agent: Agent, uuid: RepoId) -> None:
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            await repo_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            await tx.repos.delete(uuid)
            await tx.permissions.delete_about([uuid])
