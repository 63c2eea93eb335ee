"""Bring every unit of a repo, or of all repos, to its target version (spec devices.md 11)."""

from __future__ import annotations

import logging

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_admin, require_kind
from pepeunit.domain.errors import Conflict, NotFound, Unavailable
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.ports.database import Database
from pepeunit.usecases.access.gates import repo_for
from pepeunit.usecases.background import Background
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.update_unit import UpdateUnit

log = logging.getLogger(__name__)


@frozen
class UpdateFollowers:
    """The shared loop: one unit's failure never stops the others (O31)."""

    database: Database
    update_unit: UpdateUnit
    drain: DrainOutbox

    async def __call__(self, repo: RepoId, *, ignore_backoff: bool = False) -> int:
        """How many commands were queued."""
        async with self.database.read() as rows:
            units = await rows.units.following(repo)
        queued = 0
        for unit in units:
            try:
                queued += await self.update_unit(unit, ignore_backoff=ignore_backoff)
            except (NotFound, Conflict):
                continue  # deleted or changed since the list was read
            except Unavailable as outage:
                log.warning("unit %s is updated later: %s", unit, outage)
            except Exception:
                log.exception("unit %s could not be updated", unit)
        if queued:
            await self.drain()
        return queued

    async def of_registry(self, registry: RegistryId) -> int:
        """The automatic repos of a registry whose mirror has just moved."""
        async with self.database.read() as rows:
            repos = await rows.repos.of_registry(registry)
        return sum([await self(repo.uuid) for repo in repos if repo.is_auto_update_repo])

    async def everywhere(self) -> int:
        """The hourly net over all automatic repos."""
        async with self.database.read() as rows:
            repos = await rows.repos.auto_updated()
        return sum([await self(repo.uuid) for repo in repos])


@frozen
class UpdateRepoUnits:
    """The creator's button."""

    database: Database
    followers: UpdateFollowers

    async def __call__(self, agent: Agent, uuid: RepoId) -> int:
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            await repo_for(rows, agent, Action.CHANGE, uuid)
        return await self.followers(uuid, ignore_backoff=True)


@frozen
class BulkUpdate:
    """The administrator's button; the work goes on behind the answer."""

    followers: UpdateFollowers
    background: Background

    async def __call__(self, agent: Agent) -> None:
        require_admin(agent)
        self.background.start("bulk update", self.followers.everywhere())
