"""Inputs, outputs and the edges between them over GraphQL (spec graphql.md 6, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import asdict, frozen

from pepeunit.codecs.rest.node import (
    EdgeModel,
    EdgesModel,
    NodeModel,
    NodesModel,
    edge_model,
    node_model,
)
from pepeunit.codecs.rest.requests import Direction, Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId
from pepeunit.domain.nodes.node import NodeType
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.filters import (
    DONE,
    Done,
    among,
    members,
    one_and_many,
    ordered,
    slice_of,
)
from pepeunit.ports.nodes import EdgeQuery, NodeQuery
from pepeunit.ports.paging import OrderKey
from pepeunit.usecases.nodes.edit_node import EditNode, NodeChanges
from pepeunit.usecases.nodes.link import CreateEdge, DeleteEdge, ListEdges
from pepeunit.usecases.nodes.read_nodes import GetNode, ListNodes
from pepeunit.usecases.nodes.set_input import SetInput


@frozen(kw_only=True)
class NodeFilter(Paged):
    """``output_uuid`` keeps the inputs that this output feeds."""

    uuids: Sequence[UUID] | None
    unit_uuid: UUID | None
    search_string: str | None
    type: Sequence[NodeType] | None
    visibility_level: Sequence[Visibility] | None
    order_by_create_date: Direction | None
    output_uuid: NodeId | None


@frozen
class NodePatch:
    """Null leaves a value as it is."""

    visibility_level: Visibility | None
    is_rewritable_input: bool | None
    is_data_pipe_active: bool | None
    max_connections: int | None


@frozen
class InputState:
    """Null clears the stored state."""

    state: str | None


@frozen
class NewEdge:
    node_output_uuid: NodeId
    node_input_uuid: NodeId


@frozen(kw_only=True)
class EdgeFilter(Paged):
    """Edges that start or end at the unit, at the node."""

    unit_uuid: UUID | None
    node_uuid: UUID | None


@frozen
class NodeDoor:
    get_node: GetNode
    list_nodes: ListNodes
    edit_node: EditNode
    set_input: SetInput
    create_edge: CreateEdge
    list_edges: ListEdges
    delete_edge: DeleteEdge

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="unit_nodes",
            collection="nodes",
            queries={
                "getUnitNode": self.get,
                "getUnitNodes": self.find,
                "getUnitNodeEdges": self.edges,
            },
            mutations={
                "updateUnitNode": self.edit,
                "setStateUnitNodeInput": self.set_state,
                "createUnitNodeEdge": self.link,
                "deleteUnitNodeEdge": self.cut,
            },
            inputs={
                "UnitNodeUpdateInput": NodePatch,
                "UnitNodeSetStateInput": InputState,
                "UnitNodeFilterInput": NodeFilter,
                "UnitNodeEdgeCreateInput": NewEdge,
                "UnitNodeEdgeFilterInput": EdgeFilter,
            },
            outputs={
                "UnitNodeType": NodeModel,
                "UnitNodesResultType": NodesModel,
                "UnitNodeEdgeType": EdgeModel,
                "UnitNodeEdgesResultType": EdgesModel,
            },
            enums={"UnitNodeTypeEnum": NodeType},
        )

    async def get(self, agent: Agent, uuid: UUID) -> NodeModel:
        return node_model(await self.get_node(agent, NodeId(uuid)))

    async def find(self, agent: Agent, filters: NodeFilter) -> NodesModel:
        page = await self.list_nodes(
            agent,
            NodeQuery(
                scope=Scope.of(agent, members(filters.visibility_level, Visibility)),
                uuids=among(filters.uuids),
                units=one_and_many(filters.unit_uuid, None),
                types=members(filters.type, NodeType),
                search=filters.search_string,
                fed_by=filters.output_uuid,
                order=ordered(
                    frozenset(),
                    ("orderByCreateDate", OrderKey.CREATE_DATETIME, filters.order_by_create_date),
                ),
                slice=slice_of(filters),
            ),
        )
        return NodesModel(page.count, [node_model(node) for node in page.items])

    async def edit(self, agent: Agent, uuid: UUID, unit_node: NodePatch) -> NodeModel:
        changes = NodeChanges(**asdict(unit_node, recurse=False))
        return node_model(await self.edit_node(agent, NodeId(uuid), changes))

    async def set_state(self, agent: Agent, uuid: UUID, unit_node: InputState) -> NodeModel:
        return node_model(await self.set_input(agent, NodeId(uuid), unit_node.state))

    async def link(self, agent: Agent, unit_node_edge: NewEdge) -> EdgeModel:
        edge = await self.create_edge(
            agent, unit_node_edge.node_output_uuid, unit_node_edge.node_input_uuid
        )
        return edge_model(edge)

    async def edges(self, agent: Agent, filters: EdgeFilter) -> EdgesModel:
        page = await self.list_edges(
            agent,
            EdgeQuery(
                scope=Scope.of(agent),
                units=one_and_many(filters.unit_uuid, None),
                nodes=one_and_many(filters.node_uuid, None),
                slice=slice_of(filters),
            ),
        )
        return EdgesModel(page.count, [edge_model(edge) for edge in page.items])

    async def cut(self, agent: Agent, input_uuid: UUID, output_uuid: UUID) -> Done:
        await self.delete_edge(agent, NodeId(output_uuid), NodeId(input_uuid))
        return DONE
