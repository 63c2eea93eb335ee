"""Check the links of one's own units (issue 5 part 4, decision 0107)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, UserId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.links import LinkGraph, LinkReport, check_links
from pepeunit.domain.nodes.node import Node
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.units import UnitQuery


@frozen
class CheckLinks:
    """Changes nothing and asks no device."""

    database: Database

    async def __call__(self, agent: Agent) -> tuple[LinkGraph, LinkReport]:
        """What was looked at, and what was found. Of others' nodes those are in it that one's own
        are linked to; their units are named only where the caller sees them."""
        require_kind(agent, AgentKind.USER)
        scope = Scope.of(agent)
        async with self.database.read() as rows:
            units = (await rows.units.find(UnitQuery(scope, creator_uuid=agent.uuid))).items
            own = await rows.nodes.of_units([unit.uuid for unit in units]) if units else ()
            known = {node.uuid for node in own}
            edges = await rows.edges.touching(known) if known else ()
            ends = {end for edge in edges for end in (edge.node_output_uuid, edge.node_input_uuid)}
            others = await rows.nodes.get_many(ends - known) if ends - known else ()
            there = known | {node.uuid for node in others}
            edges = [  # an end may have been deleted since the edge was read
                edge
                for edge in edges
                if edge.node_output_uuid in there and edge.node_input_uuid in there
            ]
            names = {unit.uuid: unit.name for unit in units}
            if others:
                strange = frozenset(node.unit_uuid for node in others)
                seen = await rows.units.find(UnitQuery(scope, uuids=strange))
                names |= {unit.uuid: unit.name for unit in seen.items}
            held = await _held(rows, (*own, *others), edges)
        graph = LinkGraph(own, others, edges, held, names)
        # a large installation takes a good part of a second, which other requests need not wait for
        return graph, await asyncio.to_thread(check_links, graph)


async def _held(
    rows: Collections, nodes: Sequence[Node], edges: Sequence[Edge]
) -> set[tuple[UserId, NodeId]]:
    """Which makers of edges hold a permission for a private output, one question a maker."""
    private = {node.uuid for node in nodes if node.visibility_level is Visibility.PRIVATE}
    asked: dict[UserId, set[NodeId]] = {}
    for edge in edges:
        if edge.node_output_uuid in private:
            asked.setdefault(edge.creator_uuid, set()).add(edge.node_output_uuid)
    return {
        (maker, NodeId(output))
        for maker, outputs in asked.items()
        for output in await rows.permissions.held(maker, outputs)
    }
