"""Which nodes still can have a pipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from pepeunit.domain.ids import NodeId
from pepeunit.ports.database import Database

ASKED_AT_ONCE: Final = 1_000
"""An answer about all nodes of a large installation keeps everything else waiting."""


async def living(database: Database, nodes: Iterable[UUID]) -> dict[UUID, int]:
    """Of the nodes those that can have a pipe, with their generations. Raises ``Unavailable``."""
    asked = [NodeId(node) for node in nodes]
    found: dict[UUID, int] = {}
    async with database.read() as rows:
        for at in range(0, len(asked), ASKED_AT_ONCE):
            found.update(await rows.pipes.living(asked[at : at + ASKED_AT_ONCE]))
    return found
