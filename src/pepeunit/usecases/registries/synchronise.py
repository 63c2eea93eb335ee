"""Bring a mirror up to date and tell how it went (spec devices.md 2, rulings 24)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from attrs import evolve, frozen

from pepeunit.domain.errors import OverLimit, Refused, Topic, Unavailable
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.registry import Registry, SyncStatus
from pepeunit.domain.registries.version import Releases, Sha
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.leases import Leases
from pepeunit.ports.mirrors import Mirrors
from pepeunit.usecases.registries.keyring import Keyring

log = logging.getLogger(__name__)

PROGRESS_WRITE_SECONDS = 1.0


@frozen
class Outcome:
    """``moved`` says whether branches or tags changed; ``error`` is None on success."""

    moved: bool
    error: str | None = None


@frozen
class Synchronise:
    """One sync of one registry, from any process; a second one at the same time does nothing.

    Whatever happens, the row ends in ``Updated`` or ``Error``, never in ``Processing`` (O3).
    """

    database: Database
    mirrors: Mirrors
    keyring: Keyring
    leases: Leases
    clock: Clock
    mirror_bytes_max: int

    async def __call__(self, uuid: RegistryId, preferred: UserId | None = None) -> Outcome:
        async with self.leases.hold(f"registry:{uuid}") as ours:
            if not ours:
                return Outcome(moved=False)
            registry = await self._begin(uuid)
            if registry is None:
                return Outcome(moved=False)
            before = await self._heads(uuid)
            try:
                return await self._run(registry, preferred, before)
            except (Refused, Unavailable) as refusal:
                await self._fail(uuid, str(refusal))
                # The fetch may have come before what failed; the next one would find it done.
                return Outcome(moved=before != await self._heads(uuid), error=str(refusal))
            except asyncio.CancelledError:
                await asyncio.shield(self._fail(uuid, "the sync was interrupted"))
                raise
            except Exception:
                log.exception("sync of registry %s failed", uuid)
                await self._fail(uuid, "the sync failed for an unexpected reason")
                return Outcome(moved=False, error="unexpected")

    async def _begin(self, uuid: RegistryId) -> Registry | None:
        async with self.database.begin() as tx:
            registry = await tx.registries.get(uuid, for_update=True)
            if registry is None:
                return None
            registry = evolve(
                registry,
                sync_status=SyncStatus.PROCESSING,
                sync_error=None,
                sync_progress=0,
                sync_last_datetime=self.clock(),
            )
            await tx.registries.put(registry)
        return registry

    async def _heads(self, uuid: RegistryId) -> Mapping[str, Sha] | None:
        """Branches and tags of the mirror; None while it cannot be read."""
        try:
            return await self.mirrors.local_heads(uuid)
        except (Refused, Unavailable):
            return None

    async def _run(
        self, registry: Registry, preferred: UserId | None, before: Mapping[str, Sha] | None
    ) -> Outcome:
        size, releases = await self.keyring.with_credentials(
            registry, preferred, lambda credentials: self._fetch(registry, credentials)
        )
        after = await self.mirrors.local_heads(registry.uuid)
        async with self.database.begin() as tx:
            current = await tx.registries.get(registry.uuid, for_update=True)
            if current is not None:
                await tx.registries.put(
                    evolve(
                        current,
                        sync_status=SyncStatus.UPDATED,
                        sync_error=None,
                        sync_progress=None,
                        releases=releases or None,
                        local_repository_size=size,
                        last_update_datetime=self.clock(),
                    )
                )
        return Outcome(moved=before != after or (releases or None) != registry.releases)

    async def _fetch(
        self, registry: Registry, credentials: GitCredentials | None
    ) -> tuple[int, Releases]:
        host = self.keyring.host(registry)
        url = registry.repository_url
        told = await host.repository_bytes(url, credentials)
        if told > self.mirror_bytes_max:
            raise OverLimit(
                f"the repository has {told} bytes, at most {self.mirror_bytes_max} are allowed",
                Topic.GIT,
                limit=self.mirror_bytes_max,
                actual=told,
            )
        progress = _Progress(self, registry.uuid)
        watcher = asyncio.create_task(progress.watch())
        try:
            size = await self.mirrors.sync(registry.uuid, url, credentials, progress.note)
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])
        return size, await host.releases(url, credentials)

    async def _fail(self, uuid: RegistryId, reason: str) -> None:
        async with self.database.begin() as tx:
            registry = await tx.registries.get(uuid, for_update=True)
            if registry is not None:
                await tx.registries.put(
                    evolve(
                        registry,
                        sync_status=SyncStatus.ERROR,
                        sync_error=reason,
                        sync_progress=None,
                    )
                )

    async def write_progress(self, uuid: RegistryId, percent: int) -> None:
        async with self.database.begin() as tx:
            registry = await tx.registries.get(uuid, for_update=True)
            if registry is not None and registry.sync_status is SyncStatus.PROCESSING:
                await tx.registries.put(evolve(registry, sync_progress=percent))


class _Progress:
    """The newest percentage, written to the row at most once a second."""

    def __init__(self, synchronise: Synchronise, uuid: RegistryId) -> None:
        self._synchronise = synchronise
        self._uuid = uuid
        self._percent = 0

    def note(self, percent: int) -> None:
        self._percent = percent

    async def watch(self) -> None:
        written = 0
        while True:
            await asyncio.sleep(PROGRESS_WRITE_SECONDS)
            if self._percent != written:
                written = self._percent
                await self._synchronise.write_progress(self._uuid, written)
