"""Nodes and edges in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from pepeunit.adapters.memory.permissions import forget_permissions, is_permitted
from pepeunit.adapters.memory.pipes import note_pipe
from pepeunit.adapters.memory.selecting import Keys, cut, page, searcher, wanted
from pepeunit.adapters.memory.world import View, World, require_storable_row
from pepeunit.codecs.text import require_storable
from pepeunit.domain.errors import Topic
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node
from pepeunit.ports.nodes import CLOCK_STEP_SECONDS, EdgeQuery, NodeQuery
from pepeunit.ports.paging import OrderKey, Page

_KEYS: Final[Keys[Node]] = {
    OrderKey.CREATE_DATETIME: lambda node: node.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: lambda node: node.last_update_datetime,
    OrderKey.NAME: lambda node: node.topic_name,
}


def matching_nodes(world: World, query: NodeQuery) -> Iterable[Node]:
    """The nodes the query finds, its order and slice aside."""
    matches = searcher(query.search)
    edges = world.edges.values()
    fed = query.fed_by and frozenset(
        edge.node_input_uuid for edge in edges if edge.node_output_uuid == query.fed_by
    )
    feeding = query.feeding and frozenset(
        edge.node_output_uuid for edge in edges if edge.node_input_uuid == query.feeding
    )
    return (
        node
        for node in world.nodes.values()
        if wanted(node.uuid, query.uuids)
        and wanted(node.unit_uuid, query.units)
        and wanted(node.type, query.types)
        and wanted(node.uuid, fed)
        and wanted(node.uuid, feeding)
        and query.scope.admits(node.resource(permitted=is_permitted(world, query.scope, node.uuid)))
        and matches(node.topic_name)
    )


def drop_nodes(world: World, uuids: Collection[NodeId]) -> None:
    """Delete nodes, their edges and the permissions about them."""
    for uuid in uuids:
        world.nodes.pop(uuid, None)
        world.piped.pop(uuid, None)
    for edge in list(world.edges.values()):
        if edge.node_output_uuid in uuids or edge.node_input_uuid in uuids:
            del world.edges[edge.uuid]
    forget_permissions(world, uuids)


@frozen
class MemoryNodes:
    """Implements :class:`~pepeunit.ports.nodes.Nodes`."""

    view: View

    async def get(self, uuid: NodeId, *, for_update: bool = False) -> Node | None:
        return self.view.locked(for_update=for_update).nodes.get(uuid)

    async def get_many(self, uuids: Collection[NodeId]) -> Sequence[Node]:
        nodes = self.view.world.nodes
        return [nodes[uuid] for uuid in sorted(set(uuids)) if uuid in nodes]

    async def find(self, query: NodeQuery) -> Page[Node]:
        rows = matching_nodes(self.view.world, query)
        return page(rows, query.order, query.slice, _KEYS)

    async def of_unit(self, unit: UnitId) -> Sequence[Node]:
        return sorted(
            (node for node in self.view.world.nodes.values() if node.unit_uuid == unit),
            key=lambda node: (node.type.value, node.topic_name),
        )

    async def of_units(self, units: Collection[UnitId]) -> Sequence[Node]:
        wanted = set(units)
        return [node for node in self.view.world.nodes.values() if node.unit_uuid in wanted]

    async def put(self, nodes: Sequence[Node]) -> None:
        world = self.view.for_writing()
        for node in nodes:
            require_storable_row(node)
        names = {(n.unit_uuid, n.type, n.topic_name): n.uuid for n in world.nodes.values()}
        for node in nodes:
            name = (node.unit_uuid, node.type, node.topic_name)
            if names.setdefault(name, node.uuid) != node.uuid:
                raise self.view.clash("the unit already has such a node", Topic.NODE)
            self.view.require(node.unit_uuid in world.units, "the unit is gone")
            self.view.require(node.creator_uuid in world.users, "the user is gone")
            note_pipe(world, node)
            world.nodes[node.uuid] = node

    async def delete(self, uuids: Collection[NodeId]) -> None:
        drop_nodes(self.view.for_writing(), frozenset(uuids))

    async def store_states(
        self, rows: Sequence[tuple[NodeId, str, datetime]], now: datetime
    ) -> int:
        nodes = self.view.for_writing().nodes
        require_storable(("state", state) for _, state, _ in rows)
        changed = set()
        ahead = now + timedelta(seconds=CLOCK_STEP_SECONDS)
        for uuid, state, received in rows:
            node = nodes.get(uuid)
            if node is None:
                continue
            known = node.state_datetime
            if known is None or known <= received or known > ahead:
                nodes[uuid] = evolve(node, state=state, state_datetime=received)
                changed.add(uuid)
        return len(changed)


@frozen
class MemoryEdges:
    """Implements :class:`~pepeunit.ports.nodes.Edges`."""

    view: View

    async def between(self, output: NodeId, input_: NodeId) -> Edge | None:
        for edge in self.view.world.edges.values():
            if (edge.node_output_uuid, edge.node_input_uuid) == (output, input_):
                return edge
        return None

    async def find(self, query: EdgeQuery) -> Page[Edge]:
        world, scope = self.view.world, query.scope

        def is_found(edge: Edge) -> bool:
            ends = [world.nodes[edge.node_output_uuid], world.nodes[edge.node_input_uuid]]
            output, input_ = (
                node.resource(permitted=is_permitted(world, scope, node.uuid)) for node in ends
            )
            return (
                any(wanted(node.unit_uuid, query.units) for node in ends)
                and any(wanted(node.uuid, query.nodes) for node in ends)
                and scope.admits_link(output, input_)
            )

        found = [edge for edge in world.edges.values() if is_found(edge)]
        return cut(sorted(found, key=lambda edge: edge.uuid), query.slice)

    async def touching(self, nodes: Collection[NodeId]) -> Sequence[Edge]:
        wanted_nodes = frozenset(nodes)
        return sorted(
            (
                edge
                for edge in self.view.world.edges.values()
                if edge.node_output_uuid in wanted_nodes or edge.node_input_uuid in wanted_nodes
            ),
            key=lambda edge: edge.uuid,
        )

    async def put(self, edge: Edge) -> None:
        world = self.view.for_writing()
        linked = await self.between(edge.node_output_uuid, edge.node_input_uuid)
        if linked is not None or edge.uuid in world.edges:
            raise self.view.clash("the two nodes are already linked", Topic.NODE)
        for node in (edge.node_output_uuid, edge.node_input_uuid):
            self.view.require(node in world.nodes, "the node is gone")
        self.view.require(edge.creator_uuid in world.users, "the user is gone")
        world.edges[edge.uuid] = edge

    async def delete(self, edge: Edge) -> None:
        self.view.for_writing().edges.pop(edge.uuid, None)
