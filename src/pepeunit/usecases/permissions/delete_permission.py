"""Take a permission back, or give one's own up (spec rest.md 8.6, W1, C2, rulings 11)."""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.permission import Permission, PermissionEntity, protection
from pepeunit.domain.access.policy import Action, Resource, require_kind, require_person
from pepeunit.domain.errors import Conflict, NotFound, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.sessions import Sessions
from pepeunit.usecases.access.gates import kind_of, thing_for


@frozen
class DeletePermission:
    """For the creator of the resource and for the agent itself; connected units feel it at once
    (W28)."""

    database: Database
    sessions: Sessions

    async def __call__(self, agent: Agent, agent_uuid: UUID, resource_uuid: UUID) -> None:
        """Raises ``Conflict`` (topic permission) for rights that are always there and for those
        of an edge; one ``NotFound`` for an absent permission and for an unseen resource."""
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        require_person(agent)
        is_own = agent.uuid == agent_uuid
        async with self.database.begin() as tx:
            kind, thing = await _thing(tx, agent, resource_uuid, is_own=is_own)
            permission = await _permission(tx, agent_uuid, resource_uuid, kind)
            unit = await tx.units.get(UnitId(agent_uuid))
            reason = protection(permission, thing, unit.repo_uuid if unit is not None else None)
            if reason is not None:
                raise Conflict(reason, Topic.PERMISSION)
            await tx.permissions.delete(agent_uuid, resource_uuid)
        if permission.agent_type is PermissionEntity.UNIT:
            await self.sessions.recheck()


async def _thing(
    tx: Transaction, agent: Agent, uuid: UUID, *, is_own: bool
) -> tuple[PermissionEntity, Resource]:
    """What the permission is about; who holds one sees the thing through it."""
    kind = await kind_of(tx, uuid)
    if kind is None:
        raise NotFound("permission not found")
    try:
        return kind, await thing_for(tx, agent, Action.SEE if is_own else Action.CHANGE, kind, uuid)
    except NotFound:
        raise NotFound("permission not found") from None


async def _permission(
    tx: Transaction, agent_uuid: UUID, resource_uuid: UUID, kind: PermissionEntity
) -> Permission:
    stored = await tx.permissions.stored(agent_uuid, resource_uuid)
    if stored is not None:
        return stored
    if await tx.permissions.exists(agent_uuid, resource_uuid):
        return Permission.from_edge(agent_uuid, resource_uuid, kind)
    raise NotFound("permission not found")
