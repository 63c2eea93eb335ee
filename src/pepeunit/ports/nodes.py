"""The collections of nodes and of the edges between them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.scope import Scope
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.ports.paging import WHOLE, Order, Page, Slice

CLOCK_STEP_SECONDS: Final = 5.0


@frozen
class NodeQuery:
    """``fed_by`` keeps the inputs linked to that output, ``feeding`` the outputs linked to that
    input; ``search`` looks at the topic name."""

    scope: Scope
    uuids: frozenset[UUID] | None = None
    units: frozenset[UUID] | None = None
    types: frozenset[NodeType] | None = None
    search: str | None = None
    fed_by: NodeId | None = None
    feeding: NodeId | None = None
    order: tuple[Order, ...] = ()
    slice: Slice = WHOLE


@frozen
class EdgeQuery:
    """Edges whose ends both are in ``scope``, and those that start or end at a node of the
    scope's owner, who may cut them; ordered by uuid.

    ``units`` and ``nodes`` keep the edges that start or end at one of them.
    """

    scope: Scope
    units: frozenset[UUID] | None = None
    nodes: frozenset[UUID] | None = None
    slice: Slice = WHOLE


class Nodes(Protocol):
    async def get(self, uuid: NodeId, *, for_update: bool = False) -> Node | None: ...

    async def get_many(self, uuids: Collection[NodeId]) -> Sequence[Node]:
        """Those of them that exist, in the order of their ids."""
        ...

    async def find(self, query: NodeQuery) -> Page[Node]: ...

    async def of_unit(self, unit: UnitId) -> Sequence[Node]:
        """Every node of the unit, by type and name."""
        ...

    async def of_units(self, units: Collection[UnitId]) -> Sequence[Node]:
        """Every node of these units."""
        ...

    async def put(self, nodes: Sequence[Node]) -> None:
        """Insert or replace. Raises ``Conflict`` (topic node) when a unit would have two nodes
        of one type and name."""
        ...

    async def delete(self, uuids: Collection[NodeId]) -> None:
        """Delete nodes, their edges and the permissions about them."""
        ...

    async def store_states(
        self, rows: Sequence[tuple[NodeId, str, datetime]], now: datetime
    ) -> int:
        """Set ``state`` unless the stored one was received later; how many changed.

        A stored one that lies more than ``CLOCK_STEP_SECONDS`` ahead of ``now`` is from before
        the clock was set back: it yields.

        Of values received at one moment the last counts: receive times are milliseconds, and
        a device may send faster. One statement for the batch; unknown nodes are passed over.
        """
        ...


class Edges(Protocol):
    async def between(self, output: NodeId, input_: NodeId) -> Edge | None: ...

    async def find(self, query: EdgeQuery) -> Page[Edge]: ...

    async def touching(self, nodes: Collection[NodeId]) -> Sequence[Edge]:
        """Every edge that starts or ends at one of the nodes."""
        ...

    async def put(self, edge: Edge) -> None:
        """Raises ``Conflict`` (topic node) when the two are already linked."""
        ...

    async def delete(self, edge: Edge) -> None: ...
