"""A config compiled once into what a batch runs through.

Many nodes share one compiled pipe; what differs between them is their
:class:`~pepeunit.domain.pipes.memory.NodeMemory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol
from uuid import UUID

from pepeunit.domain.pipes.config import PipeConfig
from pepeunit.domain.pipes.drops import Drops
from pepeunit.domain.pipes.program import CONSTANTS, program
from pepeunit.domain.pipes.rows import Rows

SWIFT_MESSAGES_MIN: Final = 6
"""Checks of a whole run pay from this many messages on."""


PROGRAMS_MAX: Final = 1024
"""Compiled texts that are kept for configs of the same shape."""


class Memory(Protocol):
    """A :class:`~pepeunit.domain.pipes.memory.NodeMemory`, of which the text knows the rest."""

    node: UUID
    generation: int


Run = Callable[[Sequence[Memory], Sequence[int], Sequence[bytes], Rows, Drops], int]


class CompiledPipe:
    """Runs messages through one config. Stateless; make it with :func:`compile_pipe`."""

    __slots__ = ("_exact", "_swift", "config")

    def __init__(self, config: PipeConfig, exact: Run, swift: Run) -> None:
        self.config = config
        self._exact = exact
        self._swift = swift

    @property
    def source(self) -> str:
        """The Python text that was made of the config, for people to read."""
        return program(self.config)[0]

    def feed(  # noqa: PLR0917  called by position on the hot path
        self,
        node: UUID,
        generation: int,
        memory: Memory,
        times: Sequence[int],
        payloads: Sequence[bytes],
        out: Rows,
        drops: Drops,
    ) -> int:
        """Run one node's messages, in arrival order; how many were accepted.

        ``times`` are UTC epoch milliseconds of receipt. Rows and last values go to ``out``,
        contributions to windows into ``memory``, drops into ``drops``.
        """
        memory.node, memory.generation = node, generation
        return self.feed_mixed([memory] * len(payloads), times, payloads, out, drops)

    def feed_mixed(
        self,
        memories: Sequence[Memory],
        times: Sequence[int],
        payloads: Sequence[bytes],
        out: Rows,
        drops: Drops,
    ) -> int:
        """Run messages of several nodes of this config: three columns in arrival order.

        Each memory knows its ``node`` and ``generation``.
        """
        run = self._swift if len(payloads) >= SWIFT_MESSAGES_MIN else self._exact
        return run(memories, times, payloads, out, drops)


def compile_pipe(config: PipeConfig) -> CompiledPipe:
    """Keep the result: one for all nodes with an equal config, so that they run together."""
    source, values = program(config)
    exact, swift = _factory(source)(**values)
    return CompiledPipe(config, exact, swift)


@lru_cache(maxsize=PROGRAMS_MAX)
def _factory(source: str) -> Callable[..., tuple[Run, Run]]:
    names: dict[str, Any] = dict(CONSTANTS)
    # the text is ours alone: all values of a config are arguments
    exec(compile(source, "<pipe>", "exec"), names)  # noqa: S102
    made: Callable[..., tuple[Run, Run]] = names["make"]
    return made
