"""Permissions in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.adapters.memory.world import View, World
from pepeunit.domain.access.permission import Permission
from pepeunit.domain.access.scope import Scope


def is_permitted(world: World, scope: Scope, resource: UUID) -> bool:
    """Whether a permission joins the scope's agent to the resource."""
    agent = scope.permitted_agent
    return agent is not None and (agent, resource) in world.permissions


def forget_permissions(world: World, uuids: Collection[UUID]) -> None:
    for key in [key for key in world.permissions if key[0] in uuids or key[1] in uuids]:
        del world.permissions[key]


@frozen
class MemoryPermissions:
    """Implements :class:`~pepeunit.ports.permissions.Permissions`."""

    view: View

    async def exists(self, agent: UUID, resource: UUID) -> bool:
        return (agent, resource) in self.view.world.permissions

    async def put(self, permissions: Sequence[Permission]) -> None:
        world = self.view.for_writing()
        for permission in permissions:
            key = (permission.agent_uuid, permission.resource_uuid)
            world.permissions.setdefault(key, permission)

    async def delete_about(self, uuids: Collection[UUID]) -> None:
        forget_permissions(self.view.for_writing(), frozenset(uuids))
