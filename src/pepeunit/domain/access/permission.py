"""A permission: an agent may see a private resource (spec access.md 3.4, C2, rulings 11)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, Self
from uuid import UUID, uuid5

from attrs import frozen

from pepeunit.domain.access.policy import Resource
from pepeunit.domain.ids import PermissionId, RepoId


class PermissionEntity(enum.Enum):
    """Agents are users and units; resources are repos, units and nodes."""

    USER = "User"
    UNIT = "Unit"
    REPO = "Repo"
    UNIT_NODE = "UnitNode"


AGENT_KINDS: Final = frozenset({PermissionEntity.USER, PermissionEntity.UNIT})
RESOURCE_KINDS: Final = frozenset(
    {PermissionEntity.REPO, PermissionEntity.UNIT, PermissionEntity.UNIT_NODE}
)


@frozen
class Permission:
    """A stored row, or the right that an edge gives while it lasts (``is_from_edge``)."""

    uuid: PermissionId
    agent_uuid: UUID
    agent_type: PermissionEntity
    resource_uuid: UUID
    resource_type: PermissionEntity
    is_from_edge: bool = False

    @classmethod
    def from_edge(cls, unit: UUID, resource: UUID, resource_type: PermissionEntity) -> Self:
        """A unit's right to what it is linked to; its id follows from the two ends."""
        return cls(
            PermissionId(uuid5(resource, str(unit))),
            agent_uuid=unit,
            agent_type=PermissionEntity.UNIT,
            resource_uuid=resource,
            resource_type=resource_type,
            is_from_edge=True,
        )


def agent_violations(kind: PermissionEntity) -> Iterable[tuple[str, str]]:
    """Who cannot be given a permission (error topic permission)."""
    if kind not in AGENT_KINDS:
        yield "agent_type", "only a User or a Unit can be given a permission"


def resource_violations(kind: PermissionEntity) -> Iterable[tuple[str, str]]:
    """What has no permissions (error topic permission)."""
    if kind not in RESOURCE_KINDS:
        yield "resource_type", "only a Repo, a Unit or a UnitNode can be opened"


def protection(permission: Permission, thing: Resource, home: RepoId | None) -> str | None:
    """Why this permission cannot be deleted, or None; ``home`` is the repo of an agent unit."""
    if permission.is_from_edge:
        return "this right comes from a link between nodes: cut the link"
    if permission.agent_uuid == thing.unit:
        return "a unit always sees itself and its own nodes"
    if permission.agent_uuid == thing.creator:
        return "the creator always sees what is theirs"
    if home is not None and permission.resource_uuid == home:
        return "a unit always sees the repo it is built from"
    return None
