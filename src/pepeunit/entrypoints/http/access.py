"""Access explained and links checked over REST; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.mermaid import mermaid
from pepeunit.codecs.rest.access import (
    NodeAccessListModel,
    NodeAccessModel,
    node_access_list_model,
    node_access_model,
)
from pepeunit.codecs.rest.links import LinkCheckModel, LinkPicture, link_check_model
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.permission import PermissionEntity
from pepeunit.domain.ids import NodeId
from pepeunit.entrypoints.http.route import Route
from pepeunit.usecases.access.explain_access import ExplainAccess, ListAccess, named_agent
from pepeunit.usecases.nodes.check_links import CheckLinks


@frozen
class AccessPath:
    uuid: NodeId


@frozen
class AboutAgent:
    """Both or neither; without them the question is about the caller."""

    agent_uuid: UUID | None = None
    agent_type: PermissionEntity | None = None


@frozen
class LinkQuery:
    """With ``format`` the answer also holds a picture as text."""

    format: LinkPicture | None = None


@frozen
class AccessDoor:
    explain_access: ExplainAccess
    list_access: ListAccess
    check_links: CheckLinks

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("GET", "/unit_nodes/access/{uuid}", self.explain),
            Route.of("GET", "/unit_nodes/access_list/{uuid}", self.explain_all),
            Route.of("GET", "/units/link_check", self.links),
        )

    async def explain(self, agent: Agent, path: AccessPath, query: AboutAgent) -> NodeAccessModel:
        """What the caller may do with a node's topic, why, and what would change it.

        The node's owner and administrators may ask about another user or unit.
        """
        about = named_agent(query.agent_type, query.agent_uuid)
        return node_access_model(await self.explain_access(agent, path.uuid, about))

    async def explain_all(self, agent: Agent, path: AccessPath) -> NodeAccessListModel:
        """Who may publish to and read a node's topic, and why; for its owner and administrators."""
        return node_access_list_model(await self.list_access(agent, path.uuid))

    async def links(self, agent: Agent, query: LinkQuery) -> LinkCheckModel:
        """What is wrong with the links of one's own units: loops, dead ends, full nodes."""
        graph, report = await self.check_links(agent)
        picture = mermaid(graph, report) if query.format is LinkPicture.MERMAID else None
        return link_check_model(graph, report, picture)
