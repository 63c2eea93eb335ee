"""Delete an account (spec access.md 2.1, O8)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind, require_person
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.errors import Conflict, Forbidden, Invalid, Topic
from pepeunit.domain.ids import UnitId, UserId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.users.user import UserStatus
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.logs import Logs
from pepeunit.ports.repos import RepoQuery
from pepeunit.ports.sessions import Sessions
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.updates.build import Builder, listeners_of
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.users.administrators import (
    lock_administrators,
    refuse_last_administrator,
)
from pepeunit.usecases.users.sign_out import user_to_change

EVERYTHING = Scope(everything=True)


@frozen
class DeleteUser:
    """One's own account, or any for an administrator; everything in one transaction.

    With ``transfer_to`` all things go on under another user, devices without noticing; without
    it repos and units go too. Registries stay in either case: they then belong to that user, or
    to nobody. Registry credentials, invites and permissions on others' things always end (O8).
    """

    database: Database
    builder: Builder
    drain: DrainOutbox
    sessions: Sessions
    logs: Logs

    async def __call__(self, agent: Agent, uuid: UserId, transfer_to: UserId | None = None) -> None:
        """Raises ``Forbidden``, ``Conflict`` (topic user) for the last administrator, ``Conflict``
        (topic entity) while other people's units are built from a repo that would go, ``Invalid``
        (topic user) for a taker who cannot take."""
        require_kind(agent, AgentKind.USER)
        require_person(agent)
        if not agent.is_admin and agent.user_id != uuid:
            raise Forbidden("only an administrator may delete another account")
        gone: list[UnitId] = []
        async with self.database.begin() as tx:
            await lock_administrators(tx)
            user = await user_to_change(tx, uuid)
            await refuse_last_administrator(tx, user)
            if transfer_to is None:
                gone = await self._delete_things(tx, uuid)
            else:
                await _refuse_taker(tx, uuid, transfer_to)
                await tx.users.hand_over(uuid, transfer_to)
                await tx.audit.hand_over(uuid, transfer_to)
            await tx.users.delete(uuid)
        for unit in gone:
            await self.sessions.kick(unit)
            await self.logs.delete_unit(unit)
        await self.sessions.recheck()
        await self.drain()

    async def _delete_things(self, tx: Transaction, uuid: UserId) -> list[UnitId]:
        """The units that went."""
        units = await tx.units.find(UnitQuery(EVERYTHING, creator_uuid=uuid))
        repos = await tx.repos.find(RepoQuery(EVERYTHING, creators=frozenset({uuid})))
        going = {unit.uuid for unit in units.items}
        if repos.items:
            made_of = UnitQuery(EVERYTHING, repos=frozenset(repo.uuid for repo in repos.items))
            if any(unit.creator_uuid != uuid for unit in (await tx.units.find(made_of)).items):
                raise Conflict(
                    "units of other people are made from this user's repos: hand them over"
                    " with transfer_to",
                    Topic.ENTITY,
                )
        listeners: set[UnitId] = set()
        for unit in units.items:
            nodes = {node.uuid: unit.uuid for node in await tx.nodes.of_unit(unit.uuid)}
            listeners |= await listeners_of(tx, nodes)
        for unit in units.items:
            await tx.units.delete(unit.uuid)
        for repo in repos.items:
            await tx.repos.delete(repo.uuid)
            await tx.permissions.delete_about([repo.uuid])
        for listener in listeners - going:
            await self.builder.queue(tx, listener, CommandKind.SCHEMA_UPDATE)
        return [unit.uuid for unit in units.items]


async def _refuse_taker(tx: Transaction, giver: UserId, taker: UserId) -> None:
    found = await tx.users.get(taker, for_update=True)
    if found is None or taker == giver or found.status is UserStatus.BLOCKED:
        raise Invalid([("transfer_to", "is not another user who can take the things")], Topic.USER)
