"""A pipeline that does what it is told at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import define, field

from pepeunit.domain.ids import NodeId


@define(eq=False)
class MemoryPipeline:
    """Implements :class:`~pepeunit.ports.pipeline.Pipeline`; ``outcomes`` are what it tells.

    ``versions`` are those it was asked about, in order.
    """

    is_running: bool = True
    versions: list[int] = field(factory=list)
    outcomes: dict[NodeId, Counter[str]] = field(factory=dict)

    async def applied(self, version: int) -> bool:
        self.versions.append(version)
        return self.is_running

    async def drops(self, node: NodeId) -> Mapping[str, int]:
        return dict(self.outcomes.get(node, {}))
