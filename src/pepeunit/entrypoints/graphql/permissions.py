"""Permissions over GraphQL (spec graphql.md 6, 7)."""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.permission import PermissionModel, PermissionsModel, permission_model
from pepeunit.codecs.rest.requests import Paged
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.permission import PermissionEntity
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done, slice_of
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
class PermissionFilter(Paged):
    resource_uuid: UUID
    resource_type: PermissionEntity
    agent_type: PermissionEntity | None


@frozen
class PermissionDoor:
    create_permission: CreatePermission
    list_permissions: ListPermissions
    delete_permission: DeletePermission

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="permission",
            queries={"getResourceAgents": self.find},
            mutations={"createPermission": self.create, "deletePermission": self.delete},
            inputs={
                "PermissionCreateInput": NewPermission,
                "PermissionFilterInput": PermissionFilter,
            },
            outputs={"PermissionType": PermissionModel, "PermissionsType": PermissionsModel},
            enums={"PermissionEntities": PermissionEntity},
        )

    async def create(self, agent: Agent, permission: NewPermission) -> PermissionModel:
        made = await self.create_permission(
            agent,
            permission.agent_uuid,
            permission.agent_type,
            permission.resource_uuid,
            permission.resource_type,
        )
        return permission_model(made)

    async def find(self, agent: Agent, filters: PermissionFilter) -> PermissionsModel:
        kind = filters.agent_type
        page = await self.list_permissions(
            agent,
            PermissionQuery(
                filters.resource_uuid,
                filters.resource_type,
                agent_types=None if kind is None else frozenset({kind}),
                slice=slice_of(filters),
            ),
        )
        return PermissionsModel(page.count, [permission_model(row) for row in page.items])

    async def delete(self, agent: Agent, agent_uuid: UUID, resource_uuid: UUID) -> Done:
        await self.delete_permission(agent, agent_uuid, resource_uuid)
        return DONE
