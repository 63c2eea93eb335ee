"""The collection of repos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.scope import Scope
from pepeunit.domain.ids import RegistryId, RepoId
from pepeunit.domain.repos.repo import Repo
from pepeunit.ports.paging import WHOLE, Order, Page, Slice


@frozen
class RepoQuery:
    """``search`` looks at the name, the registry's URL and the default branch."""

    scope: Scope
    uuids: frozenset[UUID] | None = None
    repository_registry_uuid: RegistryId | None = None
    creators: frozenset[UUID] | None = None
    search: str | None = None
    is_auto_update_repo: bool | None = None
    order: tuple[Order, ...] = ()
    slice: Slice = WHOLE


class Repos(Protocol):
    async def get(self, uuid: RepoId, *, for_update: bool = False) -> Repo | None: ...

    async def find(self, query: RepoQuery) -> Page[Repo]: ...

    async def auto_updated(self) -> Sequence[Repo]:
        """Every repo that follows its branch."""
        ...

    async def of_registry(self, registry: RegistryId) -> Sequence[Repo]: ...

    async def put(self, repo: Repo) -> None:
        """Insert or replace. Raises ``Conflict`` (topic repo) when the name is taken."""
        ...

    async def delete(self, uuid: RepoId) -> None:
        """Raises ``Conflict`` (topic entity) while units point at it."""
        ...
