"""Delete the saved data of a node (spec datapipe.md 10)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import NodeId
from pepeunit.ports.database import Database
from pepeunit.ports.pipeline import Pipeline
from pepeunit.usecases.pipes.rules import PipeRules


@frozen
class PurgeSeries:
    """Readers meet an empty series when it returns: what is still on its way to the store belongs
    to a generation nobody reads. State, config and filter state stay."""

    database: Database
    rules: PipeRules
    pipeline: Pipeline

    async def __call__(self, agent: Agent, uuid: NodeId) -> None:
        async with self.database.begin() as tx:
            await self.rules.owned(tx, agent, uuid, for_update=True)
            await tx.pipes.renew(uuid)
            setting = await tx.pipes.setting(uuid)
        if setting is not None:
            await self.pipeline.applied(setting.version)
