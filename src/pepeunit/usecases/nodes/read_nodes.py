"""Look nodes up (spec rest.md 8.5)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import NodeId
from pepeunit.domain.nodes.node import Node
from pepeunit.ports.database import Database
from pepeunit.ports.nodes import NodeQuery
from pepeunit.ports.paging import Page
from pepeunit.usecases.access.gates import node_for
from pepeunit.usecases.nodes.shown import shown_node


@frozen
class GetNode:
    database: Database

    async def __call__(self, agent: Agent, uuid: NodeId) -> Node:
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            return shown_node(agent, await node_for(rows, agent, Action.SEE, uuid))


@frozen
class ListNodes:
    """``query.scope`` must come from ``Scope.of(agent, levels)``."""

    database: Database

    async def __call__(self, agent: Agent, query: NodeQuery) -> Page[Node]:
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            page = await rows.nodes.find(query)
        return Page(page.count, [shown_node(agent, node) for node in page.items])
