"""Every cell of the access matrix, on the real doors over memory ports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from yarl import URL

from pepeunit.entrypoints.http.absent import ABSENT
from tests.access.cells import ANY_ROW
from tests.access.runs import MATRIX, filled, on_our_endpoint, on_rest, on_the_hook
from tests.access.world import World

OUTSIDE_THE_MATRIX = {("POST", "/units/auth")}
"""Asked by the topics' cells."""


async def test_w1_every_cell_of_every_rest_operation(
    world: World, say: Callable[[str], None]
) -> None:
    run = await on_rest(world)
    built = [call for call in MATRIX.calls if not call.is_pending]
    verdicts = Counter(cell.verdict for call in built for cell in call.cells)
    say(f"{run.count} cells of {len(built)} REST operations, by verdict {dict(verdicts)}")
    pending = len(MATRIX.calls) - len(built)
    say(f"{len(MATRIX.pending)} cells of {pending} operations that are not built are pending")
    run.check()


async def test_w5_every_cell_of_every_topic_on_our_endpoint(
    world: World, say: Callable[[str], None]
) -> None:
    run = await on_our_endpoint(world)
    say(f"{run.count} MQTT cells on our endpoint")
    run.check()


async def test_w14_every_cell_of_every_topic_on_the_hook_of_another_broker(
    world: World, say: Callable[[str], None]
) -> None:
    run = await on_the_hook(world)
    say(f"{run.count} MQTT cells on the hook of another broker")
    run.check()


async def test_what_is_pending_is_refused_as_a_feature_that_is_off(world: World) -> None:
    for call in MATRIX.calls:
        if call.is_pending:
            reply = await world.ask(
                call.method, filled(call.path, world.names("o", ANY_ROW)), world.signed["o"]
            )
            assert (reply.status, reply.detail[:7]) == (405, "405: 15"), call.name


async def test_every_operation_that_exists_is_in_the_matrix(world: World) -> None:
    reply = await world.ask("GET", "/openapi.json", None)
    served = {
        (method.upper(), path.removeprefix("/pepeunit/api/v1"))
        for path, operations in reply.json["paths"].items()
        for method in operations
    }
    routes = {path: re.sub(r"\{\w+\}", "{}", path) for _, path in served}
    known = {
        (call.method, re.sub(r"\{\w+\}", "{}", URL(call.path, encoded=True).path))
        for call in MATRIX.calls
    }
    missing = {
        (method, path)
        for method, path in served - OUTSIDE_THE_MATRIX
        if not any(method == of and _fits(routes[path], asked) for of, asked in known)
    }
    assert not missing, f"no row in matrix.yaml: {sorted(missing)}"
    pending = {call.name for call in MATRIX.calls if call.is_pending}
    assert len(pending) == len(ABSENT)


def _fits(route: str, asked: str) -> bool:
    """``asked`` may say a word where the route has a parameter (``/users/me``)."""
    pattern = re.escape(route).replace(re.escape("{}"), r"[^/]+")
    return re.fullmatch(pattern, asked) is not None
