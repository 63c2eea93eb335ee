"""Invites in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.domain.ids import InviteId
from pepeunit.domain.users.registration import Invite


@frozen
class MemoryInvites:
    """Implements :class:`~pepeunit.ports.invites.Invites`."""

    view: View

    async def get(self, uuid: InviteId) -> Invite | None:
        return self.view.world.invites.get(uuid)

    async def by_digest(self, digest: str, *, for_update: bool = False) -> Invite | None:
        invites = self.view.locked(for_update=for_update).invites.values()
        return next((invite for invite in invites if invite.digest == digest), None)

    async def everyone(self) -> Sequence[Invite]:
        return sorted(
            self.view.world.invites.values(),
            key=lambda invite: (invite.create_datetime, invite.uuid),
            reverse=True,
        )

    async def put(self, invite: Invite) -> None:
        world = self.view.for_writing()
        require_storable_row(invite)
        self.view.require(invite.creator_uuid in world.users, "the user is gone")
        world.invites[invite.uuid] = invite

    async def delete(self, uuid: InviteId) -> None:
        self.view.for_writing().invites.pop(uuid, None)

    async def purge(self, now: datetime) -> int:
        invites = self.view.for_writing().invites
        gone = [invite.uuid for invite in invites.values() if not invite.is_valid(now)]
        for uuid in gone:
            del invites[uuid]
        return len(gone)
