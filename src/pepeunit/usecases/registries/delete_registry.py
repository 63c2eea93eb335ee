"""Forget a git remote (spec devices.md 2)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import RegistryId
from pepeunit.ports.database import Database
from pepeunit.ports.firmware import FirmwareFiles
from pepeunit.ports.mirrors import Mirrors
from pepeunit.usecases.access.gates import registry_for
from pepeunit.usecases.registries.firmware import keys_of


@frozen
class DeleteRegistry:
    """Refused with ``Conflict`` while repos point at it; the mirror and the release files kept
    for devices go with the row."""

    database: Database
    mirrors: Mirrors
    firmware: FirmwareFiles

    async def __call__(self, agent: Agent, uuid: RegistryId) -> None:
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            await registry_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            await tx.registries.delete(uuid)
        await self.mirrors.remove(uuid)
        await self.firmware.forget(keys_of(uuid))
