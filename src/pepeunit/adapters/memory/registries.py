"""Registries and credentials in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from pepeunit.adapters.memory.selecting import Keys, page, searcher, wanted
from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.domain.errors import Topic
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.registry import Registry
from pepeunit.ports.paging import OrderKey, Page
from pepeunit.ports.registries import RegistryQuery, SealedCredentials

_KEYS: Final[Keys[Registry]] = {
    OrderKey.CREATE_DATETIME: lambda registry: registry.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: lambda registry: registry.last_update_datetime,
    OrderKey.NAME: lambda registry: registry.repository_url,
}


@frozen
class MemoryRegistries:
    """Implements :class:`~pepeunit.ports.registries.Registries`."""

    view: View

    async def get(self, uuid: RegistryId, *, for_update: bool = False) -> Registry | None:
        return self.view.locked(for_update=for_update).registries.get(uuid)

    async def find(self, query: RegistryQuery) -> Page[Registry]:
        matches = searcher(query.search)
        rows = (
            registry
            for registry in self.view.world.registries.values()
            if wanted(registry.uuid, query.uuids)
            and wanted(registry.creator_uuid, query.creator_uuid)
            and wanted(registry.is_public_repository, query.is_public_repository)
            and matches(registry.repository_url)
        )
        return page(rows, query.order, query.slice, _KEYS)

    async def all_ids(self) -> Sequence[RegistryId]:
        return sorted(self.view.world.registries)

    async def put(self, registry: Registry) -> None:
        world = self.view.for_writing()
        require_storable_row(registry)
        for other in world.registries.values():
            if other.repository_url == registry.repository_url and other.uuid != registry.uuid:
                raise self.view.clash("the repository is already registered", Topic.REGISTRY)
        creator = registry.creator_uuid
        self.view.require(creator is None or creator in world.users, "the user is gone")
        world.registries[registry.uuid] = registry

    async def delete(self, uuid: RegistryId) -> None:
        world = self.view.for_writing()
        if any(repo.repository_registry_uuid == uuid for repo in world.repos.values()):
            raise self.view.clash("the registry still has repos")
        world.registries.pop(uuid, None)
        for key in [key for key in world.credentials if key[0] == uuid]:
            del world.credentials[key]

    async def credentials(self, uuid: RegistryId) -> Sequence[SealedCredentials]:
        slots = self.view.world.credentials.values()
        return tuple(slot for slot in slots if slot.registry_uuid == uuid)

    async def put_credentials(self, slot: SealedCredentials) -> None:
        world = self.view.for_writing()
        require_storable_row(slot)
        self.view.require(slot.registry_uuid in world.registries, "the registry is gone")
        self.view.require(slot.user_uuid in world.users, "the user is gone")
        world.credentials[slot.registry_uuid, slot.user_uuid] = slot
