"""Repos in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen
from sqlalchemy import Select, bindparam, delete, select

from pepeunit.adapters.postgres.permissions import forgetting
from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.selecting import filters, ordered, page, searched, visible
from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables import registries, repos
from pepeunit.codecs.text import require_storable
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.domain.repos.repo import Repo
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.repos import RepoQuery

_GET: Final = Prepared.of(select(repos).where(repos.c.uuid == bindparam("uuid")))
_PUT: Final = upsert(repos, "uuid")
_AUTO_UPDATED: Final = select(repos).where(repos.c.is_auto_update_repo).order_by(repos.c.uuid)
_OF_REGISTRY: Final = (
    select(repos)
    .where(repos.c.repository_registry_uuid == bindparam("uuid"))
    .order_by(repos.c.uuid)
)
_ORDERS: Final = {
    OrderKey.CREATE_DATETIME: repos.c.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: repos.c.last_update_datetime,
    OrderKey.NAME: repos.c.name.collate("C"),
}


def to_repo(row: Any) -> Repo:
    return Repo(
        uuid=row.uuid,
        name=row.name,
        visibility_level=Visibility(row.visibility_level),
        repository_registry_uuid=row.repository_registry_uuid,
        creator_uuid=row.creator_uuid,
        create_datetime=row.create_datetime,
        last_update_datetime=row.last_update_datetime,
        default_branch=row.default_branch,
        default_commit=row.default_commit,
        is_auto_update_repo=row.is_auto_update_repo,
        is_only_tag_update=row.is_only_tag_update,
        is_compilable_repo=row.is_compilable_repo,
    )


def to_row(repo: Repo) -> dict[str, Any]:
    row = {
        "uuid": repo.uuid,
        "name": repo.name,
        "visibility_level": repo.visibility_level.value,
        "repository_registry_uuid": repo.repository_registry_uuid,
        "creator_uuid": repo.creator_uuid,
        "create_datetime": repo.create_datetime,
        "last_update_datetime": repo.last_update_datetime,
        "default_branch": repo.default_branch,
        "default_commit": repo.default_commit,
        "is_auto_update_repo": repo.is_auto_update_repo,
        "is_only_tag_update": repo.is_only_tag_update,
        "is_compilable_repo": repo.is_compilable_repo,
    }
    require_storable(row.items())
    return row


def _found(query: RepoQuery) -> Select[Any]:
    columns = repos.c
    statement = select(repos).where(
        visible(query.scope, repos),
        *filters(
            uuids=(columns.uuid, query.uuids),
            registry=(columns.repository_registry_uuid, query.repository_registry_uuid),
            creators=(columns.creator_uuid, query.creators),
            auto=(columns.is_auto_update_repo, query.is_auto_update_repo),
        ),
    )
    if query.search is not None:
        statement = statement.join_from(repos, registries).where(
            *searched(
                query.search,
                columns.name,
                registries.c.repository_url,
                columns.default_branch,
            )
        )
    return ordered(statement, query.order, _ORDERS, columns.uuid)


@frozen
class PostgresRepos:
    """Implements :class:`~pepeunit.ports.repos.Repos`."""

    statements: Statements

    async def get(self, uuid: RepoId, *, for_update: bool = False) -> Repo | None:
        row = await self.statements.get(_GET, uuid, for_update=for_update)
        return to_repo(row) if row is not None else None

    async def find(self, query: RepoQuery) -> Page[Repo]:
        return await page(self.statements, _found, query, to_repo)

    async def auto_updated(self) -> Sequence[Repo]:
        return tuple(map(to_repo, await self.statements.read(_AUTO_UPDATED)))

    async def of_registry(self, registry: RegistryId) -> Sequence[Repo]:
        return tuple(map(to_repo, await self.statements.read(_OF_REGISTRY, {"uuid": registry})))

    async def put(self, repo: Repo) -> None:
        await self.statements.write(_PUT, to_row(repo))

    async def delete(self, uuid: RepoId) -> None:
        await self.statements.delete(delete(repos).where(repos.c.uuid == uuid))
        await self.statements.write(forgetting([uuid]))
