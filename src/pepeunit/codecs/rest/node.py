"""Read models of nodes and edges (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType


@frozen
class NodeModel:
    """``data_pipe_yml`` is JSON text despite its name."""

    uuid: UUID
    type: NodeType
    visibility_level: Visibility
    is_rewritable_input: bool
    max_connections: int
    topic_name: str
    last_update_datetime: datetime
    is_data_pipe_active: bool
    data_pipe_yml: str | None
    data_pipe_status: str | None
    data_pipe_error: str | None
    create_datetime: datetime
    state: str | None
    unit_uuid: UUID
    creator_uuid: UUID


@frozen
class NodesModel:
    count: int
    unit_nodes: Sequence[NodeModel]


@frozen
class EdgeModel:
    uuid: UUID
    node_output_uuid: UUID
    node_input_uuid: UUID


@frozen
class EdgesModel:
    count: int
    unit_node_edges: Sequence[EdgeModel]


def node_model(node: Node) -> NodeModel:
    return NodeModel(
        uuid=node.uuid,
        type=node.type,
        visibility_level=node.visibility_level,
        is_rewritable_input=node.is_rewritable_input,
        max_connections=node.max_connections,
        topic_name=node.topic_name,
        last_update_datetime=naive_utc(node.last_update_datetime),
        is_data_pipe_active=node.is_data_pipe_active,
        data_pipe_yml=node.data_pipe_yml,
        data_pipe_status=node.data_pipe_status,
        data_pipe_error=node.data_pipe_error,
        create_datetime=naive_utc(node.create_datetime),
        state=node.state,
        unit_uuid=node.unit_uuid,
        creator_uuid=node.creator_uuid,
    )


def edge_model(edge: Edge) -> EdgeModel:
    return EdgeModel(edge.uuid, edge.node_output_uuid, edge.node_input_uuid)
