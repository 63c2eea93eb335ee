"""Make a git remote known and start mirroring it (spec devices.md 2, rulings 24)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind, require_scope
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.address import repository_address
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.registry import GitPlatform, Registry
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.identifiers import NewUuid
from pepeunit.usecases.access.quotas import UNLIMITED, Quotas
from pepeunit.usecases.background import Background
from pepeunit.usecases.registries.keyring import Keyring
from pepeunit.usecases.registries.synchronise import Synchronise


@frozen
class RegisterRegistry:
    """The first sync is awaited for ``wait_seconds``, then goes on behind the answer."""

    database: Database
    keyring: Keyring
    synchronise: Synchronise
    background: Background
    clock: Clock
    new_uuid: NewUuid
    wait_seconds: float
    quotas: Quotas = UNLIMITED

    async def __call__(
        self,
        agent: Agent,
        platform: GitPlatform,
        repository_url: str,
        is_public_repository: bool,
        credentials: GitCredentials | None = None,
    ) -> Registry:
        """The stored row; a failed sync shows in its status, not as an error.

        Raises ``Invalid`` (topic registry) with every broken rule, ``Conflict`` when the URL is
        registered already, ``OverLimit`` (topic entity) for a used-up quota.
        """
        require_kind(agent, AgentKind.USER)
        require_scope(agent, TokenScope.OWN)
        violations = [
            *_url_violations(repository_url),
            *_credential_violations(is_public_repository, credentials),
        ]
        if violations:
            raise Invalid(violations, Topic.REGISTRY)
        now = self.clock()
        registry = Registry(
            uuid=RegistryId(self.new_uuid()),
            platform=platform,
            repository_url=repository_url,
            is_public_repository=is_public_repository,
            create_datetime=now,
            last_update_datetime=now,
            creator_uuid=agent.user_id,
        )
        await self._store(registry, credentials)
        task = self.background.start(
            f"first sync of {registry.uuid}", self.synchronise(registry.uuid, agent.user_id)
        )
        await asyncio.wait([task], timeout=self.wait_seconds)
        async with self.database.read() as rows:
            return await rows.registries.get(registry.uuid) or registry

    async def _store(self, registry: Registry, credentials: GitCredentials | None) -> None:
        slot = None
        if credentials is not None and not registry.is_public_repository:
            status = await self.keyring.probe(registry, credentials)
            owner = UserId(registry.creator_uuid) if registry.creator_uuid else None
            slot = self.keyring.seal(registry.uuid, owner, credentials, status) if owner else None
        async with self.database.begin() as tx:
            if registry.creator_uuid is not None:
                await self.quotas.check_registry(tx, registry.creator_uuid)
            await tx.registries.put(registry)
            if slot is not None:
                await tx.registries.put_credentials(slot)


def _url_violations(url: str) -> Iterable[tuple[str, str]]:
    try:
        repository_address(url)
    except Invalid as refusal:
        yield from (("repository_url", text) for _, text in refusal.violations)


def _credential_violations(
    is_public: bool, credentials: GitCredentials | None
) -> Iterable[tuple[str, str]]:
    if is_public:
        return
    if credentials is None:
        yield "credentials", "are needed for a private repository"
        return
    yield from credential_violations(credentials)


def credential_violations(credentials: GitCredentials) -> Iterable[tuple[str, str]]:
    if not credentials.username:
        yield "credentials.username", "must not be empty"
    if not credentials.pat_token:
        yield "credentials.pat_token", "must not be empty"
