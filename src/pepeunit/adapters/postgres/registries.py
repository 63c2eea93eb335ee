"""Registries and credentials in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import astuple, frozen
from sqlalchemy import Select, bindparam, delete, select

from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.selecting import filters, ordered, page, searched
from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables import credentials, registries
from pepeunit.codecs.text import json_text, require_storable
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.credentials import CredentialStatus
from pepeunit.domain.registries.registry import GitPlatform, Registry, SyncStatus
from pepeunit.domain.registries.version import Asset, Releases
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.registries import RegistryQuery, SealedCredentials

_GET: Final = Prepared.of(select(registries).where(registries.c.uuid == bindparam("uuid")))
_PUT: Final = upsert(registries, "uuid")
_CREDENTIALS: Final = (
    select(credentials)
    .where(credentials.c.registry_uuid == bindparam("uuid"))
    .order_by(credentials.c.ordinal)
)
_PUT_CREDENTIALS: Final = upsert(credentials, "registry_uuid", "user_uuid")
_ORDERS: Final = {
    OrderKey.CREATE_DATETIME: registries.c.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: registries.c.last_update_datetime,
    OrderKey.NAME: registries.c.repository_url.collate("C"),
}


def _releases(document: dict[str, list[list[Any]]]) -> Releases:
    """Each asset is a list of its fields; the later ones may be missing."""
    return {tag: tuple(Asset(*one) for one in assets) for tag, assets in document.items()}


def to_registry(row: Any) -> Registry:
    return Registry(
        uuid=row.uuid,
        platform=GitPlatform(row.platform),
        repository_url=row.repository_url,
        is_public_repository=row.is_public_repository,
        create_datetime=row.create_datetime,
        last_update_datetime=row.last_update_datetime,
        creator_uuid=row.creator_uuid,
        releases=None if row.releases is None else _releases(row.releases),
        local_repository_size=row.local_repository_size,
        sync_status=None if row.sync_status is None else SyncStatus(row.sync_status),
        sync_error=row.sync_error,
        sync_progress=row.sync_progress,
        sync_last_datetime=row.sync_last_datetime,
    )


def to_row(registry: Registry) -> dict[str, Any]:
    releases = registry.releases
    row = {
        "uuid": registry.uuid,
        "platform": registry.platform.value,
        "repository_url": registry.repository_url,
        "is_public_repository": registry.is_public_repository,
        "create_datetime": registry.create_datetime,
        "last_update_datetime": registry.last_update_datetime,
        "creator_uuid": registry.creator_uuid,
        "releases": None
        if releases is None
        else json_text(
            "releases", {tag: [astuple(one) for one in assets] for tag, assets in releases.items()}
        ),
        "local_repository_size": registry.local_repository_size,
        "sync_status": registry.sync_status and registry.sync_status.value,
        "sync_error": registry.sync_error,
        "sync_progress": registry.sync_progress,
        "sync_last_datetime": registry.sync_last_datetime,
    }
    require_storable(row.items())
    return row


def to_slot(row: Any) -> SealedCredentials:
    return SealedCredentials(
        registry_uuid=row.registry_uuid,
        user_uuid=row.user_uuid,
        sealed=row.sealed,
        status=CredentialStatus(row.status),
    )


def _found(query: RegistryQuery) -> Select[Any]:
    columns = registries.c
    statement = select(registries).where(
        *filters(
            uuids=(columns.uuid, query.uuids),
            creator=(columns.creator_uuid, query.creator_uuid),
            public=(columns.is_public_repository, query.is_public_repository),
        ),
        *searched(query.search, columns.repository_url),
    )
    return ordered(statement, query.order, _ORDERS, columns.uuid)


@frozen
class PostgresRegistries:
    """Implements :class:`~pepeunit.ports.registries.Registries`."""

    statements: Statements

    async def get(self, uuid: RegistryId, *, for_update: bool = False) -> Registry | None:
        row = await self.statements.get(_GET, uuid, for_update=for_update)
        return to_registry(row) if row is not None else None

    async def find(self, query: RegistryQuery) -> Page[Registry]:
        return await page(self.statements, _found, query, to_registry)

    async def all_ids(self) -> Sequence[RegistryId]:
        found = await self.statements.read(select(registries.c.uuid).order_by(registries.c.uuid))
        return found.scalars().all()

    async def put(self, registry: Registry) -> None:
        await self.statements.write(_PUT, to_row(registry))

    async def delete(self, uuid: RegistryId) -> None:
        await self.statements.delete(delete(registries).where(registries.c.uuid == uuid))

    async def credentials(self, uuid: RegistryId) -> Sequence[SealedCredentials]:
        found = await self.statements.read(_CREDENTIALS, {"uuid": uuid})
        return tuple(map(to_slot, found))

    async def put_credentials(self, slot: SealedCredentials) -> None:
        row = {
            "registry_uuid": slot.registry_uuid,
            "user_uuid": slot.user_uuid,
            "sealed": slot.sealed,
            "status": slot.status.value,
        }
        require_storable(row.items())
        await self.statements.write(_PUT_CREDENTIALS, row)
