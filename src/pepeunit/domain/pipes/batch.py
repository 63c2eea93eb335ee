"""A batch of many nodes, grouped by what their configs have in common: nothing but the pipe.

Messages of all nodes with one compiled pipe make one run, so the cost of a message does not
depend on how many nodes there are, only (a little) on how many different configs meet in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Final, TypeVar
from uuid import UUID

from pepeunit.domain.pipes.compiled import CompiledPipe, Seat
from pepeunit.domain.pipes.drops import Drop, Drops
from pepeunit.domain.pipes.rows import Rows

Node = TypeVar("Node")

NO_SEAT: Final = Seat(UUID(int=0), 0, None)
"""Of nodes that have no pipe."""

_compiled: Final[Callable[[Seat], CompiledPipe | None]] = attrgetter("compiled")


def run_batch(
    samples: Sequence[tuple[Node, int, bytes]],
    seats: Mapping[Node, Seat],
    out: Rows,
    drops: Drops,
) -> int:
    """Run ``(node, received_ms, payload)`` in arrival order; how many were accepted.

    Rows of one node keep their order. Messages of nodes without a seat, or whose seat has no
    pipe now, are dropped as inactive. ``node`` is whatever ``seats`` is keyed by: 16 bytes or a
    text hash in C, a ``UUID`` in Python and four times as slowly.
    """
    if not samples:
        return 0
    nodes, times, payloads = zip(*samples, strict=True)
    found = list(map(seats.get, nodes, repeat(NO_SEAT)))
    pipes = set(map(_compiled, found))
    if len(pipes) == 1 and (pipe := pipes.pop()) is not None:
        return pipe.feed_seats(found, times, payloads, out, drops)
    runs: dict[CompiledPipe, list[tuple[Seat, int, bytes]]] = {}
    for seat, time, payload in zip(found, times, payloads, strict=True):
        if (pipe := seat.compiled) is None:
            drops[Drop.INACTIVE] += 1
            seat.drop(Drop.INACTIVE)
        else:
            runs.setdefault(pipe, []).append((seat, time, payload))
    accepted = 0
    for pipe, run in runs.items():
        column, times, payloads = zip(*run, strict=True)
        accepted += pipe.feed_seats(column, times, payloads, out, drops)
    return accepted
