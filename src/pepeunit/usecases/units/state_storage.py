"""A text a device keeps on the platform (spec devices.md 13)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.ids import UnitId
from pepeunit.ports.cipher import Cipher
from pepeunit.ports.database import Database
from pepeunit.ports.units import SealedKind
from pepeunit.usecases.access.gates import unit_for


@frozen
class GetStateStorage:
    """The stored text, empty when there is none."""

    database: Database
    cipher: Cipher

    async def __call__(self, agent: Agent, uuid: UnitId) -> str:
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.LOOK_INTO, uuid)
            sealed = await rows.units.sealed(uuid, SealedKind.STATE_STORAGE)
        return self.cipher.open(sealed, uuid) if sealed is not None else ""


@frozen
class SetStateStorage:
    """An empty text clears it. Raises ``OverLimit`` (topic cipher)."""

    database: Database
    cipher: Cipher

    async def __call__(self, agent: Agent, uuid: UnitId, state: str) -> None:
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.begin() as tx:
            await unit_for(tx, agent, Action.STORE, uuid)
            sealed = self.cipher.seal(state, uuid) if state else None
            await tx.units.put_sealed(uuid, SealedKind.STATE_STORAGE, sealed)
