"""Links as a picture: text in the Mermaid language, which forges and editors draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pepeunit.domain.ids import EdgeId, NodeId, UnitId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.links import LinkGraph, LinkReport
from pepeunit.domain.nodes.node import Node, NodeType

LINKS_MAX: Final = 250
"""More are counted, not drawn: Mermaid draws texts of 50 000 characters at most."""
LONE_NODES_MAX: Final = 100

_ESCAPED: Final = {ord(sign): f"#{ord(sign)};" for sign in '#"<>&`\\;[](){}|\n\r'}
_STYLES: Final = (
    "classDef dead stroke-dasharray: 4",
    "classDef full stroke-width: 4px",
)


def mermaid(graph: LinkGraph, report: LinkReport) -> str:
    """Units as boxes, outputs round, inputs square; loops and lost links in red."""
    return "\n".join(_lines(graph, report)) + "\n"


def _lines(graph: LinkGraph, report: LinkReport) -> Iterator[str]:
    marked = _marked(report)
    # what is wrong is drawn first, where not everything fits
    edges = sorted(graph.edges, key=lambda edge: (edge.uuid not in marked, edge.uuid))
    drawn, nodes = edges[:LINKS_MAX], graph.nodes
    lone = [*report.dead_inputs, *report.unread_outputs]
    shown = {
        uuid: nodes[uuid]
        for edge in drawn
        for uuid in (edge.node_output_uuid, edge.node_input_uuid)
    }
    shown |= {node.uuid: node for node in lone[:LONE_NODES_MAX]}
    names = {uuid: f"n{number}" for number, uuid in enumerate(shown)}
    yield "flowchart LR"
    units: dict[UnitId, list[Node]] = {}
    for node in shown.values():
        units.setdefault(node.unit_uuid, []).append(node)
    for number, (unit, inside) in enumerate(units.items()):
        label = _label(graph.unit_names.get(unit, str(unit)))
        yield f'  subgraph u{number}["{label}"]'
        yield from (f"    {names[node.uuid]}{_shape(node)}" for node in inside)
        yield "  end"
    yield from (f"  {_arrow(edge, names)}" for edge in drawn)
    red = [str(number) for number, edge in enumerate(drawn) if edge.uuid in marked]
    if red:
        yield f"  linkStyle {','.join(red)} stroke:#c00"
    yield from (f"  {style}" for style in _STYLES)
    for style, found in (("dead", lone), ("full", report.full)):
        named = [names[node.uuid] for node in found if node.uuid in names]
        if named:
            yield f"  class {','.join(named)} {style}"
    if len(edges) > len(drawn):
        yield f"%% {len(edges) - len(drawn)} more links are not drawn"
    if len(lone) > LONE_NODES_MAX:
        yield f"%% {len(lone) - LONE_NODES_MAX} more unlinked nodes are not drawn"


def _marked(report: LinkReport) -> set[EdgeId]:
    in_loops = {edge for cycle in report.cycles for edge in cycle.edges}
    return in_loops | {lost.edge.uuid for lost in report.lost_edges}


def _arrow(edge: Edge, names: dict[NodeId, str]) -> str:
    return f"{names[edge.node_output_uuid]} --> {names[edge.node_input_uuid]}"


def _shape(node: Node) -> str:
    label = _label(node.topic_name)
    return f'(["{label}"])' if node.type is NodeType.OUTPUT else f'["{label}"]'


def _label(text: str) -> str:
    return text.translate(_ESCAPED)
