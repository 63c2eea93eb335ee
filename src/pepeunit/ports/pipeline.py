"""The running pipeline, as the rest of the platform sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pepeunit.domain.ids import NodeId


class Pipeline(Protocol):
    async def applied(self, version: int) -> bool:
        """Wait until pipe changes up to ``version`` rule what is received from now on.

        False when no pipeline said so within a second: it will apply them when it runs.
        """
        ...

    async def drops(self, node: NodeId) -> Mapping[str, int]:
        """Messages of the node by outcome since counting began: ``accepted`` and each drop
        reason."""
        ...
