"""The collection of permissions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.ports.paging import WHOLE, Page, Slice


@frozen
class PermissionQuery:
    """Who may see one resource, ordered by the agent's uuid."""

    resource_uuid: UUID
    resource_type: PermissionEntity
    agent_types: frozenset[PermissionEntity] | None = None
    slice: Slice = WHOLE


class Permissions(Protocol):
    """An edge gives rights as rows do (rulings 11), while it lasts: the output's unit to the
    input and to the input's unit, and the input's unit to the output. Lists under a scope with
    ``permitted_agent`` follow the same rule.
    """

    async def exists(self, agent: UUID, resource: UUID) -> bool:
        """Whether a row joins the two, or an edge does."""
        ...

    async def stored(self, agent: UUID, resource: UUID) -> Permission | None:
        """The row that joins the two; not what an edge gives."""
        ...

    async def held(self, agent: UUID, resources: Collection[UUID]) -> frozenset[UUID]:
        """Those of the resources that a row joins to the agent; not what edges give."""
        ...

    async def find(self, query: PermissionQuery) -> Page[Permission]:
        """Each agent once: its row, or else the right an edge gives it."""
        ...

    async def add(self, permission: Permission) -> None:
        """Insert. Raises ``Conflict`` (topic permission) when a row joins the two already."""
        ...

    async def put(self, permissions: Sequence[Permission]) -> None:
        """Insert; a row for the same agent and resource is left as it is."""
        ...

    async def delete(self, agent: UUID, resource: UUID) -> None:
        """Forget the row that joins the two."""
        ...

    async def delete_about(self, uuids: Collection[UUID]) -> None:
        """Forget every row whose agent or resource is one of these."""
        ...
