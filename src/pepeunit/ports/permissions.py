"""The collection of permissions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from pepeunit.domain.access.permission import Permission


class Permissions(Protocol):
    async def exists(self, agent: UUID, resource: UUID) -> bool:
        """Whether a row joins the two, or an edge does (rulings 11).

        An edge joins the output's unit to the input and to the input's unit, and the input's unit
        to the output. Lists under a scope with ``permitted_agent`` follow the same rule.
        """
        ...

    async def put(self, permissions: Sequence[Permission]) -> None:
        """Insert; a row for the same agent and resource is left as it is."""
        ...

    async def delete_about(self, uuids: Collection[UUID]) -> None:
        """Forget every row whose agent or resource is one of these."""
        ...
