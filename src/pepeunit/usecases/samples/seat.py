"""One process runs the pipes, and every process knows how far they have got (rulings 34)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.ports.leases import Leases
from pepeunit.ports.pipeline_seat import PipelineSeat
from pepeunit.usecases.samples.ingest import APPLIED_SECONDS, LEASE, Ingest

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.1


@frozen
class SeatedLeases:
    """Implements :class:`~pepeunit.ports.leases.Leases`: that of the pipes is given only with
    the journal that goes with the stored series: what was acknowledged and what the pipes
    remember lies beside it, and a process with another one would go on without."""

    inner: Leases
    seat: PipelineSeat
    journal: UUID

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        async with self.inner.hold(name) as is_free:
            is_seated = name != LEASE or (is_free and await self.seat.take(self.journal))
            if is_free and not is_seated:
                log.info("the pipes have run on another data directory: they stay there")
            yield is_free and is_seated


@frozen
class SharedPipeline:
    """Implements :class:`~pepeunit.ports.pipeline.Pipeline` wherever the pipes run: here, or in
    a process that :func:`tell_applied` tells of. Drops are known where the pipes run alone."""

    ingest: Ingest
    seat: PipelineSeat

    async def applied(self, version: int) -> bool:
        if self.ingest.tenure is not None:
            return await self.ingest.applied(version)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + APPLIED_SECONDS
        while loop.time() < deadline:
            try:
                if await self.seat.applied() >= version:
                    return True
            except Unavailable:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def drops(self, node: NodeId) -> Mapping[str, int]:
        return await self.ingest.drops(node)


async def tell_applied(ingest: Ingest, seat: PipelineSeat) -> None:
    """Have every process know which changes of pipes rule, until cancelled."""
    told = 0
    while True:
        tenure = ingest.tenure
        if tenure is not None and tenure.follow.version > told:
            version = tenure.follow.version
            try:
                await seat.note(version)
                told = version
            except Unavailable as outage:
                log.info("nobody is told of pipes in force: %s", outage)
        await asyncio.sleep(LOOK_SECONDS)
