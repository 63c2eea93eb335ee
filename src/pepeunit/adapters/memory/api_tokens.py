"""API tokens in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve, frozen

from pepeunit.adapters.memory.world import View, require_storable_row
from pepeunit.domain.access.api_tokens import ApiToken
from pepeunit.domain.ids import ApiTokenId, UserId


@frozen
class MemoryApiTokens:
    """Implements :class:`~pepeunit.ports.api_tokens.ApiTokens`."""

    view: View

    async def get(self, uuid: ApiTokenId) -> ApiToken | None:
        return self.view.world.api_tokens.get(uuid)

    async def by_digest(self, digest: str) -> ApiToken | None:
        tokens = self.view.world.api_tokens.values()
        return next((token for token in tokens if token.digest == digest), None)

    async def of_user(self, user: UserId) -> Sequence[ApiToken]:
        return sorted(
            (one for one in self.view.world.api_tokens.values() if one.creator_uuid == user),
            key=lambda token: (token.create_datetime, token.uuid),
            reverse=True,
        )

    async def put(self, token: ApiToken) -> None:
        world = self.view.for_writing()
        require_storable_row(token)
        self.view.require(token.creator_uuid in world.users, "the user is gone")
        world.api_tokens[token.uuid] = token

    async def mark_use(self, token: ApiToken, now: datetime) -> None:
        tokens = self.view.for_writing().api_tokens
        known = tokens.get(token.uuid)
        if known is not None and known.last_use_datetime == token.last_use_datetime:
            tokens[token.uuid] = evolve(known, last_use_datetime=now)

    async def delete(self, uuid: ApiTokenId) -> None:
        self.view.for_writing().api_tokens.pop(uuid, None)

    async def purge(self, now: datetime) -> int:
        tokens = self.view.for_writing().api_tokens
        gone = [token.uuid for token in tokens.values() if not token.is_valid(now)]
        for uuid in gone:
            del tokens[uuid]
        return len(gone)
