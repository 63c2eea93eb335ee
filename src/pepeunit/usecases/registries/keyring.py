"""Which credentials reach a private remote (spec devices.md 2, rulings 10)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import evolve, frozen

from pepeunit.domain.errors import Invalid, OverLimit, Refused, Topic, Unavailable
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.credentials import CredentialSlot, CredentialStatus, GitCredentials
from pepeunit.domain.registries.registry import GitPlatform, Registry
from pepeunit.ports.cipher import Cipher
from pepeunit.ports.code_host import CodeHost
from pepeunit.ports.database import Database
from pepeunit.ports.registries import SealedCredentials

CodeHosts = dict[GitPlatform, CodeHost]
T = TypeVar("T")


@frozen
class Keyring:
    """People's credentials, sealed at rest, probed against the platform."""

    database: Database
    cipher: Cipher
    hosts: CodeHosts

    def host(self, registry: Registry) -> CodeHost:
        """The API of the registry's platform."""
        return self.hosts[registry.platform]

    async def with_credentials(
        self,
        registry: Registry,
        preferred: UserId | None,
        work: Callable[[GitCredentials | None], Awaitable[T]],
    ) -> T:
        """Try each valid slot in turn; one that fails is probed and loses its status (O1, O8)."""
        if registry.is_public_repository:
            return await work(None)
        failure: Refused | Unavailable = Invalid(
            "no valid credentials for this private repository", Topic.REGISTRY
        )
        for slot in await self.candidates(registry, preferred):
            try:
                return await work(self.open(slot).credentials)
            except OverLimit:
                raise
            except (Invalid, Unavailable) as error:
                failure = error
                if await self.recheck(registry, slot):
                    raise
        raise failure

    async def probe(self, registry: Registry, credentials: GitCredentials) -> CredentialStatus:
        """Whether the platform accepts them now; a platform that is down leaves it open."""
        try:
            accepted = await self.host(registry).probe(registry.repository_url, credentials)
        except Unavailable:
            return CredentialStatus.NOT_VERIFIED
        return CredentialStatus.VALID if accepted else CredentialStatus.ERROR

    def seal(
        self,
        registry: RegistryId,
        user: UserId,
        credentials: GitCredentials,
        status: CredentialStatus,
    ) -> SealedCredentials:
        text = json.dumps({"username": credentials.username, "pat_token": credentials.pat_token})
        return SealedCredentials(registry, user, self.cipher.seal(text, registry), status)

    def open(self, slot: SealedCredentials) -> CredentialSlot:
        document = json.loads(self.cipher.open(slot.sealed, slot.registry_uuid))
        return CredentialSlot(
            GitCredentials(document["username"], document["pat_token"]), slot.status
        )

    async def candidates(
        self, registry: Registry, preferred: UserId | None = None
    ) -> list[SealedCredentials]:
        """Valid slots in the order jobs try them: the asking user's, the creator's, any.

        A slot that was stored while the platform was down is probed now.
        """
        if registry.is_public_repository:
            return []
        async with self.database.read() as rows:
            slots = await rows.registries.credentials(registry.uuid)
        order = (preferred, registry.creator_uuid)
        return sorted(
            [slot for slot in slots if await self._is_usable(registry, slot)],
            key=lambda slot: order.index(slot.user_uuid) if slot.user_uuid in order else len(order),
        )

    async def _is_usable(self, registry: Registry, slot: SealedCredentials) -> bool:
        if slot.status is CredentialStatus.NOT_VERIFIED:
            return await self.recheck(registry, slot)
        return slot.status is CredentialStatus.VALID

    async def recheck(self, registry: Registry, slot: SealedCredentials) -> bool:
        """Probe a slot that just failed and store what the platform says; True if still valid.

        A platform that is down says nothing: the slot stays as it is.
        """
        status = await self.probe(registry, self.open(slot).credentials)
        if status is CredentialStatus.NOT_VERIFIED:
            return slot.status is CredentialStatus.VALID
        if status is not slot.status:
            async with self.database.begin() as tx:
                await tx.registries.put_credentials(evolve(slot, status=status))
        return status is CredentialStatus.VALID
