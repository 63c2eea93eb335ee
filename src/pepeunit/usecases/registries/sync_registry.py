"""Everything that starts a sync: a person, a push, the poll, the hourly net (rulings 24, 26)."""

from __future__ import annotations

import asyncio
import logging

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Forbidden, NotFound, Refused, Throttled, Topic, Unavailable
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.push_hook import hook_secret, is_genuine
from pepeunit.domain.registries.registry import Registry, SyncStatus
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.mirrors import Mirrors
from pepeunit.usecases.access.gates import registry_for
from pepeunit.usecases.background import Background
from pepeunit.usecases.registries.keyring import Keyring
from pepeunit.usecases.registries.synchronise import Synchronise
from pepeunit.usecases.updates.update_repo import UpdateFollowers

log = logging.getLogger(__name__)

FAILED_REST_SECONDS = 600.0
POLLS_MAX = 8
"""Remotes asked at the same time: one that hangs must not hold the others up."""


@frozen
class SyncThenUpdate:
    """A sync, and where it moved something, the units that follow."""

    synchronise: Synchronise
    followers: UpdateFollowers

    async def __call__(
        self, uuid: RegistryId, preferred: UserId | None = None, *, was_cut_off: bool = False
    ) -> None:
        """``was_cut_off``: the sync before may have moved the mirror and told nobody."""
        outcome = await self.synchronise(uuid, preferred)
        if outcome.moved or was_cut_off:
            await self.followers.of_registry(uuid)


@frozen
class SyncRegistry:
    """A person asks; too early is refused with the time to wait (O4)."""

    database: Database
    sync: SyncThenUpdate
    background: Background
    clock: Clock
    interval_seconds: float
    wait_seconds: float

    async def __call__(self, agent: Agent, uuid: RegistryId) -> None:
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            registry = await registry_for(rows, agent, Action.USE_REMOTE, uuid)
        self._refuse_early(registry)
        task = self.background.start(f"sync of {uuid}", self.sync(uuid, agent.user_id))
        await asyncio.wait([task], timeout=self.wait_seconds)

    def _refuse_early(self, registry: Registry) -> None:
        if registry.sync_last_datetime is None:
            return
        passed = (self.clock() - registry.sync_last_datetime).total_seconds()
        if 0 <= passed < self.interval_seconds:
            wait = self.interval_seconds - passed
            raise Throttled(
                f"the last sync began {passed:.0f} s ago, try again in {wait:.0f} s",
                Topic.REGISTRY,
                limit=self.interval_seconds,
                actual=passed,
                retry_after_seconds=wait,
            )


@frozen
class SyncMissing:
    """For the platform's own token: mirror what has no mirror yet."""

    database: Database
    mirrors: Mirrors
    sync: SyncThenUpdate

    async def __call__(self, agent: Agent) -> None:
        require_kind(agent, AgentKind.BACKEND)
        async with self.database.read() as rows:
            uuids = await rows.registries.all_ids()
        for uuid in uuids:
            if not await self.mirrors.local_heads(uuid):
                await self.sync(uuid)


@frozen
class ReceivePush:
    """A code host says that something was pushed; the sync runs behind the answer."""

    database: Database
    sync: SyncThenUpdate
    background: Background
    instance_key: str

    async def __call__(
        self, uuid: RegistryId, body: bytes, gitlab_token: str | None, signature: str | None
    ) -> None:
        """Raises ``Forbidden`` for a call without the registry's secret, also when there is no
        such registry."""
        secret = hook_secret(self.instance_key, uuid)
        if not is_genuine(secret, body, gitlab_token, signature):
            raise Forbidden("the webhook's secret is wrong")
        async with self.database.read() as rows:
            if await rows.registries.get(uuid) is None:
                raise NotFound("registry not found")
        self.background.start(f"push to {uuid}", self.sync(uuid))


@frozen
class GetPushSecret:
    """What a person enters as the webhook's secret at the code host."""

    database: Database
    instance_key: str

    async def __call__(self, agent: Agent, uuid: RegistryId) -> str:
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            await registry_for(rows, agent, Action.CHANGE, uuid)
        return hook_secret(self.instance_key, uuid)


@frozen
class PollRemotes:
    """Compare each remote's branches and tags with the mirror; sync what moved.

    A registry whose last sync failed is left alone for ``FAILED_REST_SECONDS``: a remote over the
    size limit would be fetched anew every minute.
    """

    database: Database
    mirrors: Mirrors
    keyring: Keyring
    sync: SyncThenUpdate
    clock: Clock

    async def __call__(self) -> int:
        """How many registries had moved."""
        async with self.database.read() as rows:
            uuids = await rows.registries.all_ids()
        turns = asyncio.Semaphore(POLLS_MAX)

        async def poll(uuid: RegistryId) -> bool:
            async with turns:
                return await self._poll(uuid)

        return sum(await asyncio.gather(*map(poll, uuids)))

    async def _poll(self, uuid: RegistryId) -> bool:
        async with self.database.read() as rows:
            registry = await rows.registries.get(uuid)
        if registry is None or self._rests(registry):
            return False
        try:
            slots = await self.keyring.candidates(registry)
            credentials = self.keyring.open(slots[0]).credentials if slots else None
            remote = await self.mirrors.remote_heads(uuid, registry.repository_url, credentials)
        except (Refused, Unavailable) as error:
            log.info("remote of registry %s cannot be polled: %s", uuid, error)
            return False
        if remote == await self.mirrors.local_heads(uuid):
            return False
        await self.sync(uuid)
        return True

    def _rests(self, registry: Registry) -> bool:
        last = registry.sync_last_datetime
        if registry.sync_status is not SyncStatus.ERROR or last is None:
            return False
        return 0 <= (self.clock() - last).total_seconds() < FAILED_REST_SECONDS


@frozen
class SyncAll:
    """The hourly net over all registries, one after the other."""

    database: Database
    sync: SyncThenUpdate

    async def __call__(self) -> None:
        async with self.database.read() as rows:
            uuids = await rows.registries.all_ids()
        for uuid in uuids:
            await self.sync(uuid)
