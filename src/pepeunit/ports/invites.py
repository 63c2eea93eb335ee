"""The collection of invites."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pepeunit.domain.ids import InviteId
from pepeunit.domain.users.registration import Invite


class Invites(Protocol):
    async def get(self, uuid: InviteId) -> Invite | None: ...

    async def by_digest(self, digest: str, *, for_update: bool = False) -> Invite | None: ...

    async def everyone(self) -> Sequence[Invite]:
        """Every invite, newest first."""
        ...

    async def put(self, invite: Invite) -> None: ...

    async def delete(self, uuid: InviteId) -> None: ...

    async def purge(self, now: datetime) -> int:
        """Forget what has expired; how many went."""
        ...
