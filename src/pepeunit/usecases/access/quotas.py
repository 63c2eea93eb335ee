"""How much one person may have (spec access.md W25)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from pepeunit.domain.access.scope import Scope
from pepeunit.domain.errors import OverLimit, Topic
from pepeunit.domain.ids import UserId
from pepeunit.ports.database import Transaction
from pepeunit.ports.paging import Slice
from pepeunit.ports.registries import RegistryQuery
from pepeunit.ports.repos import RepoQuery
from pepeunit.ports.units import UnitQuery

MIB: Final = 1024 * 1024
EVERYTHING: Final = Scope(everything=True)
ONE: Final = Slice(0, 1)


@frozen
class Quotas:
    """``PU_QUOTA_<KIND>_MAX``; 0 is no limit.

    Each check counts inside the transaction that creates, behind a lock of the person's own, so
    that calls at once do not slip past together. Raises ``OverLimit`` (topic entity).
    """

    registries_max: int = 0
    repos_max: int = 0
    units_max: int = 0
    disk_mib: int = 0

    async def check_registry(self, tx: Transaction, user: UserId) -> None:
        """Room for one more registry; its size is not known yet, so the disk must not be full."""
        if not self.registries_max and not self.disk_mib:
            return
        await _lock(tx, "registries", user)
        found = await tx.registries.find(RegistryQuery(creator_uuid=user))
        _refuse("registries", self.registries_max, found.count)
        used = sum(registry.local_repository_size for registry in found.items)
        _refuse("MiB of disk", self.disk_mib, used // MIB)

    async def check_repo(self, tx: Transaction, user: UserId) -> None:
        if self.repos_max:
            await _lock(tx, "repos", user)
            query = RepoQuery(EVERYTHING, creators=frozenset({user}), slice=ONE)
            _refuse("repos", self.repos_max, (await tx.repos.find(query)).count)

    async def check_unit(self, tx: Transaction, user: UserId) -> None:
        if self.units_max:
            await _lock(tx, "units", user)
            query = UnitQuery(EVERYTHING, creator_uuid=user, slice=ONE)
            _refuse("units", self.units_max, (await tx.units.find(query)).count)


UNLIMITED: Final = Quotas()


async def _lock(tx: Transaction, kind: str, user: UserId) -> None:
    await tx.lock(f"quota of {kind}: {user}")


def _refuse(kind: str, limit: int, actual: int) -> None:
    if limit and actual >= limit:
        raise OverLimit(
            f"you have {actual} {kind} of at most {limit}", Topic.ENTITY, limit=limit, actual=actual
        )
