"""One's own credentials of a private registry (spec devices.md 2)."""

from __future__ import annotations

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import RegistryId, UserId
from pepeunit.domain.registries.credentials import CredentialSlot, GitCredentials
from pepeunit.domain.registries.registry import Registry
from pepeunit.ports.database import Database
from pepeunit.usecases.access.gates import registry_for
from pepeunit.usecases.registries.keyring import Keyring
from pepeunit.usecases.registries.register import credential_violations

MASK = "********"
"""Shown instead of a stored token, and accepted as "leave it as it is"."""


async def _private(database: Database, agent: Agent, uuid: RegistryId) -> Registry:
    require_kind(agent, AgentKind.USER)
    async with database.read() as rows:
        registry = await registry_for(rows, agent, Action.HOLD_CREDENTIALS, uuid)
    if registry.is_public_repository:
        raise Invalid("a public repository needs no credentials", Topic.REGISTRY)
    return registry


@frozen
class SetCredentials:
    """Probed at once; the outcome is the slot's status."""

    database: Database
    keyring: Keyring

    async def __call__(self, agent: Agent, uuid: RegistryId, credentials: GitCredentials) -> None:
        registry = await _private(self.database, agent, uuid)
        violations = list(credential_violations(credentials))
        if violations:
            raise Invalid(violations, Topic.REGISTRY)
        user = UserId(agent.uuid) if agent.uuid else None
        if user is None:
            return
        if credentials.pat_token == MASK:
            known = await _own_slot(self.database, self.keyring, registry, user)
            if known is None:
                raise Invalid([("pat_token", "there is no stored token to keep")], Topic.REGISTRY)
            credentials = evolve(credentials, pat_token=known.credentials.pat_token)
        status = await self.keyring.probe(registry, credentials)
        async with self.database.begin() as tx:
            await tx.registries.put_credentials(self.keyring.seal(uuid, user, credentials, status))


@frozen
class GetCredentials:
    """The caller's own slot with the token masked, or None."""

    database: Database
    keyring: Keyring

    async def __call__(self, agent: Agent, uuid: RegistryId) -> CredentialSlot | None:
        registry = await _private(self.database, agent, uuid)
        user = UserId(agent.uuid) if agent.uuid else None
        slot = await _own_slot(self.database, self.keyring, registry, user) if user else None
        if slot is None:
            return None
        return evolve(slot, credentials=evolve(slot.credentials, pat_token=MASK))


async def _own_slot(
    database: Database, keyring: Keyring, registry: Registry, user: UserId
) -> CredentialSlot | None:
    async with database.read() as rows:
        slots = await rows.registries.credentials(registry.uuid)
    for slot in slots:
        if slot.user_uuid == user:
            return keyring.open(slot)
    return None
