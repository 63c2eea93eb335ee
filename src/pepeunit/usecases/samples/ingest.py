"""Keep the newest value of every node (spec devices.md 8; rulings 27, 31, 32).

A batch is durable when :meth:`Ingest.accept` returns. Storing happens behind it: the newest value
per node gathers in memory and is written in one statement per flush; only then is the journal
released, so a crash replays what was not yet written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.sample import RawSample
from pepeunit.ports.database import Database
from pepeunit.ports.journal import Journal, PackSamples, UnpackSamples

log = logging.getLogger(__name__)

FLUSH_RETRY_SECONDS = 2.0
REPLAY_FLUSH_NODES = 10_000


class Ingest:
    """One per process that receives samples; ``flush_seconds`` is the longest a value waits."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        pack: PackSamples,
        unpack: UnpackSamples,
        flush_seconds: float,
        *,
        retry_seconds: float = FLUSH_RETRY_SECONDS,
    ) -> None:
        self._database = database
        self._journal = journal
        self._pack = pack
        self._unpack = unpack
        self._flush_seconds = flush_seconds
        self._retry_seconds = retry_seconds
        self._newest: dict[UUID, tuple[int, bytes]] = {}
        self._position = 0
        self._appending: dict[object, int] = {}
        self._flushing = asyncio.Lock()
        self.accepted = 0
        self.undecodable = 0

    async def accept(self, samples: Sequence[RawSample]) -> None:
        """Durable when this returns. Raises ``Unavailable`` when the journal refuses."""
        turn = object()
        self._appending[turn] = self._position
        try:
            position = await self._journal.append([self._pack(samples)])
            self._gather(samples)
        finally:
            del self._appending[turn]
        self._position = max(self._position, position)
        self.accepted += len(samples)

    def _gather(self, samples: Sequence[RawSample]) -> None:
        newest = self._newest
        for node, received, payload in samples:
            known = newest.get(node)
            if known is None or received >= known[0]:
                newest[node] = (received, payload)

    async def replay(self) -> int:
        """Gather what a previous run journalled but did not store; how many samples."""
        count = 0
        async for position, record in self._journal.read(self._journal.released):
            try:
                samples = self._unpack(record)
            except ValueError:
                log.exception("journal record before %d cannot be read", position)
                continue
            self._gather(samples)
            self._position = position
            count += len(samples)
            if len(self._newest) >= REPLAY_FLUSH_NODES:
                await self.flush()
        await self.flush()
        return count

    async def flush(self) -> None:
        """Write the gathered values and release the journal. Raises ``Unavailable``."""
        async with self._flushing:
            newest, self._newest = self._newest, {}
            gathered = min(self._appending.values(), default=self._position)
            if newest:
                try:
                    async with self._database.begin() as tx:
                        await tx.nodes.store_states(self._rows(newest))
                except BaseException:  # also when cancelled: a later flush must not release them
                    self._take_back(newest)
                    raise
            if gathered > self._journal.released:
                await self._journal.release(gathered)

    def _take_back(self, unstored: dict[UUID, tuple[int, bytes]]) -> None:
        arrived, self._newest = self._newest, unstored
        self._gather([RawSample(node, *value) for node, value in arrived.items()])

    def _rows(self, newest: dict[UUID, tuple[int, bytes]]) -> list[tuple[NodeId, str, datetime]]:
        rows = []
        for node, (received, payload) in newest.items():
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                text = "\0"
            if "\0" in text:
                self.undecodable += 1
                continue
            rows.append((NodeId(node), text, datetime.fromtimestamp(received / 1000, UTC)))
        return rows

    async def run(self) -> None:
        """Flush for ever; a store that is down is tried again."""
        while True:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.flush()
            except Unavailable as outage:
                log.warning("values wait in the journal: %s", outage)
                await asyncio.sleep(self._retry_seconds)
            except Exception:
                log.exception("values wait in the journal")
                await asyncio.sleep(self._retry_seconds)
