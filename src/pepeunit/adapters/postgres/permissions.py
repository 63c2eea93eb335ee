"""Permissions in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from attrs import frozen
from sqlalchemy import (
    Delete,
    Select,
    Uuid,
    bindparam,
    delete,
    exists,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.selecting import (
    linked_resources,
    linked_units,
    members,
    one_of,
    page,
)
from pepeunit.adapters.postgres.statements import Statements
from pepeunit.adapters.postgres.tables import permissions
from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.ports.paging import Page
from pepeunit.ports.permissions import PermissionQuery

_EXISTS: Final = Prepared.of(
    select(
        or_(
            exists().where(
                permissions.c.agent_uuid == bindparam("agent"),
                permissions.c.resource_uuid == bindparam("resource"),
            ),
            bindparam("resource", type_=Uuid).in_(linked_resources(bindparam("agent"))),
        )
    )
)
_STORED: Final = select(permissions).where(
    permissions.c.agent_uuid == bindparam("agent"),
    permissions.c.resource_uuid == bindparam("resource"),
)
_PUT: Final = insert(permissions).on_conflict_do_nothing()
_DELETE: Final = delete(permissions).where(
    permissions.c.agent_uuid == bindparam("agent"),
    permissions.c.resource_uuid == bindparam("resource"),
)


def _rights(resource: UUID) -> Any:
    """Rows about a resource, and without a uuid the units that edges alone join to it."""
    rows = select(permissions.c.uuid, permissions.c.agent_uuid, permissions.c.agent_type).where(
        permissions.c.resource_uuid == resource
    )
    linked = linked_units(resource).subquery()
    stored = rows.with_only_columns(permissions.c.agent_uuid)
    derived = select(
        null().cast(Uuid), linked.c.agent_uuid, literal(PermissionEntity.UNIT.value)
    ).where(linked.c.agent_uuid.not_in(stored))
    return union_all(rows, derived).subquery()


def _found(query: PermissionQuery) -> Select[Any]:
    rights = _rights(query.resource_uuid)
    return (
        select(rights)
        .where(*members(agent_types=(rights.c.agent_type, query.agent_types)))
        .order_by(rights.c.agent_uuid)
    )


def to_row(permission: Permission) -> dict[str, Any]:
    return {
        "uuid": permission.uuid,
        "agent_uuid": permission.agent_uuid,
        "agent_type": permission.agent_type.value,
        "resource_uuid": permission.resource_uuid,
        "resource_type": permission.resource_type.value,
    }


def to_permission(row: Any) -> Permission:
    return Permission(
        uuid=row.uuid,
        agent_uuid=row.agent_uuid,
        agent_type=PermissionEntity(row.agent_type),
        resource_uuid=row.resource_uuid,
        resource_type=PermissionEntity(row.resource_type),
    )


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
        found = await self.statements.rows(_EXISTS, {"agent": agent, "resource": resource})
        return bool(found[0][0])

    async def stored(self, agent: UUID, resource: UUID) -> Permission | None:
        found = await self.statements.read(_STORED, {"agent": agent, "resource": resource})
        row = found.one_or_none()
        return to_permission(row) if row is not None else None

    async def held(self, agent: UUID, resources: Collection[UUID]) -> frozenset[UUID]:
        statement = select(permissions.c.resource_uuid).where(
            permissions.c.agent_uuid == agent, one_of(permissions.c.resource_uuid, resources)
        )
        return frozenset((await self.statements.read(statement)).scalars())

    async def find(self, query: PermissionQuery) -> Page[Permission]:
        def to_right(row: Any) -> Permission:
            if row.uuid is None:
                return Permission.from_edge(
                    row.agent_uuid, query.resource_uuid, query.resource_type
                )
            return Permission(
                uuid=row.uuid,
                agent_uuid=row.agent_uuid,
                agent_type=PermissionEntity(row.agent_type),
                resource_uuid=query.resource_uuid,
                resource_type=query.resource_type,
            )

        return await page(self.statements, _found, query, to_right)

    async def add(self, permission: Permission) -> None:
        await self.statements.write(permissions.insert(), to_row(permission))

    async def put(self, permissions: Sequence[Permission]) -> None:
        if permissions:
            await self.statements.write(_PUT, [to_row(permission) for permission in permissions])

    async def delete(self, agent: UUID, resource: UUID) -> None:
        await self.statements.write(_DELETE, {"agent": agent, "resource": resource})

    async def delete_about(self, uuids: Collection[UUID]) -> None:
        await self.statements.write(forgetting(uuids))
