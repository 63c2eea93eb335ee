"""An edge: one unit's output feeds another unit's input (spec devices.md 7, rulings 11)."""

from __future__ import annotations

from attrs import frozen

from pepeunit.domain.ids import EdgeId, NodeId, UserId


@frozen
class Edge:
    uuid: EdgeId
    node_output_uuid: NodeId
    node_input_uuid: NodeId
    creator_uuid: UserId
