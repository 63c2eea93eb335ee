"""A batch of many nodes, grouped by what their configs have in common: nothing but the pipe.

Messages of all nodes with one compiled pipe make one run, so the cost of a message does not
depend on how many nodes there are, only (a little) on how many different configs meet in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Final, TypeVar

from pepeunit.domain.pipes.compiled import CompiledPipe
from pepeunit.domain.pipes.drops import Drop, Drops
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.rows import Rows

Node = TypeVar("Node")

NO_PIPE: Final = NodeMemory()
"""In place of nodes that nobody knows."""

_node: Final = itemgetter(0)
_time: Final = itemgetter(1)
_payload: Final = itemgetter(2)
_compiled: Final[Callable[[NodeMemory], CompiledPipe | None]] = attrgetter("compiled")


def run_batch(
    samples: Sequence[tuple[Node, int, bytes]],
    memories: Mapping[Node, NodeMemory],
    out: Rows,
    drops: Drops,
) -> int:
    """Run ``(node, received_ms, payload)`` in arrival order; how many were accepted.

    Each memory knows its ``node``, ``generation`` and ``compiled`` pipe. Rows of one node keep
    their order. Messages of unknown nodes, or of nodes without a pipe, are dropped as inactive.
    The node of a sample is whatever ``memories`` is keyed by: 16 bytes or a text hash in C, a
    ``UUID`` in Python and several times as slowly.
    """
    found = list(map(memories.get, map(_node, samples), repeat(NO_PIPE)))
    pipes = set(map(_compiled, found))
    if len(pipes) == 1 and (pipe := pipes.pop()) is not None:
        # no zip(*samples): that makes an object per sample for the garbage collector to count
        times, payloads = list(map(_time, samples)), list(map(_payload, samples))
        return pipe.feed_mixed(found, times, payloads, out, drops)
    runs: dict[CompiledPipe, tuple[list[NodeMemory], list[int], list[bytes]]] = {
        pipe: ([], [], []) for pipe in pipes if pipe is not None
    }
    for memory, (_, time, payload) in zip(found, samples, strict=True):
        if (pipe := memory.compiled) is None:
            drops[Drop.INACTIVE] += 1
            memory.drop(Drop.INACTIVE)
        else:
            column, times, payloads = runs[pipe]
            column.append(memory)
            times.append(time)
            payloads.append(payload)
    return sum(pipe.feed_mixed(*run, out, drops) for pipe, run in runs.items())
