"""Fetch one thing, gather the facts about it, and let the policy decide (rulings 1, 7).

Each gate returns the thing or raises ``NotFound`` (absent or invisible, one text for both) or
``Forbidden`` (seen, but not allowed).
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.permission import PermissionEntity
from pepeunit.domain.access.policy import Action, Resource, require, uses_bypass
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import NotFound
from pepeunit.domain.ids import NodeId, RegistryId, RepoId, UnitId
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.registries.credentials import CredentialStatus
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.database import Collections
from pepeunit.ports.paging import Slice
from pepeunit.ports.repos import RepoQuery
from pepeunit.usecases.audit.act import current_act

KINDS: Final = {"repo": "Repo", "unit": "Unit", "node": "UnitNode"}


async def _decide(
    rows: Collections, agent: Agent, action: Action, uuid: UUID, thing: Resource
) -> None:
    if thing.visibility is Visibility.PRIVATE and agent.uuid is not None:
        thing = thing.for_agent(permitted=await rows.permissions.exists(agent.uuid, uuid))
    require(agent, action, thing)
    if uses_bypass(agent, thing, action):
        act = current_act()
        if act is not None:
            act.shown(KINDS[thing.name], uuid, thing.creator)


async def repo_for(
    rows: Collections, agent: Agent, action: Action, uuid: RepoId, *, for_update: bool = False
) -> Repo:
    repo = await rows.repos.get(uuid, for_update=for_update)
    if repo is None:
        raise NotFound("repo not found")
    await _decide(rows, agent, action, uuid, repo.resource())
    return repo


async def unit_for(
    rows: Collections, agent: Agent, action: Action, uuid: UnitId, *, for_update: bool = False
) -> Unit:
    unit = await rows.units.get(uuid, for_update=for_update)
    if unit is None:
        raise NotFound("unit not found")
    await _decide(rows, agent, action, uuid, unit.resource())
    return unit


async def node_for(
    rows: Collections, agent: Agent, action: Action, uuid: NodeId, *, for_update: bool = False
) -> Node:
    node = await rows.nodes.get(uuid, for_update=for_update)
    if node is None:
        raise NotFound("node not found")
    await _decide(rows, agent, action, uuid, node.resource())
    return node


async def kind_of(rows: Collections, uuid: UUID) -> PermissionEntity | None:
    """What the uuid names, of all that permissions can be about."""
    if await rows.nodes.get(NodeId(uuid)) is not None:
        return PermissionEntity.UNIT_NODE
    if await rows.units.get(UnitId(uuid)) is not None:
        return PermissionEntity.UNIT
    if await rows.repos.get(RepoId(uuid)) is not None:
        return PermissionEntity.REPO
    return None


async def thing_for(
    rows: Collections,
    agent: Agent,
    action: Action,
    kind: PermissionEntity,
    uuid: UUID,
    *,
    for_update: bool = False,
) -> Resource:
    """The facts about a repo, unit or node."""
    match kind:
        case PermissionEntity.REPO:
            repo = await repo_for(rows, agent, action, RepoId(uuid), for_update=for_update)
            return repo.resource()
        case PermissionEntity.UNIT:
            unit = await unit_for(rows, agent, action, UnitId(uuid), for_update=for_update)
            return unit.resource()
        case PermissionEntity.UNIT_NODE:
            node = await node_for(rows, agent, action, NodeId(uuid), for_update=for_update)
            return node.resource()
        case PermissionEntity.USER:
            raise NotFound("a user is no resource")


async def registry_for(
    rows: Collections, agent: Agent, action: Action, uuid: RegistryId, *, for_update: bool = False
) -> Registry:
    registry = await rows.registries.get(uuid, for_update=for_update)
    if registry is None:
        raise NotFound("registry not found")
    require(agent, action, await registry_facts(rows, agent, registry))
    return registry


async def registry_of(rows: Collections, repo: Repo) -> Registry:
    """The registry a repo the caller may see is made from."""
    registry = await rows.registries.get(repo.repository_registry_uuid)
    if registry is None:
        raise NotFound("registry not found")
    return registry


async def registry_facts(rows: Collections, agent: Agent, registry: Registry) -> Resource:
    """Whether the agent holds valid credentials for a private registry, or sees a repo on it."""
    if registry.is_public_repository or agent.kind is not AgentKind.USER:
        return registry.resource()
    slots = await rows.registries.credentials(registry.uuid)
    valid = any(
        slot.user_uuid == agent.uuid and slot.status is CredentialStatus.VALID for slot in slots
    )
    built = not valid and await _sees_a_repo_of(rows, agent, registry)
    return registry.resource(credentials_valid=valid, builds_on_it=built)


async def _sees_a_repo_of(rows: Collections, agent: Agent, registry: Registry) -> bool:
    query = RepoQuery(
        scope=Scope.of(agent), repository_registry_uuid=registry.uuid, slice=Slice(0, 1)
    )
    return (await rows.repos.find(query)).count > 0
