"""The collections of registries and of people's credentials for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from attrs import frozen

from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.credentials import CredentialStatus
from pepeunit.domain.registries.registry import Registry
from pepeunit.ports.paging import WHOLE, Order, Page, Slice


@frozen
class RegistryQuery:
    uuids: frozenset[UUID] | None = None
    creator_uuid: UserId | None = None
    search: str | None = None
    is_public_repository: bool | None = None
    order: tuple[Order, ...] = ()
    slice: Slice = WHOLE


@frozen
class SealedCredentials:
    """One user's slot; ``sealed`` is a cipher text bound to the registry's id."""

    registry_uuid: RegistryId
    user_uuid: UserId
    sealed: str
    status: CredentialStatus


class Registries(Protocol):
    async def get(self, uuid: RegistryId, *, for_update: bool = False) -> Registry | None: ...

    async def find(self, query: RegistryQuery) -> Page[Registry]: ...

    async def all_ids(self) -> Sequence[RegistryId]: ...

    async def put(self, registry: Registry) -> None:
        """Insert or replace. Raises ``Conflict`` (topic registry) when the URL is registered."""
        ...

    async def delete(self, uuid: RegistryId) -> None:
        """Delete the row and its credentials. Raises ``Conflict`` (topic entity) while repos
        point at it."""
        ...

    async def credentials(self, uuid: RegistryId) -> Sequence[SealedCredentials]:
        """Every slot of the registry, oldest first."""
        ...

    async def put_credentials(self, slot: SealedCredentials) -> None: ...
