"""Look units up (spec rest.md 8.4, rulings 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from attrs import evolve, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, may, require_kind
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.version import Version
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.database import Database
from pepeunit.ports.nodes import NodeQuery
from pepeunit.ports.paging import WHOLE, Page
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.nodes.shown import shown_node
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.update_unit import lineage


def shown_unit(agent: Agent, unit: Unit) -> Unit:
    """The unit as one caller may see it: viewers do not learn its addresses (W43)."""
    state = unit.unit_state
    if state is None or not state.ifconfig or may(agent, Action.LOOK_INTO, unit.resource()):
        return unit
    return evolve(unit, unit_state=evolve(state, ifconfig=()))


@frozen
class GetUnit:
    database: Database

    async def __call__(self, agent: Agent, uuid: UnitId) -> Unit:
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            return shown_unit(agent, await unit_for(rows, agent, Action.SEE, uuid))


@frozen
class NestedNodes:
    """The nodes that a list of units shows; a unit without any is not listed (spec rest.md 8.4).

    ``feeding`` are the outputs linked to that input, of which every one is shown; ``types``
    narrows what is shown, not which units are listed.
    """

    feeding: NodeId | None = None
    uuids: frozenset[UUID] | None = None
    types: frozenset[NodeType] | None = None

    def owning(self, agent: Agent) -> NodeQuery:
        """Invisible nodes do not count (rulings 13)."""
        if self.feeding is not None:
            return NodeQuery(Scope.of(agent), feeding=self.feeding)
        return NodeQuery(Scope.of(agent), uuids=self.uuids)

    @property
    def shown(self) -> frozenset[NodeType] | None:
        return None if self.feeding is not None else self.types


@frozen
class UnitsWithNodes:
    """A page of units, and for each the nodes that the query's ``owning`` part found."""

    page: Page[Unit]
    nodes: Mapping[UnitId, Sequence[Node]]


@frozen
class ListUnits:
    """``query.scope`` and ``query.owning.scope`` must come from ``Scope.of(agent, ...)``."""

    database: Database

    async def __call__(
        self, agent: Agent, query: UnitQuery, shown: frozenset[NodeType] | None = None
    ) -> UnitsWithNodes:
        """``shown`` narrows the nodes that come along, not the units. One statement for the
        units, one for all their nodes."""
        require_kind(agent, AgentKind.BOT, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            page = await rows.units.find(query)
            units = Page(page.count, [shown_unit(agent, unit) for unit in page.items])
            if query.owning is None or not page.items:
                return UnitsWithNodes(units, {})
            wanted: NodeQuery = evolve(
                query.owning,
                units=frozenset(unit.uuid for unit in page.items),
                types=shown,
                slice=WHOLE,
            )
            found = await rows.nodes.find(wanted)
        nodes: dict[UnitId, list[Node]] = {}
        for node in found.items:
            nodes.setdefault(node.unit_uuid, []).append(shown_node(agent, node))
        return UnitsWithNodes(units, nodes)


@frozen
class GetTargetVersion:
    """Computed live; the built version may still be behind it (rulings 21)."""

    database: Database
    programs: Programs

    async def __call__(self, agent: Agent, uuid: UnitId) -> Version:
        require_kind(agent, AgentKind.USER, AgentKind.UNIT)
        async with self.database.read() as rows:
            await unit_for(rows, agent, Action.LOOK_INTO, uuid)
            unit, repo, registry = await lineage(rows, uuid)
        return await self.programs.target(registry, repo, unit)
