"""Let an output feed an input, and stop it (spec devices.md 7, rulings 11, W29, W30)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, may, require_kind
from pepeunit.domain.errors import Forbidden, Invalid, NotFound, OverLimit, Topic
from pepeunit.domain.ids import EdgeId, NodeId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.identifiers import NewUuid
from pepeunit.ports.nodes import EdgeQuery
from pepeunit.ports.paging import Page
from pepeunit.ports.sessions import Sessions
from pepeunit.usecases.access.gates import node_for
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox

EDGES_LOCK = "edges"


@frozen
class CreateEdge:
    """For who owns the input and sees the output; the input's unit gets ``SchemaUpdate``, and
    both units feel the rights that come with it at once (W28)."""

    database: Database
    builder: Builder
    drain: DrainOutbox
    sessions: Sessions
    new_uuid: NewUuid

    async def __call__(self, agent: Agent, output_uuid: NodeId, input_uuid: NodeId) -> Edge:
        """Raises ``Invalid`` (topic node) for wrong kinds, ``OverLimit`` for a full node,
        ``Conflict`` when the two are linked already."""
        require_kind(agent, AgentKind.USER)
        creator = agent.user_id
        if creator is None:
            raise Forbidden("only a User may do this")
        async with self.database.begin() as tx:
            await tx.lock(EDGES_LOCK)
            output = await node_for(tx, agent, Action.LINK_OUTPUT, output_uuid)
            input_ = await node_for(tx, agent, Action.LINK_INPUT, input_uuid)
            if output.type is not NodeType.OUTPUT or input_.type is not NodeType.INPUT:
                raise Invalid("an edge leads from an output to an input", Topic.NODE)
            edge = Edge(EdgeId(self.new_uuid()), output_uuid, input_uuid, creator)
            await self._refuse_full(tx, output, input_)
            await tx.edges.put(edge)
            await self.builder.queue(tx, input_.unit_uuid, CommandKind.SCHEMA_UPDATE)
        await self.sessions.recheck()
        await self.drain(input_.unit_uuid)
        return edge

    async def _refuse_full(self, tx: Transaction, output: Node, input_: Node) -> None:
        for node in (output, input_):
            count = len(await tx.edges.touching([node.uuid]))
            if count >= node.max_connections:
                raise OverLimit(
                    f"{node.topic_name!r} has {count} of at most {node.max_connections} links",
                    Topic.NODE,
                    limit=node.max_connections,
                    actual=count,
                )


@frozen
class ListEdges:
    """``query.scope`` must come from ``Scope.of(agent)``."""

    database: Database

    async def __call__(self, agent: Agent, query: EdgeQuery) -> Page[Edge]:
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            return await rows.edges.find(query)


@frozen
class DeleteEdge:
    """For the owner of either node; the input's unit gets ``SchemaUpdate``, and the rights that
    came with the edge end at once (W28, W30)."""

    database: Database
    builder: Builder
    drain: DrainOutbox
    sessions: Sessions

    async def __call__(self, agent: Agent, output_uuid: NodeId, input_uuid: NodeId) -> None:
        """Raises ``Forbidden`` for who sees both nodes and owns neither, ``NotFound`` alike for an
        absent edge and for one that is not seen."""
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            await tx.lock(EDGES_LOCK)
            edge = await tx.edges.between(output_uuid, input_uuid)
            output, input_ = await tx.nodes.get(output_uuid), await tx.nodes.get(input_uuid)
            if edge is None or output is None or input_ is None:
                raise NotFound("edge not found")
            if not any(may(agent, Action.CHANGE, node.resource()) for node in (output, input_)):
                await _refuse(tx, agent, output_uuid, input_uuid)
            await tx.edges.delete(edge)
            await self.builder.queue(tx, input_.unit_uuid, CommandKind.SCHEMA_UPDATE)
        await self.sessions.recheck()
        await self.drain(input_.unit_uuid)


async def _refuse(tx: Transaction, agent: Agent, *ends: NodeId) -> None:
    """What who owns neither node is told."""
    try:
        for uuid in ends:
            await node_for(tx, agent, Action.SEE, uuid)
    except NotFound:
        raise NotFound("edge not found") from None
    raise Forbidden("only the owner of one of the nodes may cut their link")
