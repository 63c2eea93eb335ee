"""Nodes that come with a pipe are told of once it rules (spec datapipe.md 1, rulings 34)."""

from __future__ import annotations

import logging
from collections.abc import Collection

from attrs import frozen

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.ports.database import Database
from pepeunit.ports.pipeline import Pipeline

log = logging.getLogger(__name__)


@frozen
class AwaitPipes:
    """One wait, however many units: a pipe that rules later leaves the first samples out."""

    database: Database
    pipeline: Pipeline

    async def __call__(self, units: Collection[UnitId]) -> None:
        """After the commit. Returns once the pipes of these units' nodes rule what is received,
        or after a second without a pipeline that says so; never fails what was done."""
        try:
            async with self.database.read() as rows:
                version = await rows.pipes.newest(units)
        except Unavailable as outage:
            log.warning("nobody waits for the pipes of new nodes: %s", outage)
            return
        if version:
            await self.pipeline.applied(version)
