"""A config compiled once into what a batch runs through.

Many nodes share one compiled pipe; what differs between them is their
:class:`~pepeunit.domain.pipes.memory.NodeMemory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from pepeunit.domain.pipes.config import PipeConfig
from pepeunit.domain.pipes.drops import Drops
from pepeunit.domain.pipes.program import program
from pepeunit.domain.pipes.rows import Rows

SWIFT_MESSAGES_MIN: Final = 6
"""Checks of a whole run pay from this many messages on."""


class Memory(Protocol):
    """A :class:`~pepeunit.domain.pipes.memory.NodeMemory`, of which the text knows the rest."""

    node: UUID
    generation: int


Run = Callable[[Sequence[Memory], Sequence[int], Sequence[bytes], Rows, Drops], int]


class CompiledPipe:
    """Runs messages through one config. Stateless; make it with :func:`compile_pipe`.

    ``source`` is the Python text that was generated for the config.
    """

    __slots__ = ("_exact", "_swift", "config", "source")

    def __init__(self, config: PipeConfig, source: str, exact: Run, swift: Run) -> None:
        self.config = config
        self.source = source
        self._exact = exact
        self._swift = swift

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
    """Takes about a millisecond: keep the result, one for all nodes with an equal config."""
    source, constants = program(config)
    names: dict[str, Any] = dict(constants)
    # The text holds nothing of the config but numbers: texts come in as constants.
    exec(compile(source, "<pipe>", "exec"), names)  # noqa: S102
    return CompiledPipe(config, source, names["exact"], names["swift"])
