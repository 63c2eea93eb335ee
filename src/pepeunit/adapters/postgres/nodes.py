"""Nodes and edges in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
from attrs import frozen
from sqlalchemy import (
    ARRAY,
    DateTime,
    Select,
    Text,
    Uuid,
    bindparam,
    delete,
    exists,
    or_,
    select,
    text,
)

from pepeunit.adapters.postgres.permissions import forgetting
from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.selecting import (
    INPUT,
    LINKED,
    OUTPUT,
    Clause,
    filters,
    members,
    one_of,
    ordered,
    page,
    searched,
    visible,
    visible_link,
)
from pepeunit.adapters.postgres.statements import Statements, upsert
from pepeunit.adapters.postgres.tables import edges, nodes
from pepeunit.codecs.text import require_storable
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.ports.nodes import CLOCK_STEP_SECONDS, EdgeQuery, NodeQuery
from pepeunit.ports.paging import OrderKey, Page

_READ: Final = select(*(nodes.c[field.name] for field in attrs.fields(Node)))
"""What a :class:`Node` has; the pipe's own columns are read by :mod:`~.pipes`."""
_GET: Final = Prepared.of(_READ.where(nodes.c.uuid == bindparam("uuid")))
_OF_UNIT: Final = Prepared.of(
    _READ.where(nodes.c.unit_uuid == bindparam("uuid")).order_by(
        nodes.c.type.collate("C"), nodes.c.topic_name.collate("C")
    )
)
_PUT: Final = upsert(nodes, "uuid")
_ORDERS: Final = {
    OrderKey.CREATE_DATETIME: nodes.c.create_datetime,
    OrderKey.LAST_UPDATE_DATETIME: nodes.c.last_update_datetime,
    OrderKey.NAME: nodes.c.topic_name.collate("C"),
}
_STORE_STATES: Final = text(
    """
    UPDATE nodes SET state = newest.state, state_datetime = newest.received
    FROM (
        SELECT DISTINCT ON (uuid) uuid, state, received
        FROM unnest(:uuids, :states, :received)
            WITH ORDINALITY AS batch (uuid, state, received, position)
        ORDER BY uuid, received DESC, position DESC
    ) AS newest
    WHERE nodes.uuid = newest.uuid
      AND (nodes.state_datetime IS NULL OR nodes.state_datetime <= newest.received
           OR nodes.state_datetime > :ahead)
    """
).bindparams(
    bindparam("uuids", type_=ARRAY(Uuid)),
    bindparam("states", type_=ARRAY(Text)),
    bindparam("received", type_=ARRAY(DateTime(timezone=True))),
    bindparam("ahead", type_=DateTime(timezone=True)),
)
_BETWEEN: Final = select(edges).where(
    edges.c.node_output_uuid == bindparam("output"), edges.c.node_input_uuid == bindparam("input")
)


def to_node(row: Any) -> Node:
    return Node(
        uuid=row.uuid,
        type=NodeType(row.type),
        topic_name=row.topic_name,
        unit_uuid=row.unit_uuid,
        creator_uuid=row.creator_uuid,
        visibility_level=Visibility(row.visibility_level),
        create_datetime=row.create_datetime,
        last_update_datetime=row.last_update_datetime,
        is_rewritable_input=row.is_rewritable_input,
        max_connections=row.max_connections,
        state=row.state,
        state_datetime=row.state_datetime,
        is_data_pipe_active=row.is_data_pipe_active,
        data_pipe_yml=row.data_pipe_yml,
        data_pipe_status=row.data_pipe_status,
        data_pipe_error=row.data_pipe_error,
    )


def to_row(node: Node) -> dict[str, Any]:
    row = {
        "uuid": node.uuid,
        "type": node.type.value,
        "topic_name": node.topic_name,
        "unit_uuid": node.unit_uuid,
        "creator_uuid": node.creator_uuid,
        "visibility_level": node.visibility_level.value,
        "create_datetime": node.create_datetime,
        "last_update_datetime": node.last_update_datetime,
        "is_rewritable_input": node.is_rewritable_input,
        "max_connections": node.max_connections,
        "state": node.state,
        "state_datetime": node.state_datetime,
        "is_data_pipe_active": node.is_data_pipe_active,
        "data_pipe_yml": node.data_pipe_yml,
        "data_pipe_status": node.data_pipe_status,
        "data_pipe_error": node.data_pipe_error,
    }
    require_storable(row.items())
    return row


def to_edge(row: Any) -> Edge:
    return Edge(
        uuid=row.uuid,
        node_output_uuid=row.node_output_uuid,
        node_input_uuid=row.node_input_uuid,
        creator_uuid=row.creator_uuid,
    )


