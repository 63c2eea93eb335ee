"""Access explained and links checked over GraphQL; not in the reference's contract."""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from pepeunit.codecs.mermaid import mermaid
from pepeunit.codecs.rest.access import (
    AccessReasonModel,
    AccessVerdictModel,
    AgentAccessModel,
    NodeAccessListModel,
    NodeAccessModel,
    node_access_list_model,
    node_access_model,
)
from pepeunit.codecs.rest.links import (
    LinkCheckModel,
    LinkCycleModel,
    LinkedNodeModel,
    LinkPicture,
    LostEdgeModel,
    link_check_model,
)
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.explain import AccessVerb, Ground
from pepeunit.domain.access.node_access import AccessWho
from pepeunit.domain.access.permission import PermissionEntity
from pepeunit.domain.ids import NodeId
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.usecases.access.explain_access import ExplainAccess, ListAccess, named_agent
from pepeunit.usecases.nodes.check_links import CheckLinks


@frozen
class AccessDoor:
    explain_access: ExplainAccess
    list_access: ListAccess

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="unit_nodes",
            collection="nodes",
            queries={"getNodeAccess": self.explain, "getNodeAccessList": self.explain_all},
            outputs={
                "AccessReasonType": AccessReasonModel,
                "AccessVerdictType": AccessVerdictModel,
                "AgentAccessType": AgentAccessModel,
                "NodeAccessType": NodeAccessModel,
                "NodeAccessListType": NodeAccessListModel,
            },
            enums={"AccessVerb": AccessVerb, "AccessGround": Ground, "AccessWho": AccessWho},
        )

    async def explain(
        self, agent: Agent, uuid: UUID, agent_uuid: UUID | None, agent_type: PermissionEntity | None
    ) -> NodeAccessModel:
        """About the caller where nobody is named."""
        about = named_agent(agent_type, agent_uuid)
        return node_access_model(await self.explain_access(agent, NodeId(uuid), about))

    async def explain_all(self, agent: Agent, uuid: UUID) -> NodeAccessListModel:
        return node_access_list_model(await self.list_access(agent, NodeId(uuid)))


@frozen
class LinkDoor:
    check_links: CheckLinks

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="units",
            queries={"getLinkCheck": self.links},
            outputs={
                "LinkedNodeType": LinkedNodeModel,
                "LinkCycleType": LinkCycleModel,
                "LostEdgeType": LostEdgeModel,
                "LinkCheckType": LinkCheckModel,
            },
            enums={"LinkPicture": LinkPicture},
        )

    async def links(
        self,
        agent: Agent,
        format: LinkPicture | None,  # noqa: A002 the schema's name
    ) -> LinkCheckModel:
        graph, report = await self.check_links(agent)
        picture = mermaid(graph, report) if format is LinkPicture.MERMAID else None
        return link_check_model(graph, report, picture)
