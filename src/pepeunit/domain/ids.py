"""Identities: one type per entity, so that a node's id is never passed for a unit's."""

from __future__ import annotations

from typing import NewType
from uuid import UUID

UserId = NewType("UserId", UUID)
RegistryId = NewType("RegistryId", UUID)
RepoId = NewType("RepoId", UUID)
UnitId = NewType("UnitId", UUID)
NodeId = NewType("NodeId", UUID)
EdgeId = NewType("EdgeId", UUID)
PermissionId = NewType("PermissionId", UUID)
CommandId = NewType("CommandId", UUID)
RolloutId = NewType("RolloutId", UUID)
InviteId = NewType("InviteId", UUID)
AuditId = NewType("AuditId", UUID)
ApiTokenId = NewType("ApiTokenId", UUID)
