"""Who may publish to or read a node's topic, and why (issue 5 part 4, decision 0107)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.explain import AccessVerb, Case, Verdict, blocked, explain
from pepeunit.domain.access.node_access import (
    ANYBODY,
    CLASSES,
    AccessWho,
    AgentAccess,
    NodeAccess,
)
from pepeunit.domain.access.permission import PermissionEntity, agent_violations
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.errors import Invalid, NotFound, Topic
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.topic import node_topic
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.users.user import UserStatus
from pepeunit.ports.database import Collections, Database
from pepeunit.ports.paging import Slice
from pepeunit.ports.permissions import PermissionQuery
from pepeunit.ports.units import UnitQuery
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.access.gates import node_for

AGENTS_MAX: Final = 1000
"""Agents with a permission or a link that one list names; more are counted."""


@frozen
class _Known:
    """What was read about the node and the agents in question."""

    node: Node
    rows: frozenset[UUID]
    links: frozenset[UUID]
    agents: dict[UUID, Agent]
    names: dict[UUID, str]
    blocked: frozenset[UUID]

    def told(self, agent: Agent, who: AccessWho | None = None) -> AgentAccess:
        uuid = agent.uuid
        return AgentAccess(
            who or self._who(agent),
            None if uuid == ANYBODY else uuid,
            None if uuid is None else self.names.get(uuid),
            tuple(self._verdict(agent, verb) for verb in AccessVerb),
        )

    def _verdict(self, agent: Agent, verb: AccessVerb) -> Verdict:
        if agent.uuid in self.blocked:
            return blocked(verb)
        row, link = agent.uuid in self.rows, agent.uuid in self.links
        return explain(Case(agent, self.node.resource(), row, link), verb)

    def _who(self, agent: Agent) -> AccessWho:
        match agent.kind:
            case AgentKind.USER:
                is_owner = agent.uuid == self.node.creator_uuid
                return AccessWho.OWNER if is_owner else AccessWho.USER
            case AgentKind.UNIT:
                is_its = agent.uuid == self.node.unit_uuid
                return AccessWho.ITS_UNIT if is_its else AccessWho.UNIT
            case AgentKind.BOT:
                return AccessWho.ANONYMOUS
            case AgentKind.BACKEND:
                return AccessWho.PLATFORM


async def _linked_units(rows: Collections, node: Node) -> frozenset[UUID]:
    """The units whose nodes edges join to this one (rulings 11)."""
    edges = await rows.edges.touching([node.uuid])
    ends = {end for edge in edges for end in (edge.node_output_uuid, edge.node_input_uuid)}
    others = await rows.nodes.get_many(ends - {node.uuid})
    return frozenset(other.unit_uuid for other in others)


async def _know(
    rows: Collections, caller: Agent, node: Node, stored: Collection[UUID], about: Collection[UUID]
) -> _Known:
    """The agents of these uuids, with what decides about them."""
    wanted = frozenset(about)
    users = {user.uuid: user for user in (await rows.users.find(UserQuery(wanted))).items}
    units = {unit.uuid: unit for unit in await rows.units.get_many([UnitId(u) for u in wanted])}
    makers = frozenset(unit.creator_uuid for unit in units.values())
    refused = UserQuery(makers | frozenset(users), statuses=frozenset({UserStatus.BLOCKED}))
    barred = {user.uuid for user in (await rows.users.find(refused)).items}
    query = UnitQuery(Scope.of(caller), uuids=frozenset(units))
    seen = (await rows.units.find(query)).items if units else ()
    agents: dict[UUID, Agent] = {uuid: Agent.unit(uuid) for uuid in units}
    agents |= {uuid: Agent.user(uuid, user.role) for uuid, user in users.items()}
    return _Known(
        node=node,
        rows=frozenset(stored),
        links=await _linked_units(rows, node),
        agents=agents,
        names={
            **{uuid: user.login for uuid, user in users.items()},
            **{unit.uuid: unit.name for unit in seen},
        },
        blocked=frozenset(
            {uuid for uuid in users if uuid in barred}
            | {uuid for uuid, unit in units.items() if unit.creator_uuid in barred}
        ),
    )


def named_agent(
    kind: PermissionEntity | None, uuid: UUID | None
) -> tuple[PermissionEntity, UUID] | None:
    """Whom a question is about; nobody named is the caller. Raises ``Invalid`` (topic permission)
    for a half of a name."""
    if kind is None and uuid is None:
        return None
    if kind is None or uuid is None:
        raise Invalid("agent_uuid and agent_type belong together", Topic.PERMISSION)
    return kind, uuid


@frozen
class ExplainAccess:
    """What one agent may do with a node's topic."""

    database: Database
    domain: str

    async def __call__(
        self, agent: Agent, uuid: NodeId, about: tuple[PermissionEntity, UUID] | None = None
    ) -> NodeAccess:
        """About the caller itself, if it sees the node; about another user or unit for the node's
        owner and for administrators, which is recorded.

        Raises ``NotFound`` for a node or an agent that is absent or not seen, ``Forbidden``,
        ``Invalid`` (topic permission) for an agent of another kind.
        """
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        own = PermissionEntity.UNIT if agent.kind is AgentKind.UNIT else PermissionEntity.USER
        if about == (own, agent.uuid):
            about = None
        if about is not None and (violations := list(agent_violations(about[0]))):
            raise Invalid(violations, Topic.PERMISSION)
        async with self.database.read() as rows:
            action = Action.SEE if about is None else Action.EXPLAIN
            node = await node_for(rows, agent, action, uuid)
            asked = agent.uuid if about is None else about[1]
            uuids = [] if asked is None else [asked]
            stored = [one for one in uuids if await rows.permissions.stored(one, uuid)]
            known = await _know(rows, agent, node, stored, uuids)
        told = agent if about is None else _found(known, *about)
        topic = node_topic(self.domain, node.uuid, node.topic_name)
        return NodeAccess(node.uuid, topic, (known.told(told),))


