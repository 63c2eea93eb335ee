"""Change a node's settings (spec devices.md 7)."""

from __future__ import annotations

from attrs import asdict, evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.nodes.node import Node, setting_violations
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Database
from pepeunit.ports.pipeline import Pipeline
from pepeunit.ports.sessions import Sessions
from pepeunit.usecases.access.gates import node_for


@frozen
class NodeChanges:
    """None leaves a value as it is."""

    visibility_level: Visibility | None = None
    is_rewritable_input: bool | None = None
    is_data_pipe_active: bool | None = None
    max_connections: int | None = None


@frozen
class EditNode:
    database: Database
    sessions: Sessions
    pipeline: Pipeline
    clock: Clock

    async def __call__(self, agent: Agent, uuid: NodeId, changes: NodeChanges) -> Node:
        """A pipe that is switched on or off does so before this returns, when a pipeline runs.

        Raises ``Invalid``: topic node for settings, topic entity for a visibility wider than
        the unit's."""
        require_kind(agent, AgentKind.USER)
        async with self.database.begin() as tx:
            before = await node_for(tx, agent, Action.CHANGE, uuid, for_update=True)
            given = asdict(changes, filter=lambda _, value: value is not None)
            node = evolve(before, **given, last_update_datetime=self.clock())
            violations = list(setting_violations(node))
            if violations:
                raise Invalid(violations, Topic.NODE)
            unit = await tx.units.get(node.unit_uuid)
            if unit is not None and node.visibility_level.is_wider_than(unit.visibility_level):
                raise Invalid(
                    [("visibility_level", f"the unit is {unit.visibility_level.value}")],
                    Topic.ENTITY,
                )
            has_switched = node.is_data_pipe_active != before.is_data_pipe_active
            if has_switched:
                node = node.with_pipe_status()
            await tx.nodes.put([node])
            setting = await tx.pipes.setting(uuid) if has_switched else None
        if setting is not None:
            await self.pipeline.applied(setting.version)
        if (before.visibility_level, before.is_rewritable_input) != (
            node.visibility_level,
            node.is_rewritable_input,
        ):
            await self.sessions.recheck()
        return node
