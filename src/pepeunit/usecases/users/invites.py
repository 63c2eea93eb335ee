"""Invites to open an account, made by administrators (spec access.md W25)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.policy import require_admin
from pepeunit.domain.errors import Forbidden, Invalid, NotFound, Topic
from pepeunit.domain.ids import InviteId
from pepeunit.domain.users.registration import (
    INVITE_DEFAULT,
    INVITE_MAX,
    Invite,
    invite_digest,
)
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.identifiers import NewSecret, NewUuid

URL_SAFE = str.maketrans("+/", "-_", "=")


@frozen
class CreateInvite:
    database: Database
    clock: Clock
    new_uuid: NewUuid
    new_secret: NewSecret

    async def __call__(self, agent: Agent, lifetime: timedelta | None = None) -> tuple[Invite, str]:
        """The invite and its text, which is shown this once. Raises ``Invalid`` (topic user) for
        a lifetime that is not between nothing and ``INVITE_MAX``."""
        require_admin(agent)
        if agent.user_id is None:
            raise Forbidden("only a User may do this")
        lasting = INVITE_DEFAULT if lifetime is None else lifetime
        if not timedelta(0) < lasting <= INVITE_MAX:
            raise Invalid(
                [("expires_in_seconds", f"must be 1 to {INVITE_MAX.total_seconds():.0f}")],
                Topic.USER,
            )
        text = self.new_secret().translate(URL_SAFE)
        now = self.clock()
        invite = Invite(
            InviteId(self.new_uuid()), invite_digest(text), agent.user_id, now, now + lasting
        )
        async with self.database.begin() as tx:
            await tx.invites.purge(now)
            await tx.invites.put(invite)
        return invite, text


@frozen
class ListInvites:
    """Those that are neither used nor expired, newest first."""

    database: Database
    clock: Clock

    async def __call__(self, agent: Agent) -> Sequence[Invite]:
        require_admin(agent)
        now = self.clock()
        async with self.database.read() as rows:
            return [invite for invite in await rows.invites.everyone() if invite.is_valid(now)]


@frozen
class RevokeInvite:
    database: Database

    async def __call__(self, agent: Agent, uuid: InviteId) -> None:
        require_admin(agent)
        async with self.database.begin() as tx:
            if await tx.invites.get(uuid) is None:
                raise NotFound("invite not found")
            await tx.invites.delete(uuid)
