"""What a device downloads: schema.json and its archive (spec devices.md 7, 10)."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.units.schema import build_schema
from pepeunit.ports.archives import Archive, ArchiveFormat, Archives
from pepeunit.ports.database import Collections, Database
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.units.env import GetEnv
from pepeunit.usecases.updates.programs import Programs, built
from pepeunit.usecases.updates.update_unit import lineage


@frozen
class GetSchema:
    """schema.json of the built version: for the creator and the unit itself."""

    database: Database
    programs: Programs
    domain: str

    async def __call__(self, agent: Agent, uuid: UnitId) -> dict[str, Any]:
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.OPERATE, uuid)
            unit, repo, _ = await lineage(rows, uuid)
            nodes = await rows.nodes.of_unit(uuid)
            linked = await _linked_outputs(rows, [node.uuid for node in nodes])
        example = await self.programs.schema(repo.repository_registry_uuid, built(unit))
        return build_schema(example, self.domain, uuid, nodes, linked)


async def _linked_outputs(rows: Collections, inputs: list[NodeId]) -> dict[NodeId, list[Node]]:
    linked: dict[NodeId, list[Node]] = {}
    for edge in await rows.edges.touching(inputs):
        output = await rows.nodes.get(edge.node_output_uuid)
        if output is not None:
            linked.setdefault(edge.node_input_uuid, []).append(output)
    return linked


@frozen
class GetArchive:
    """The program with the unit's own env.json and schema.json, all of one commit (O28)."""

    database: Database
    get_env: GetEnv
    get_schema: GetSchema
    archives: Archives

    async def __call__(
        self,
        agent: Agent,
        uuid: UnitId,
        form: ArchiveFormat,
        *,
        wbits: int = 9,
        level: int = 9,
    ) -> Archive:
        """Raises ``Invalid``: topic unit for ``wbits`` or ``level``, topic git for paths that
        cannot travel."""
        env = await self.get_env(agent, uuid)
        schema = await self.get_schema(agent, uuid)
        async with self.database.read() as rows:
            unit, repo, _ = await lineage(rows, uuid)
        return await self.archives.pack(
            repo.repository_registry_uuid,
            None if repo.is_compilable_repo else built(unit),
            {"env.json": _file(env), "schema.json": _file(schema)},
            form,
            wbits=wbits,
            level=level,
        )


def _file(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=4).encode()