def matching(query: NodeQuery) -> list[Clause]:
    """The clauses of the nodes the query finds, its order and slice aside."""
    clauses = [
        visible(query.scope, nodes, nodes.c.unit_uuid),
        *filters(
            uuids=(nodes.c.uuid, query.uuids),
            units=(nodes.c.unit_uuid, query.units),
        ),
        *members(types=(nodes.c.type, query.types)),
        *searched(query.search, nodes.c.topic_name),
    ]
    if query.fed_by is not None:
        clauses.append(
            exists().where(
                edges.c.node_output_uuid == query.fed_by, edges.c.node_input_uuid == nodes.c.uuid
            )
        )
    if query.feeding is not None:
        clauses.append(
            exists().where(
                edges.c.node_input_uuid == query.feeding, edges.c.node_output_uuid == nodes.c.uuid
            )
        )
    return clauses


def _found(query: NodeQuery) -> Select[Any]:
    return ordered(_READ.where(*matching(query)), query.order, _ORDERS, nodes.c.uuid)


def _linked(query: EdgeQuery) -> Select[Any]:
    ends = (OUTPUT, INPUT)
    clauses = [visible_link(query.scope)]
    if query.units is not None:
        clauses.append(or_(*(one_of(end.c.unit_uuid, query.units) for end in ends)))
    if query.nodes is not None:
        clauses.append(or_(*(one_of(end.c.uuid, query.nodes) for end in ends)))
    return select(edges).select_from(LINKED).where(*clauses).order_by(edges.c.uuid)


@frozen
class PostgresNodes:
    """Implements :class:`~pepeunit.ports.nodes.Nodes`."""

    statements: Statements

    async def get(self, uuid: NodeId, *, for_update: bool = False) -> Node | None:
        row = await self.statements.get(_GET, uuid, for_update=for_update)
        return to_node(row) if row is not None else None

    async def get_many(self, uuids: Collection[NodeId]) -> Sequence[Node]:
        statement = _READ.where(one_of(nodes.c.uuid, uuids)).order_by(nodes.c.uuid)
        return tuple(map(to_node, await self.statements.read(statement)))

    async def find(self, query: NodeQuery) -> Page[Node]:
        return await page(self.statements, _found, query, to_node)

    async def of_unit(self, unit: UnitId) -> Sequence[Node]:
        return tuple(map(to_node, await self.statements.rows(_OF_UNIT, {"uuid": unit})))

    async def of_units(self, units: Collection[UnitId]) -> Sequence[Node]:
        statement = _READ.where(one_of(nodes.c.unit_uuid, units))
        return tuple(map(to_node, await self.statements.read(statement)))

    async def put(self, nodes: Sequence[Node]) -> None:
        if nodes:
            await self.statements.write(_PUT, [to_row(node) for node in nodes])

    async def delete(self, uuids: Collection[NodeId]) -> None:
        await self.statements.write(forgetting(uuids))
        await self.statements.delete(delete(nodes).where(one_of(nodes.c.uuid, uuids)))

    async def store_states(
        self, rows: Sequence[tuple[NodeId, str, datetime]], now: datetime
    ) -> int:
        if not rows:
            return 0
        uuids, states, received = map(list, zip(*rows, strict=True))
        require_storable(("state", state) for state in states)
        ahead = now + timedelta(seconds=CLOCK_STEP_SECONDS)
        changed = await self.statements.write(
            _STORE_STATES,
            {"uuids": uuids, "states": states, "received": received, "ahead": ahead},
        )
        return changed.rowcount


@frozen
class PostgresEdges:
    """Implements :class:`~pepeunit.ports.nodes.Edges`."""

    statements: Statements

    async def between(self, output: NodeId, input_: NodeId) -> Edge | None:
        found = await self.statements.read(_BETWEEN, {"output": output, "input": input_})
        row = found.one_or_none()
        return to_edge(row) if row is not None else None

    async def find(self, query: EdgeQuery) -> Page[Edge]:
        return await page(self.statements, _linked, query, to_edge)

    async def touching(self, nodes: Collection[NodeId]) -> Sequence[Edge]:
        statement = (
            select(edges)
            .where(
                or_(one_of(edges.c.node_output_uuid, nodes), one_of(edges.c.node_input_uuid, nodes))
            )
            .order_by(edges.c.uuid)
        )
        return tuple(map(to_edge, await self.statements.read(statement)))

    async def put(self, edge: Edge) -> None:
        await self.statements.write(
            edges.insert(),
            {
                "uuid": edge.uuid,
                "node_output_uuid": edge.node_output_uuid,
                "node_input_uuid": edge.node_input_uuid,
                "creator_uuid": edge.creator_uuid,
            },
        )

    async def delete(self, edge: Edge) -> None:
        await self.statements.write(delete(edges).where(edges.c.uuid == edge.uuid))
