"""The collection of API tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pepeunit.domain.access.api_tokens import ApiToken
from pepeunit.domain.ids import ApiTokenId, UserId


class ApiTokens(Protocol):
    """They go with their user."""

    async def get(self, uuid: ApiTokenId) -> ApiToken | None: ...

    async def by_digest(self, digest: str) -> ApiToken | None: ...

    async def of_user(self, user: UserId) -> Sequence[ApiToken]:
        """Every token of the user, newest first."""
        ...

    async def put(self, token: ApiToken) -> None:
        """Insert or replace. Raises ``Conflict`` (topic entity) when the user is gone."""
        ...

    async def mark_use(self, token: ApiToken, now: datetime) -> None:
        """Set the last use unless another call set it since ``token`` was read."""
        ...

    async def delete(self, uuid: ApiTokenId) -> None: ...

    async def purge(self, now: datetime) -> int:
        """Forget what has expired; how many went."""
        ...
