"""A permission: a row that lets an agent see a private resource (spec access.md 3.4)."""

from __future__ import annotations

import enum
from uuid import UUID

from attrs import frozen

from pepeunit.domain.ids import PermissionId


class PermissionEntity(enum.Enum):
    """Agents are users and units; resources are repos, units and nodes."""

    USER = "User"
    UNIT = "Unit"
    REPO = "Repo"
    UNIT_NODE = "UnitNode"


@frozen
class Permission:
    uuid: PermissionId
    agent_uuid: UUID
    agent_type: PermissionEntity
    resource_uuid: UUID
    resource_type: PermissionEntity
