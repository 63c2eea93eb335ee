"""Permissions in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from attrs import frozen
from sqlalchemy import Delete, Uuid, bindparam, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert

from pepeunit.adapters.postgres.selecting import linked_resources, one_of
from pepeunit.adapters.postgres.statements import Statements
from pepeunit.adapters.postgres.tables import permissions
from pepeunit.domain.access.permission import Permission

_EXISTS: Final = select(
    or_(
        exists().where(
            permissions.c.agent_uuid == bindparam("agent"),
            permissions.c.resource_uuid == bindparam("resource"),
        ),
        bindparam("resource", type_=Uuid).in_(linked_resources(bindparam("agent"))),
    )
)
_PUT: Final = insert(permissions).on_conflict_do_nothing()


def forgetting(uuids: Collection[UUID]) -> Delete:
    """The statement that deletes every row about one of these."""
    return delete(permissions).where(
        or_(one_of(permissions.c.agent_uuid, uuids), one_of(permissions.c.resource_uuid, uuids))
    )


@frozen
class PostgresPermissions:
    """Implements :class:`~pepeunit.ports.permissions.Permissions`."""

    statements: Statements

    async def exists(self, agent: UUID, resource: UUID) -> bool:
        found = await self.statements.read(_EXISTS, {"agent": agent, "resource": resource})
        return bool(found.scalar_one())

    async def put(self, permissions: Sequence[Permission]) -> None:
        if permissions:
            await self.statements.write(
                _PUT,
                [
                    {
                        "uuid": permission.uuid,
                        "agent_uuid": permission.agent_uuid,
                        "agent_type": permission.agent_type.value,
                        "resource_uuid": permission.resource_uuid,
                        "resource_type": permission.resource_type.value,
                    }
                    for permission in permissions
                ],
            )

    async def delete_about(self, uuids: Collection[UUID]) -> None:
        await self.statements.write(forgetting(uuids))
