"""Users in PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen
from sqlalchemy import Select, bindparam, delete, func, select, union_all, update

from pepeunit.adapters.postgres.permissions import forgetting
from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.selecting import filters, members, ordered, page, searched
from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables import (
    credentials,
    edges,
    nodes,
    permissions,
    registries,
    repos,
    units,
    users,
)
from pepeunit.codecs.text import is_storable, require_storable
from pepeunit.domain.ids import UserId
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.users import UserQuery

_GET: Final = Prepared.of(select(users).where(users.c.uuid == bindparam("uuid")))
_BY_LOGIN: Final = select(users).where(func.lower(users.c.login) == func.lower(bindparam("login")))
_PUT: Final = upsert(users, "uuid")
_ORDERS: Final = {
    OrderKey.CREATE_DATETIME: users.c.create_datetime,
    OrderKey.NAME: users.c.login.collate("C"),
}
_MADE: Final = (registries, repos, units, nodes, edges)
"""What has a creator."""


def to_user(row: Any) -> User:
    return User(
        uuid=row.uuid,
        login=row.login,
        role=UserRole(row.role),
        status=UserStatus(row.status),
        password_hash=row.password_hash,
        create_datetime=row.create_datetime,
        grafana_org_name=row.grafana_org_name,
        grafana_org_id=row.grafana_org_id,
        telegram_chat_id=row.telegram_chat_id,
        token_generation=row.token_generation,
        kept_token_id=row.kept_token_id,
    )


def to_row(user: User) -> dict[str, Any]:
    row = {
        "uuid": user.uuid,
        "login": user.login,
        "role": user.role.value,
        "status": user.status.value,
        "password_hash": user.password_hash,
        "create_datetime": user.create_datetime,
        "grafana_org_name": user.grafana_org_name,
        "grafana_org_id": user.grafana_org_id,
        "telegram_chat_id": user.telegram_chat_id,
        "token_generation": user.token_generation,
        "kept_token_id": user.kept_token_id,
    }
    require_storable(row.items())
    return row


def _found(query: UserQuery) -> Select[Any]:
    statement = select(users).where(
        *filters(uuids=(users.c.uuid, query.uuids)),
        *members(
            roles=(users.c.role, query.roles),
            statuses=(users.c.status, query.statuses),
        ),
        *searched(query.search, users.c.login),
    )
    return ordered(statement, query.order, _ORDERS, users.c.uuid)


@frozen
class PostgresUsers:
    """Implements :class:`~pepeunit.ports.users.Users`."""

    statements: Statements

    async def get(self, uuid: UserId, *, for_update: bool = False) -> User | None:
        row = await self.statements.get(_GET, uuid, for_update=for_update)
        return to_user(row) if row is not None else None

    async def recall(self, uuid: UserId) -> User | None:
        recent = self.statements.recent
        if recent is None or self.statements.is_writable:
            return await self.get(uuid)
        return await recent.users.get(uuid, lambda: self.get(uuid))

    async def by_login(self, login: str) -> User | None:
        if not is_storable(login):
            return None
        row = (await self.statements.read(_BY_LOGIN, {"login": login})).one_or_none()
        return to_user(row) if row is not None else None

    async def find(self, query: UserQuery) -> Page[User]:
        return await page(self.statements, _found, query, to_user)

    async def count(self) -> int:
        return await self.statements.count(users)

    async def put(self, user: User) -> None:
        await self.statements.write(_PUT, to_row(user))

    async def hand_over(self, giver: UserId, taker: UserId) -> None:
        for table in _MADE:
            await self.statements.write(
                update(table).where(table.c.creator_uuid == giver).values(creator_uuid=taker)
            )
        own = union_all(
            *(
                select(one.c.uuid).where(one.c.creator_uuid == taker)
                for one in (repos, units, nodes)
            )
        )
        held = select(permissions.c.resource_uuid).where(permissions.c.agent_uuid == taker)
        await self.statements.write(
            update(permissions)
            .where(
                permissions.c.agent_uuid == giver,
                permissions.c.resource_uuid.in_(own),
                permissions.c.resource_uuid.not_in(held),
            )
            .values(agent_uuid=taker)
        )

    async def delete(self, uuid: UserId) -> None:
        await self.statements.write(
            update(registries).where(registries.c.creator_uuid == uuid).values(creator_uuid=None)
        )
        await self.statements.write(delete(credentials).where(credentials.c.user_uuid == uuid))
        await self.statements.write(delete(edges).where(edges.c.creator_uuid == uuid))
        await self.statements.write(forgetting([uuid]))
        await self.statements.delete(delete(users).where(users.c.uuid == uuid))
