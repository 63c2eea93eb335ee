"""Which nodes have windows that end next, without looking at all of them."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush

from pepeunit.domain.pipes.memory import NOT_DUE
from pepeunit.domain.pipes.rows import Rows
from pepeunit.usecases.samples.in_force import PipesInForce, Running


class DueWindows:
    """``slice_nodes`` are closed in one go of the event loop."""

    def __init__(self, in_force: PipesInForce, slice_nodes: int) -> None:
        self._in_force = in_force
        self._slice_nodes = slice_nodes
        self._heap: list[tuple[int, int, Running]] = []
        self._count = 0
        for running in in_force.due():
            self.watch(running)

    @property
    def next_ms(self) -> int:
        """When the next window ends; ``NOT_DUE`` without one."""
        return self._heap[0][0] if self._heap else NOT_DUE

    def watch(self, running: Running) -> None:
        """It has a window that ends sooner than it was watched for."""
        running.due_ms = running.memory.due_ms
        self._count += 1
        heappush(self._heap, (running.due_ms, self._count, running))

    async def close(self, now_ms: int, out: Rows) -> None:
        """Rows of windows that ended by ``now_ms``: before everything that is not yet taken out
        of the journal was received."""
        done = 0
        while self.next_ms <= now_ms:
            _, _, running = heappop(self._heap)
            if running.due_ms > now_ms:  # seen already: it was watched twice
                continue
            running.due_ms = NOT_DUE
            memory = running.memory
            if memory.close(memory.node, memory.generation, now_ms, out):
                self._in_force.touch(running)
            if memory.has_windows:
                self.watch(running)
            done += 1
            if done % self._slice_nodes == 0:
                await asyncio.sleep(0)
