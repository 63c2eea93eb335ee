"""What is wrong with the links between units, seen without running anything (issue 5 part 4).

A *cycle* is a way from a unit along edges back to the same unit: output, edge, input, and then any
output of the unit that the input belongs to. What a program does with its inputs nobody here
knows, so a cycle is a loop that may run, not one that does; a unit without either an input or an
output on the way is on no cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.policy import Action, may
from pepeunit.domain.ids import EdgeId, NodeId, UnitId, UserId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType

NEARLY_FULL_SHARE: Final = 0.8
"""Of a node's connections, from which on it is nearly full."""


@frozen
class LinkGraph:
    """One's own nodes, every edge that touches them, and the nodes of others at their ends.

    ``held`` are the pairs of an edge's maker and an output that a permission joins; ``unit_names``
    are those the caller may know.
    """

    own: Sequence[Node]
    others: Sequence[Node]
    edges: Sequence[Edge]
    held: Collection[tuple[UserId, NodeId]] = frozenset()
    unit_names: Mapping[UnitId, str] = {}

    @property
    def nodes(self) -> dict[NodeId, Node]:
        return {node.uuid: node for node in (*self.own, *self.others)}


@frozen
class LinkCycle:
    """Units that reach each other, and the edges between them."""

    units: tuple[UnitId, ...]
    edges: tuple[EdgeId, ...]


@frozen
class LostEdge:
    """``reason`` is why its maker could not make it today."""

    edge: Edge
    reason: str


@frozen
class LinkReport:
    """``connections`` counts the edges of each node that has any."""

    cycles: tuple[LinkCycle, ...]
    dead_inputs: tuple[Node, ...]
    unread_outputs: tuple[Node, ...]
    full: tuple[Node, ...]
    nearly_full: tuple[Node, ...]
    lost_edges: tuple[LostEdge, ...]
    connections: Mapping[NodeId, int]


def check_links(graph: LinkGraph) -> LinkReport:
    """Everything at once, in a time that grows with nodes and edges alone."""
    nodes = graph.nodes
    connections: Counter[NodeId] = Counter()
    for edge in graph.edges:
        connections.update((edge.node_output_uuid, edge.node_input_uuid))
    unlinked = [node for node in graph.own if not connections[node.uuid]]
    full = [node for node in graph.own if connections[node.uuid] >= node.max_connections]
    nearly = [
        node
        for node in graph.own
        if node.max_connections * NEARLY_FULL_SHARE <= connections[node.uuid] < node.max_connections
    ]
    return LinkReport(
        cycles=tuple(_cycles(graph.edges, nodes)),
        dead_inputs=tuple(
            node
            for node in unlinked
            if node.type is NodeType.INPUT and not node.is_rewritable_input
        ),
        unread_outputs=tuple(
            node
            for node in unlinked
            if node.type is NodeType.OUTPUT and not node.is_data_pipe_active
        ),
        full=tuple(full),
        nearly_full=tuple(nearly),
        lost_edges=tuple(_lost(graph, nodes)),
        connections=connections,
    )


def _lost(graph: LinkGraph, nodes: Mapping[NodeId, Node]) -> Iterator[LostEdge]:
    """By the policy that judged their making (rulings 11)."""
    for edge in graph.edges:
        maker = Agent.user(edge.creator_uuid)
        output, input_ = nodes[edge.node_output_uuid], nodes[edge.node_input_uuid]
        permitted = (edge.creator_uuid, output.uuid) in graph.held
        if not may(maker, Action.LINK_INPUT, input_.resource()):
            yield LostEdge(edge, "who made the link does not own the input any more")
        elif not may(maker, Action.LINK_OUTPUT, output.resource(permitted=permitted)):
            yield LostEdge(edge, "who made the link does not see the output any more")


def _cycles(edges: Sequence[Edge], nodes: Mapping[NodeId, Node]) -> Iterator[LinkCycle]:
    ends = [
        (edge.uuid, nodes[edge.node_output_uuid].unit_uuid, nodes[edge.node_input_uuid].unit_uuid)
        for edge in edges
    ]
    follows: dict[UnitId, list[UnitId]] = {}
    for _, start, end in ends:
        follows.setdefault(start, []).append(end)
        follows.setdefault(end, [])
    parts = strong_components(follows)
    part_of = {unit: number for number, part in enumerate(parts) for unit in part}
    inside: dict[int, list[EdgeId]] = {}
    for uuid, start, end in ends:
        if part_of[start] == part_of[end]:
            inside.setdefault(part_of[start], []).append(uuid)
    for number, found in sorted(inside.items()):
        yield LinkCycle(tuple(sorted(parts[number])), tuple(sorted(found)))


def strong_components(follows: Mapping[UnitId, Sequence[UnitId]]) -> list[list[UnitId]]:
    """Tarjan's algorithm with a stack of its own: a chain of any length is no recursion."""
    order: dict[UUID, int] = {}
    lowest: dict[UUID, int] = {}
    open_: list[UnitId] = []
    is_open: set[UUID] = set()
    parts: list[list[UnitId]] = []
    for root in follows:
        if root in order:
            continue
        way: list[tuple[UnitId, Iterator[UnitId]]] = [(root, iter(follows[root]))]
        order[root] = lowest[root] = len(order)
        open_.append(root)
        is_open.add(root)
        while way:
            unit, following = way[-1]
            for other in following:
                if other not in order:
                    order[other] = lowest[other] = len(order)
                    open_.append(other)
                    is_open.add(other)
                    way.append((other, iter(follows[other])))
                    break
                if other in is_open:
                    lowest[unit] = min(lowest[unit], order[other])
            else:
                way.pop()
                if way:
                    before = way[-1][0]
                    lowest[before] = min(lowest[before], lowest[unit])
                if lowest[unit] == order[unit]:
                    parts.append(_closed(open_, is_open, unit))
    return parts


def _closed(open_: list[UnitId], is_open: set[UUID], root: UnitId) -> list[UnitId]:
    """Everything on the stack down to the root of a component."""
    part = []
    while True:
        unit = open_.pop()
        is_open.discard(unit)
        part.append(unit)
        if unit == root:
            return part
