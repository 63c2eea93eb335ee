"""Forget a git remote (spec devices.md 2)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import RegistryId
from pepeunit.ports.database import Database
from pepeunit.ports.mirrors import Mirrors
from pepeunit.usecases.access.gates import registry_for


@frozen
class DeleteRegistry:
    """Refused with ``Conflict`` while repos point at it; the mirror goes with the row."""

    database: Database
    mirrors: Mirrors

    async def __call__(self, agent: Agent, uuid: RegistryId) -> None:
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            await registry_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            await tx.registries.delete(uuid)
        await self.mirrors.remove(uuid)
