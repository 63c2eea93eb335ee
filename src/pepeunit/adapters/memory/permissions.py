"""Permissions in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.adapters.memory.selecting import cut, wanted
from pepeunit.adapters.memory.world import View, World
from pepeunit.domain.access.permission import Permission
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.errors import Topic
from pepeunit.domain.nodes.edge import Edge
from pepeunit.ports.paging import Page
from pepeunit.ports.permissions import PermissionQuery


def is_permitted(world: World, scope: Scope, resource: UUID) -> bool:
    """Whether a permission or an edge joins the scope's agent to the resource."""
    agent = scope.permitted_agent
    return agent is not None and are_joined(world, agent, resource)


def are_joined(world: World, agent: UUID, resource: UUID) -> bool:
    """By a row, or by an edge between the agent's node and the resource (rulings 11)."""
    return (agent, resource) in world.permissions or any(
        _joins(world, edge, agent, resource) for edge in world.edges.values()
    )


def _joins(world: World, edge: Edge, agent: UUID, resource: UUID) -> bool:
    output, input_ = world.nodes[edge.node_output_uuid], world.nodes[edge.node_input_uuid]
    if agent == output.unit_uuid and resource in (input_.uuid, input_.unit_uuid):
        return True
    return agent == input_.unit_uuid and resource == output.uuid


def forget_permissions(world: World, uuids: Collection[UUID]) -> None:
    for key in [key for key in world.permissions if key[0] in uuids or key[1] in uuids]:
        del world.permissions[key]


@frozen
class MemoryPermissions:
    """Implements :class:`~pepeunit.ports.permissions.Permissions`."""

    view: View

    async def exists(self, agent: UUID, resource: UUID) -> bool:
        return are_joined(self.view.world, agent, resource)

    async def stored(self, agent: UUID, resource: UUID) -> Permission | None:
        return self.view.world.permissions.get((agent, resource))

    async def held(self, agent: UUID, resources: Collection[UUID]) -> frozenset[UUID]:
        rows = self.view.world.permissions
        return frozenset(uuid for uuid in resources if (agent, uuid) in rows)

    async def find(self, query: PermissionQuery) -> Page[Permission]:
        world, resource = self.view.world, query.resource_uuid
        found = {
            unit: Permission.from_edge(unit, resource, query.resource_type)
            for unit in world.units
            if any(_joins(world, edge, unit, resource) for edge in world.edges.values())
        } | {
            row.agent_uuid: row
            for row in world.permissions.values()
            if row.resource_uuid == resource
        }
        rows = [found[agent] for agent in sorted(found)]
        return cut([row for row in rows if wanted(row.agent_type, query.agent_types)], query.slice)

    async def add(self, permission: Permission) -> None:
        key = (permission.agent_uuid, permission.resource_uuid)
        if self.view.for_writing().permissions.setdefault(key, permission) is not permission:
            raise self.view.clash("the agent has this permission already", Topic.PERMISSION)

    async def put(self, permissions: Sequence[Permission]) -> None:
        world = self.view.for_writing()
        for permission in permissions:
            key = (permission.agent_uuid, permission.resource_uuid)
            world.permissions.setdefault(key, permission)

    async def delete(self, agent: UUID, resource: UUID) -> None:
        self.view.for_writing().permissions.pop((agent, resource), None)

    async def delete_about(self, uuids: Collection[UUID]) -> None:
        forget_permissions(self.view.for_writing(), frozenset(uuids))
