"""One's own units with their nodes' settings and the edges between them, as one batch."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.errors import OverLimit, Topic
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.units.batch import (
    UNITS_MAX,
    Batch,
    EdgeDraft,
    NodeDraft,
    NodeName,
    UnitDraft,
)
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Order, OrderKey, Slice
from pepeunit.ports.units import UnitQuery


@frozen
class ExportUnits:
    """Holds no secret: neither env nor storage, tokens or states."""

    database: Database

    async def __call__(self, agent: Agent, query: UnitQuery) -> Batch:
        """The units among those found that the agent made; edges to others stay behind.

        Raises ``OverLimit`` (topic unit) for more than UNITS_MAX of them.
        """
        require_kind(agent, AgentKind.USER)
        own = evolve(
            query,
            creator_uuid=agent.uuid,
            order=(Order(OrderKey.NAME, descending=False),),
            slice=Slice(0, UNITS_MAX),
        )
        async with self.database.read() as rows:
            page = await rows.units.find(own)
            if page.count > UNITS_MAX:
                raise OverLimit(
                    f"{page.count} units are selected, at most {UNITS_MAX} are allowed",
                    Topic.UNIT,
                    limit=UNITS_MAX,
                    actual=page.count,
                )
            names = {unit.uuid: unit.name for unit in page.items}
            nodes = sorted(
                await rows.nodes.of_units(names),
                key=lambda node: (node.type.value, node.topic_name),
            )
            known = {node.uuid: node for node in nodes}
            edges = await rows.edges.touching(known) if known else ()
        ends = [
            (known[edge.node_output_uuid], known[edge.node_input_uuid])
            for edge in edges
            if edge.node_output_uuid in known and edge.node_input_uuid in known
        ]
        drafts = [
            _unit(unit, [node for node in nodes if node.unit_uuid == unit.uuid])
            for unit in page.items
        ]
        links = sorted(
            (
                NodeName(names[output.unit_uuid], output.topic_name),
                NodeName(names[input_.unit_uuid], input_.topic_name),
            )
            for output, input_ in ends
        )
        return Batch(tuple(drafts), tuple(EdgeDraft("", *link) for link in links))


def _unit(unit: Unit, nodes: list[Node]) -> UnitDraft:
    return UnitDraft(
        place="",
        name=unit.name,
        visibility_level=unit.visibility_level,
        repo_uuid=unit.repo_uuid,
        is_auto_update_from_repo_unit=unit.is_auto_update_from_repo_unit,
        target_firmware_platform=unit.target_firmware_platform,
        repo_branch=unit.repo_branch,
        repo_commit=unit.repo_commit,
        nodes=tuple(
            NodeDraft(
                type=node.type,
                topic_name=node.topic_name,
                visibility_level=node.visibility_level,
                is_rewritable_input=node.is_rewritable_input,
                max_connections=node.max_connections,
                is_data_pipe_active=node.is_data_pipe_active,
                data_pipe_yml=node.data_pipe_yml,
            )
            for node in nodes
        ),
    )
