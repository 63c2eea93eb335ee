"""May an agent publish to, or subscribe to, a topic (spec access.md 6.2, C6, C7, O22)."""

from __future__ import annotations

import enum

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.api_tokens import is_api_token
from pepeunit.domain.access.policy import Action
from pepeunit.domain.errors import Refused
from pepeunit.domain.messaging.topic import (
    BaseDirection,
    BaseTopic,
    NodeTopic,
    ParsedTopic,
    parse_topic,
)
from pepeunit.ports.database import Database
from pepeunit.usecases.access.authenticate import Authenticate
from pepeunit.usecases.access.gates import node_for

PLATFORM_FILTERS = ("+/+/+/pepeunit", "+/pepeunit")
"""The two wildcards below the domain that the platform itself subscribes: reports and nodes."""


class MqttAction(enum.Enum):
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


_NODE_ACTION = {MqttAction.PUBLISH: Action.PUBLISH, MqttAction.SUBSCRIBE: Action.SUBSCRIBE}
_OWN_DIRECTION = {
    MqttAction.PUBLISH: BaseDirection.OUTPUT,
    MqttAction.SUBSCRIBE: BaseDirection.INPUT,
}


@frozen
class AuthorizeTopic:
    """``domains`` are the accepted first levels: the instance's domain and its aliases."""

    database: Database
    domains: frozenset[str]

    async def __call__(self, agent: Agent, action: MqttAction, topic: str) -> ParsedTopic | None:
        """The topic's meaning when the agent may, None when it may not or there is no such
        topic. Raises ``Unavailable`` when the store is down."""
        parsed = parse_topic(topic, self.domains)
        match parsed:
            case BaseTopic():
                return parsed if _may_base(agent, action, parsed) else None
            case NodeTopic():
                return parsed if await self._may_node(agent, action, parsed) else None
            case None:
                return None

    async def _may_node(self, agent: Agent, action: MqttAction, topic: NodeTopic) -> bool:
        async with self.database.read() as rows:
            try:
                node = await node_for(rows, agent, _NODE_ACTION[action], topic.node)
            except Refused:
                return False
        return node.can_have_pipe == topic.has_suffix


def _may_base(agent: Agent, action: MqttAction, topic: BaseTopic) -> bool:
    if agent.kind is AgentKind.BACKEND:
        return topic.direction is not _OWN_DIRECTION[action]
    return agent.unit_id == topic.unit and topic.direction is _OWN_DIRECTION[action]


@frozen
class AnswerBroker:
    """The callback of an external broker: ``POST /units/auth`` (spec access.md 6.2).

    A broker that does not name the action gets the union of both, as the wire form demands.
    """

    authenticate: Authenticate
    authorize: AuthorizeTopic

    async def __call__(self, token: str, topic: str, action: MqttAction | None = None) -> bool:
        if is_api_token(token):
            return False
        try:
            agent = await self.authenticate(token)
            if self._is_platform_filter(agent, topic) and action is not MqttAction.PUBLISH:
                return True
            wanted = tuple(MqttAction) if action is None else (action,)
            for one in wanted:
                if await self.authorize(agent, one, topic) is not None:
                    return True
        except Refused:
            pass
        return False

    def _is_platform_filter(self, agent: Agent, topic: str) -> bool:
        domain, _, rest = topic.partition("/")
        return (
            agent.kind is AgentKind.BACKEND
            and domain in self.authorize.domains
            and rest in PLATFORM_FILTERS
        )