def _found(known: _Known, kind: PermissionEntity, uuid: UUID) -> Agent:
    """A unit that the caller does not see is there only if it is joined to the node."""
    agent = known.agents.get(uuid)
    wanted = AgentKind.USER if kind is PermissionEntity.USER else AgentKind.UNIT
    is_shown = uuid in known.names or uuid in known.rows | known.links
    if agent is None or agent.kind is not wanted or not is_shown:
        raise NotFound(f"{wanted.value.lower()} not found")
    return agent


@frozen
class ListAccess:
    """Everybody who is anything to a node, then every class of agents."""

    database: Database
    domain: str

    async def __call__(self, agent: Agent, uuid: NodeId) -> NodeAccess:
        """For the node's owner, and for administrators, which is recorded.

        Raises ``NotFound``, ``Forbidden``.
        """
        require_kind(agent, AgentKind.USER)
        query = PermissionQuery(uuid, PermissionEntity.UNIT_NODE, slice=Slice(0, AGENTS_MAX))
        async with self.database.read() as rows:
            node = await node_for(rows, agent, Action.EXPLAIN, uuid)
            joined = await rows.permissions.find(query)
            first = [node.creator_uuid, node.unit_uuid]
            stored = {one.agent_uuid for one in joined.items if not one.is_from_edge}
            about = dict.fromkeys([*first, *(one.agent_uuid for one in joined.items)])
            known = await _know(rows, agent, node, stored, about)
        topic = node_topic(self.domain, node.uuid, node.topic_name)
        return NodeAccess(node.uuid, topic, tuple(_lines(known, about)), joined.count)


def _lines(known: _Known, about: Iterable[UUID]) -> Iterable[AgentAccess]:
    for uuid in about:
        if uuid in known.agents:
            yield known.told(known.agents[uuid])
    for who, agent in CLASSES.items():
        yield known.told(agent, who)
