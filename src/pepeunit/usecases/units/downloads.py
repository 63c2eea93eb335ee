"""What a device downloads: schema.json and its archive (spec devices.md 7, 10)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Conflict, Topic
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.schema import build_schema
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.archives import Archive, ArchiveFormat, Archives
from pepeunit.ports.database import Collections, Database
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.units.env import GetEnv
from pepeunit.usecases.updates.programs import Programs, built
from pepeunit.usecases.updates.update_unit import lineage

READS_MAX = 5
"""Tries to read a unit between two builds of it."""


@frozen
class Blueprint:
    """A unit with the nodes of its built commit and the outputs linked to them."""

    unit: Unit
    repo: Repo
    nodes: Sequence[Node]
    linked: Mapping[NodeId, Sequence[Node]]


async def read_blueprint(rows: Collections, uuid: UnitId) -> Blueprint:
    """Read until nobody built the unit in between: rows of two commits never mix (O15)."""
    for _ in range(READS_MAX):
        unit, repo, _ = await lineage(rows, uuid)
        nodes = await rows.nodes.of_unit(uuid)
        linked = await _linked_outputs(rows, [node.uuid for node in nodes])
        again = await rows.units.get(uuid)
        if again is not None and again.built_commit == unit.built_commit:
            return Blueprint(unit, repo, nodes, linked)
    raise Conflict("the unit is being built, try again", Topic.UNIT)


@frozen
class GetSchema:
    """schema.json of the built version: for the creator and the unit itself."""

    database: Database
    programs: Programs
    domain: str

    async def __call__(self, agent: Agent, uuid: UnitId) -> dict[str, Any]:
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.LOOK_INTO, uuid)
            plan = await read_blueprint(rows, uuid)
        return await self.of(plan)

    async def of(self, plan: Blueprint) -> dict[str, Any]:
        """The schema of the unit as it was read."""
        registry, commit = plan.repo.repository_registry_uuid, built(plan.unit)
        example = await self.programs.schema(registry, commit)
        return build_schema(example, self.domain, plan.unit.uuid, plan.nodes, plan.linked)


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
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.TAKE_ENV, uuid)
            plan = await read_blueprint(rows, uuid)
            stored = await self.get_env.vault.get(rows, uuid)
        env = await self.get_env.merged(plan.unit, plan.repo, stored)
        schema = await self.get_schema.of(plan)
        return await self.archives.pack(
            plan.repo.repository_registry_uuid,
            None if plan.repo.is_compilable_repo else built(plan.unit),
            {"env.json": _file(env), "schema.json": _file(schema)},
            form,
            wbits=wbits,
            level=level,
        )


def _file(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=4).encode()
