"""See who may see a thing (spec rest.md 8.6, W1, rulings 11)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.permission import Permission, resource_violations
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Page
from pepeunit.ports.permissions import PermissionQuery
from pepeunit.usecases.access.gates import thing_for


@frozen
class ListPermissions:
    """For the creator of the resource; rights that edges give are shown too."""

    database: Database

    async def __call__(self, agent: Agent, query: PermissionQuery) -> Page[Permission]:
        """Raises ``Invalid`` (topic permission) for a resource of a kind that has none."""
        require_kind(agent, AgentKind.USER)
        violations = list(resource_violations(query.resource_type))
        if violations:
            raise Invalid(violations, Topic.PERMISSION)
        async with self.database.read() as rows:
            await thing_for(rows, agent, Action.INSPECT, query.resource_type, query.resource_uuid)
            return await rows.permissions.find(query)
