"""Every cell of the access matrix over GraphQL: the same verdict as over REST."""

from __future__ import annotations

from collections.abc import Callable

from tests.access.cells import ANY_ROW, Cell
from tests.access.graphql_calls import (
    GRAPHQL_ALONE,
    KINDS,
    REST_ALONE,
    ask,
    on_graphql,
    operation_of,
)
from tests.access.runs import MATRIX
from tests.access.world import World


async def test_w1_every_cell_of_every_operation_over_graphql(
    world: World, say: Callable[[str], None]
) -> None:
    run = await on_graphql(world)
    say(f"{run.count} cells over GraphQL; {len(REST_ALONE)} operations are REST's alone")
    run.check()


def test_every_operation_of_the_schema_is_in_the_matrix() -> None:
    asked = {operation_of(call) for call in MATRIX.calls} - {None}
    assert asked | GRAPHQL_ALONE == set(KINDS)
    assert set(REST_ALONE) <= {call.name for call in MATRIX.calls}


async def test_what_is_pending_is_refused_as_a_feature_that_is_off(world: World) -> None:
    for call in MATRIX.calls:
        if call.is_pending and operation_of(call) is not None:
            cell = Cell(call.name, ANY_ROW, "o", "", "", "", "", ())
            names = world.names("o", ANY_ROW)
            reply = await ask(world, call, cell, names | dict.fromkeys(names, names["absent"]))
            assert reply.status in (405, 422), (call.name, reply.content)
