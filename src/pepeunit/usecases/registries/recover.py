"""Syncs that a crash cut off (O3): none stays in ``Processing``."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.registry import SyncStatus
from pepeunit.ports.database import Database
from pepeunit.ports.leases import Leases
from pepeunit.usecases.background import Background
from pepeunit.usecases.registries.sync_registry import SyncThenUpdate


@frozen
class RecoverSyncs:
    """Run at start-up: what nobody works on any more is marked and begun anew."""

    database: Database
    leases: Leases
    sync: SyncThenUpdate
    background: Background

    async def __call__(self) -> int:
        """How many syncs had been cut off."""
        async with self.database.read() as rows:
            uuids = await rows.registries.all_ids()
        cut_off = [uuid for uuid in uuids if await self._release(uuid)]
        for uuid in cut_off:
            self.background.start(
                f"sync of {uuid} after a restart", self.sync(uuid, was_cut_off=True)
            )
        return len(cut_off)

    async def _release(self, uuid: RegistryId) -> bool:
        async with self.leases.hold(f"registry:{uuid}") as ours, self.database.begin() as tx:
            registry = await tx.registries.get(uuid, for_update=True)
            if not ours or registry is None or registry.sync_status is not SyncStatus.PROCESSING:
                return False
            await tx.registries.put(
                evolve(
                    registry,
                    sync_status=SyncStatus.ERROR,
                    sync_error="the sync was cut off by a restart",
                    sync_progress=None,
                )
            )
            return True
