"""A device's env: what it downloads, what its creator changes (spec devices.md 9, rulings 18)."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.access.tokens import UnitClaims
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import UnitId
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.env import (
    DeviceSecrets,
    InstanceFacts,
    StoredEnv,
    generated_env,
    merge_env,
    overrides,
    read_manual_env,
)
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.cipher import Cipher
from pepeunit.ports.database import Collections, Database, Transaction
from pepeunit.ports.tokens import TokenSigner
from pepeunit.ports.units import SealedKind
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.updates.programs import Programs, built
from pepeunit.usecases.updates.update_unit import lineage


@frozen
class EnvVault:
    """The sealed part of an env, and the part that is generated anew each time."""

    cipher: Cipher
    tokens: TokenSigner
    facts: InstanceFacts

    async def put(self, tx: Transaction, unit: UnitId, env: StoredEnv) -> None:
        document = {
            "secret_key": env.secrets.secret_key,
            "encrypt_key": env.secrets.encrypt_key,
            "overrides": dict(env.overrides),
        }
        sealed = self.cipher.seal(json.dumps(document), unit)
        await tx.units.put_sealed(unit, SealedKind.ENV, sealed)

    async def get(self, rows: Collections, unit: UnitId) -> StoredEnv:
        sealed = await rows.units.sealed(unit, SealedKind.ENV)
        if sealed is None:
            raise Invalid("the unit's keys are missing from the store", Topic.CIPHER)
        document = json.loads(self.cipher.open(sealed, unit))
        return StoredEnv(
            DeviceSecrets(document["secret_key"], document["encrypt_key"]), document["overrides"]
        )

    def generated(self, unit: Unit, stored: StoredEnv) -> dict[str, Any]:
        claims = UnitClaims(unit.uuid, unit.token_generation)
        token = self.tokens.sign(claims.as_mapping())
        return generated_env(self.facts, token, stored.secrets)


@frozen
class GetEnv:
    """env.json of the built version: for the creator and the unit itself."""

    database: Database
    vault: EnvVault
    programs: Programs

    async def __call__(self, agent: Agent, uuid: UnitId) -> dict[str, Any]:
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.TAKE_ENV, uuid)
            unit, repo, _ = await lineage(rows, uuid)
            stored = await self.vault.get(rows, uuid)
        return await self.merged(unit, repo, stored)

    async def merged(self, unit: Unit, repo: Repo, stored: StoredEnv) -> dict[str, Any]:
        """The env of the unit as it was read."""
        commit = built(unit)
        example = await self.programs.env_example(repo.repository_registry_uuid, commit)
        generated = self.vault.generated(unit, stored)
        return merge_env(example, generated, stored.overrides, commit)


@frozen
class SetEnv:
    """Stores the user's own values; the device is told by an explicit ``EnvUpdate``."""

    database: Database
    vault: EnvVault
    programs: Programs

    async def __call__(self, agent: Agent, uuid: UnitId, env_json: str) -> None:
        """Raises ``Invalid`` (topic json) and ``OverLimit`` (topic cipher)."""
        require_kind(agent, AgentKind.USER)
        manual = read_manual_env(env_json)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.CHANGE, uuid)
            unit, repo, _ = await lineage(rows, uuid)
        example = await self.programs.env_example(repo.repository_registry_uuid, built(unit))
        async with self.database.begin() as tx:
            unit = await unit_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            stored = await self.vault.get(tx, uuid)
            own = overrides(example, self.vault.generated(unit, stored), manual)
            await self.vault.put(tx, uuid, evolve(stored, overrides=own))


@frozen
class ResetEnv:
    """Back to generated values; the two device keys stay (O26)."""

    database: Database
    vault: EnvVault

    async def __call__(self, agent: Agent, uuid: UnitId) -> None:
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            await unit_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            stored = await self.vault.get(tx, uuid)
            await self.vault.put(tx, uuid, evolve(stored, overrides={}))
