"""Read models of the check of links; not in the reference's contract."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.domain.nodes.links import LinkGraph, LinkReport
from pepeunit.domain.nodes.node import Node


class LinkPicture(enum.Enum):
    """Formats of the picture."""

    MERMAID = "mermaid"


@frozen
class LinkedNodeModel:
    uuid: UUID
    unit_uuid: UUID
    topic_name: str
    connections: int
    max_connections: int


@frozen
class LinkCycleModel:
    """Units that reach each other along these edges."""

    unit_uuids: Sequence[UUID]
    edge_uuids: Sequence[UUID]


@frozen
class LostEdgeModel:
    """A link that could not be made today."""

    uuid: UUID
    node_output_uuid: UUID
    node_input_uuid: UUID
    reason: str


@frozen
class LinkCheckModel:
    """``picture`` is text in the format that was asked for."""

    unit_count: int
    node_count: int
    edge_count: int
    cycles: Sequence[LinkCycleModel]
    dead_inputs: Sequence[LinkedNodeModel]
    unread_outputs: Sequence[LinkedNodeModel]
    full_nodes: Sequence[LinkedNodeModel]
    nearly_full_nodes: Sequence[LinkedNodeModel]
    lost_edges: Sequence[LostEdgeModel]
    picture: str | None


def link_check_model(graph: LinkGraph, report: LinkReport, picture: str | None) -> LinkCheckModel:
    def models(nodes: Iterable[Node]) -> list[LinkedNodeModel]:
        return [
            LinkedNodeModel(
                node.uuid,
                node.unit_uuid,
                node.topic_name,
                report.connections.get(node.uuid, 0),
                node.max_connections,
            )
            for node in nodes
        ]

    return LinkCheckModel(
        unit_count=len({node.unit_uuid for node in graph.own}),
        node_count=len(graph.own),
        edge_count=len(graph.edges),
        cycles=[LinkCycleModel(list(one.units), list(one.edges)) for one in report.cycles],
        dead_inputs=models(report.dead_inputs),
        unread_outputs=models(report.unread_outputs),
        full_nodes=models(report.full),
        nearly_full_nodes=models(report.nearly_full),
        lost_edges=[
            LostEdgeModel(
                lost.edge.uuid, lost.edge.node_output_uuid, lost.edge.node_input_uuid, lost.reason
            )
            for lost in report.lost_edges
        ],
        picture=picture,
    )
