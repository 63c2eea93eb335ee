"""The pipes of nodes, as the pipeline and the readers need them."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from typing import Protocol

from attrs import frozen

from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.nodes.node import PipeStatus
from pepeunit.domain.pipes.series import Series, Trim


@frozen
class PipeSetting:
    """What the pipeline runs for a node.

    ``config`` is the JSON text of the validated config, ``None`` while the pipe is inactive or
    has no config. ``seq`` is where the rows of this generation start counting (an imported file
    brings rows of its own). ``version`` rises with every change of any pipe.
    """

    node: NodeId
    config: str | None
    generation: int
    seq: int
    version: int


class Pipes(Protocol):
    async def changed(self, after_version: int) -> Sequence[PipeSetting]:
        """Settings changed after that version, oldest change first; 0 gives every node that
        has or had a pipe. A change committed late may carry a lower version than one already
        seen: callers ask again from a little before."""
        ...

    async def setting(self, node: NodeId) -> PipeSetting | None:
        """The node's setting as of now, with the version of its last change (0 when it never had
        a pipe); ``None`` without such a node."""
        ...

    async def newest(self, units: Collection[UnitId]) -> int:
        """The version of the last change of any pipe of these units' nodes; 0 without one."""
        ...

    async def count(self, up_to_version: int) -> int:
        """How many nodes there are whose last change of a pipe is of that version or older."""
        ...

    async def living(self, among: Collection[NodeId]) -> Set[tuple[NodeId, int]]:
        """Of these nodes those that can have a pipe, with their generations: series of others are
        orphans."""
        ...

    async def series(self, node: NodeId) -> Series | None:
        """How to read the node's rows; ``None`` without such a node."""
        ...

    async def renew(self, node: NodeId, *, seq: int = 0, generation: int | None = None) -> int:
        """Empty the series by giving it a new generation, and forget its trims.

        ``generation`` activates one that :meth:`reserve` gave. Returns the new generation.
        """
        ...

    async def reserve(self) -> int:
        """A generation no series has had, for rows that are written before they are shown."""
        ...

    async def trim(self, node: NodeId, trim: Trim) -> None:
        """Remember that an NRecords limit ended."""
        ...

    async def report(
        self, nodes: Collection[NodeId], status: PipeStatus, error: str | None
    ) -> None:
        """Set ``data_pipe_status`` and the text of its error; no change of version."""
        ...
