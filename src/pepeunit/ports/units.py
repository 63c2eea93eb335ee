"""The collection of units and of the sealed texts that belong to them."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import RepoId, UnitId
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.nodes import NodeQuery
from pepeunit.ports.paging import WHOLE, Order, Page, Slice


@frozen
class UnitQuery:
    """``owning`` keeps units with at least one node that query finds (its slice is ignored)."""

    scope: Scope
    uuids: frozenset[UUID] | None = None
    creator_uuid: UUID | None = None
    repos: frozenset[UUID] | None = None
    search: str | None = None
    is_auto_update_from_repo_unit: bool | None = None
    owning: NodeQuery | None = None
    order: tuple[Order, ...] = ()
    slice: Slice = WHOLE


class SealedKind(enum.Enum):
    ENV = "env"
    STATE_STORAGE = "state_storage"


class Units(Protocol):
    async def get(self, uuid: UnitId, *, for_update: bool = False) -> Unit | None: ...

    async def get_many(
        self, uuids: Collection[UnitId], *, for_update: bool = False
    ) -> Sequence[Unit]:
        """Those of them that exist, in the order of their ids."""
        ...

    async def taken(self, names: Collection[str]) -> Sequence[str]:
        """Those of the names that a unit has, whoever may see it."""
        ...

    async def find(self, query: UnitQuery) -> Page[Unit]: ...

    async def following(self, repo: RepoId) -> Sequence[UnitId]:
        """The units that take their version from the repo."""
        ...

    async def behind(self, repo: RepoId, commit: Sha) -> Sequence[UnitId]:
        """Those of them that are not built for the commit or do not report it, in order."""
        ...

    async def not_built_for(self, repo: RepoId, commit: Sha) -> Sequence[UnitId]:
        """Those of them that are not built for the commit, in order."""
        ...

    async def versions(self, repo: RepoId) -> Sequence[tuple[Sha, int]]:
        """Reported commits of the repo's units with how many run each, most used first."""
        ...

    async def widest_visibility(self, repo: RepoId) -> Visibility | None:
        """The widest level among the repo's units, None without units."""
        ...

    async def overdue(self, sent_before: datetime, limit: int) -> Sequence[UnitId]:
        """Units whose Update was sent before that moment and not answered."""
        ...

    async def update_statuses(self) -> Mapping[UpdateStatus | None, int]:
        """How many units there are by the status of their update."""
        ...

    async def with_old_token_before(self, moment: datetime, limit: int) -> Sequence[UnitId]:
        """Units whose rotated token was valid until then at the latest."""
        ...

    async def put(self, unit: Unit) -> None:
        """Insert or replace. Raises ``Conflict`` (topic unit) when the name is taken."""
        ...

    async def put_many(self, units: Sequence[Unit]) -> None:
        """The same for many."""
        ...

    async def delete(self, uuid: UnitId) -> None:
        """Delete the unit with its nodes, edges, permissions, commands and sealed texts."""
        ...

    async def mark_presence(self, uuid: UnitId, *, is_online: bool, at: datetime) -> None:
        """Touch the two presence columns and nothing else."""
        ...

    async def mark_all_offline(self) -> None: ...

    async def sealed(self, uuid: UnitId, kind: SealedKind) -> str | None: ...

    async def put_sealed(self, uuid: UnitId, kind: SealedKind, text: str | None) -> None:
        """Store a sealed text, or forget it when None."""
        ...
