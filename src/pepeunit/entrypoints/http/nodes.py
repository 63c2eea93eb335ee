"""Inputs and outputs over REST (spec rest.md 8.5)."""

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
from pepeunit.entrypoints.http.paging import (
    newest_first,
    one_and_many,
    order_by,
    set_of,
    slice_of,
)
from pepeunit.entrypoints.http.route import Route
from pepeunit.ports.nodes import EdgeQuery, NodeQuery
from pepeunit.usecases.nodes.edit_node import EditNode, NodeChanges
from pepeunit.usecases.nodes.link import CreateEdge, DeleteEdge, ListEdges
from pepeunit.usecases.nodes.read_nodes import GetNode, ListNodes
from pepeunit.usecases.nodes.set_input import SetInput


@frozen
class NodePath:
    uuid: NodeId


@frozen(kw_only=True)
class NodeList(Paged):
    """``output_uuid`` keeps the inputs that this output feeds."""

    uuids: tuple[UUID, ...] | None = None
    unit_uuid: UUID | None = None
    search_string: str | None = None
    type: tuple[NodeType, ...] | None = None
    visibility_level: tuple[Visibility, ...] | None = None
    order_by_create_date: Direction | None = None
    output_uuid: NodeId | None = None


@frozen
class NodePatch:
    """Null leaves a value as it is."""

    visibility_level: Visibility | None = None
    is_rewritable_input: bool | None = None
    is_data_pipe_active: bool | None = None
    max_connections: int | None = None


@frozen
class InputState:
    """Null clears the stored state."""

    state: str | None = None


@frozen
class NewEdge:
    node_output_uuid: NodeId
    node_input_uuid: NodeId


@frozen(kw_only=True)
class EdgeList(Paged):
    """Edges that start or end at the unit, at the node."""

    unit_uuid: UUID | None = None
    node_uuid: UUID | None = None


@frozen
class EdgeEnds:
    node_output_uuid: NodeId
    node_input_uuid: NodeId


@frozen
class NodeDoor:
    get_node: GetNode
    list_nodes: ListNodes
    edit_node: EditNode
    set_input: SetInput
    create_edge: CreateEdge
    list_edges: ListEdges
    delete_edge: DeleteEdge

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("GET", "/unit_nodes/{uuid}", self.get),
            Route.of("GET", "/unit_nodes", self.find),
            Route.of("PATCH", "/unit_nodes/{uuid}", self.edit),
            Route.of("PATCH", "/unit_nodes/set_state_input/{uuid}", self.set_state),
            Route.of("POST", "/unit_nodes/create_unit_node_edge", self.link, status=201),
            Route.of("GET", "/unit_nodes/edges", self.edges),
            Route.of("DELETE", "/unit_nodes/delete_unit_node_edge", self.cut),
        )

    async def get(self, agent: Agent, path: NodePath) -> NodeModel:
        """One input or output."""
        return node_model(await self.get_node(agent, path.uuid))

    async def find(self, agent: Agent, query: NodeList) -> NodesModel:
        """Inputs and outputs, newest first; search looks at the topic."""
        page = await self.list_nodes(
            agent,
            NodeQuery(
                scope=Scope.of(agent, set_of(query.visibility_level)),
                uuids=set_of(query.uuids),
                units=None if query.unit_uuid is None else frozenset({query.unit_uuid}),
                types=set_of(query.type),
                search=query.search_string,
                fed_by=query.output_uuid,
                order=order_by(newest_first(query.order_by_create_date)),
                slice=slice_of(query),
            ),
        )
        return NodesModel(page.count, [node_model(node) for node in page.items])

    async def edit(self, agent: Agent, path: NodePath, body: NodePatch) -> NodeModel:
        """Change a node's settings."""
        changes = NodeChanges(**asdict(body, recurse=False))
        return node_model(await self.edit_node(agent, path.uuid, changes))

    async def set_state(self, agent: Agent, path: NodePath, body: InputState) -> NodeModel:
        """Give an input a value; it is stored and published to the node's topic."""
        return node_model(await self.set_input(agent, path.uuid, body.state))

    async def link(self, agent: Agent, body: NewEdge) -> EdgeModel:
        """Let an output feed an input."""
        edge = await self.create_edge(agent, body.node_output_uuid, body.node_input_uuid)
        return edge_model(edge)

    async def edges(self, agent: Agent, query: EdgeList) -> EdgesModel:
        """Links between nodes that the caller sees or owns one of."""
        page = await self.list_edges(
            agent,
            EdgeQuery(
                scope=Scope.of(agent),
                units=one_and_many(query.unit_uuid, None),
                nodes=one_and_many(query.node_uuid, None),
                slice=slice_of(query),
            ),
        )
        return EdgesModel(page.count, [edge_model(edge) for edge in page.items])

    async def cut(self, agent: Agent, query: EdgeEnds) -> None:
        """Stop an output feeding an input; the owner of either may."""
        await self.delete_edge(agent, query.node_output_uuid, query.node_input_uuid)
