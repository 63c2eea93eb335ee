"""May an agent watch a thing, and how does it stand: the gates decide (rulings 1, 7)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import NodeId, RegistryId, RepoId, UnitId
from pepeunit.domain.live.event import Event, EventKind, Key, unit_events
from pepeunit.ports.database import Collections
from pepeunit.usecases.access.gates import node_for, registry_for, repo_for, unit_for
from pepeunit.usecases.live.load import registry_event, rollout_event, stored_node_event


@frozen
class Look:
    """``event`` tells how things stand, None for what has no standing; ``about`` are the ids whose
    change of rights the verdict hangs on."""

    event: Event | None
    about: frozenset[UUID]


async def look(rows: Collections, agent: Agent, key: Key, now: datetime) -> Look:
    """Raises what reading the thing raises: ``NotFound``, ``Forbidden``."""
    kind, uuid = key
    return await _LOOKS[kind](rows, agent, kind, uuid, now)


async def _unit(
    rows: Collections, agent: Agent, kind: EventKind, uuid: UUID, now: datetime
) -> Look:
    require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
    unit = await unit_for(rows, agent, Action.SEE, UnitId(uuid))
    event = next(event for event in unit_events(unit, None, now) if event.kind is kind)
    return Look(event, frozenset((uuid,)))


async def _logs(
    rows: Collections, agent: Agent, kind: EventKind, uuid: UUID, now: datetime
) -> Look:
    require_kind(agent, AgentKind.USER, AgentKind.UNIT)
    await unit_for(rows, agent, Action.LOOK_INTO, UnitId(uuid))
    return Look(None, frozenset((uuid,)))


async def _node(
    rows: Collections, agent: Agent, kind: EventKind, uuid: UUID, now: datetime
) -> Look:
    require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
    node = await node_for(rows, agent, Action.SEE, NodeId(uuid))
    return Look(stored_node_event(node), frozenset((uuid, node.unit_uuid)))


async def _registry(
    rows: Collections, agent: Agent, kind: EventKind, uuid: UUID, now: datetime
) -> Look:
    require_kind(agent, AgentKind.BOT, AgentKind.USER)
    registry = await registry_for(rows, agent, Action.SEE, RegistryId(uuid))
    return Look(registry_event(registry, now), frozenset((uuid,)))


async def _rollout(
    rows: Collections, agent: Agent, kind: EventKind, uuid: UUID, now: datetime
) -> Look:
    require_kind(agent, AgentKind.USER)
    await repo_for(rows, agent, Action.INSPECT, RepoId(uuid))
    return Look(await rollout_event(rows, RepoId(uuid), now), frozenset((uuid,)))


_LOOKS: Final[
    dict[
        EventKind,
        Callable[[Collections, Agent, EventKind, UUID, datetime], Coroutine[Any, Any, Look]],
    ]
] = {
    EventKind.UNIT_STATE: _unit,
    EventKind.UNIT_PRESENCE: _unit,
    EventKind.UNIT_UPDATE: _unit,
    EventKind.UNIT_LOG: _logs,
    EventKind.NODE_VALUE: _node,
    EventKind.REGISTRY_PROGRESS: _registry,
    EventKind.ROLLOUT_PROGRESS: _rollout,
}
