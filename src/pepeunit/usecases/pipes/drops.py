"""Why a value is missing: what became of a node's messages."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import NodeId
from pepeunit.ports.database import Database
from pepeunit.ports.pipeline import Pipeline
from pepeunit.usecases.pipes.rules import PipeRules


@frozen
class ReadPipeDrops:
    """For the creator and the node's own unit."""

    database: Database
    rules: PipeRules
    pipeline: Pipeline

    async def __call__(self, agent: Agent, uuid: NodeId) -> Mapping[str, int]:
        """Messages by outcome since counting began: ``accepted`` and each drop reason."""
        async with self.database.read() as rows:
            await self.rules.readable(rows, agent, uuid)
        return await self.pipeline.drops(uuid)
