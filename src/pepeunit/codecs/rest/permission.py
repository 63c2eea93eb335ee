"""Read models of permissions (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.permission import Permission, PermissionEntity


@frozen
class PermissionModel:
    """The right that an edge gives looks like a row; its uuid stays the same while it lasts."""

    uuid: UUID
    agent_uuid: UUID
    agent_type: PermissionEntity
    resource_uuid: UUID
    resource_type: PermissionEntity


@frozen
class PermissionsModel:
    count: int
    permissions: Sequence[PermissionModel]


def permission_model(permission: Permission) -> PermissionModel:
    return PermissionModel(
        uuid=permission.uuid,
        agent_uuid=permission.agent_uuid,
        agent_type=permission.agent_type,
        resource_uuid=permission.resource_uuid,
        resource_type=permission.resource_type,
    )
