"""Open a private thing to an agent (spec rest.md 8.6, W1, C2)."""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.permission import (
    Permission,
    PermissionEntity,
    agent_violations,
    resource_violations,
)
from pepeunit.domain.access.policy import Action, require_kind, require_person
from pepeunit.domain.errors import Invalid, NotFound, Topic
from pepeunit.domain.ids import PermissionId, UnitId, UserId
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.identifiers import NewUuid
from pepeunit.ports.sessions import Sessions
from pepeunit.usecases.access.gates import thing_for, unit_for


@frozen
class CreatePermission:
    """For the creator of the resource; connected units feel it at once (W28)."""

    database: Database
    sessions: Sessions
    new_uuid: NewUuid

    async def __call__(
        self,
        agent: Agent,
        agent_uuid: UUID,
        agent_type: PermissionEntity,
        resource_uuid: UUID,
        resource_type: PermissionEntity,
    ) -> Permission:
        """Raises ``Invalid`` (topic permission) for kinds that cannot be joined, ``NotFound`` when
        either end is missing or not seen, ``Conflict`` (topic permission) for a second row."""
        require_kind(agent, AgentKind.USER)
        require_person(agent)
        violations = [*agent_violations(agent_type), *resource_violations(resource_type)]
        if violations:
            raise Invalid(violations, Topic.PERMISSION)
        permission = Permission(
            PermissionId(self.new_uuid()), agent_uuid, agent_type, resource_uuid, resource_type
        )
        async with self.database.begin() as tx:
            # Locked, so that a deletion at the same time takes the new row with it.
            await thing_for(tx, agent, Action.CHANGE, resource_type, resource_uuid, for_update=True)
            await _require_receiver(tx, agent, agent_type, agent_uuid)
            await tx.permissions.add(permission)
        if agent_type is PermissionEntity.UNIT:
            await self.sessions.recheck()
        return permission


async def _require_receiver(
    tx: Transaction, agent: Agent, kind: PermissionEntity, uuid: UUID
) -> None:
    if kind is PermissionEntity.UNIT:
        await unit_for(tx, agent, Action.SEE, UnitId(uuid))
    elif await tx.users.get(UserId(uuid)) is None:
        raise NotFound("user not found")
