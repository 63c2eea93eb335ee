"""Permissions over REST (spec rest.md 8.6)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.permission import PermissionModel, PermissionsModel, permission_model
from pepeunit.codecs.rest.requests import Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.permission import PermissionEntity
from pepeunit.entrypoints.http.paging import set_of, slice_of
from pepeunit.entrypoints.http.route import Route
from pepeunit.ports.permissions import PermissionQuery
from pepeunit.usecases.permissions.create_permission import CreatePermission
from pepeunit.usecases.permissions.delete_permission import DeletePermission
from pepeunit.usecases.permissions.list_permissions import ListPermissions


@frozen
class NewPermission:
    agent_uuid: UUID
    agent_type: PermissionEntity
    resource_uuid: UUID
    resource_type: PermissionEntity


@frozen(kw_only=True)
class PermissionList(Paged):
    resource_uuid: UUID
    resource_type: PermissionEntity
    agent_type: tuple[PermissionEntity, ...] | None = None


@frozen
class IgnoredPath:
    """Any text: the query says which permission is meant."""

    uuid: str


@frozen
class PermissionEnds:
    agent_uuid: UUID
    resource_uuid: UUID


@frozen
class PermissionDoor:
    create_permission: CreatePermission
    list_permissions: ListPermissions
    delete_permission: DeletePermission

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("POST", "/permission", self.create, status=201),
            Route.of("GET", "/permission/get_resource_agents", self.find),
            Route.of("DELETE", "/permission/{uuid}", self.delete),
        )

    async def create(self, agent: Agent, body: NewPermission) -> PermissionModel:
        """Let an agent see a private resource of the caller's."""
        permission = await self.create_permission(
            agent, body.agent_uuid, body.agent_type, body.resource_uuid, body.resource_type
        )
        return permission_model(permission)

    async def find(self, agent: Agent, query: PermissionList) -> PermissionsModel:
        """Who may see a resource of the caller's, rights that links give included."""
        page = await self.list_permissions(
            agent,
            PermissionQuery(
                query.resource_uuid,
                query.resource_type,
                agent_types=set_of(query.agent_type),
                slice=slice_of(query),
            ),
        )
        return PermissionsModel(page.count, [permission_model(row) for row in page.items])

    async def delete(self, agent: Agent, path: IgnoredPath, query: PermissionEnds) -> None:
        """Take a permission back: the resource's creator, or the agent its own."""
        await self.delete_permission(agent, query.agent_uuid, query.resource_uuid)
