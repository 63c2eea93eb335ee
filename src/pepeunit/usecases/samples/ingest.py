"""From an acknowledged message to a stored row (spec datapipe.md 4, 5, 11; rulings 27, 31-35).

A batch is durable when :meth:`Ingest.accept` returns. Behind it, in the journal's order, every
message runs through the pipe of its node; rows are written by one lane for each store, and a
checkpoint says from where a restart has to begin. Everything after the checkpoint is run again
with its original receive time and gives the same rows with the same identity.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.record import (
    LogRecord,
    LogRow,
    Record,
    SampleRecord,
    SessionRecord,
)
from pepeunit.domain.pipes.drops import REASONS
from pepeunit.ports.leases import Leases
from pepeunit.usecases.samples.admission import Admission
from pepeunit.usecases.samples.counters import PipeCounters
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.intake import Intake
from pepeunit.usecases.samples.tenure import LeaseInDoubt, Tenure

log = logging.getLogger(__name__)

LEASE: Final = "pipeline"
LEASE_RETRY_SECONDS: Final = 1.0
APPLIED_SECONDS: Final = 1.0
READY_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.05
ROOM_LOOK_SECONDS: Final = 0.25


class Ingest:
    """One per process that receives samples; implements
    :class:`~pepeunit.ports.pipeline.Pipeline`. Rows are written while :meth:`run` runs and the
    lease is held; samples are accepted at any time."""

    def __init__(self, parts: IngestParts, leases: Leases) -> None:
        self._parts = parts
        self._limits = parts.limits
        self._leases = leases
        self.counters = PipeCounters()
        self.intake = Intake(parts.journal, parts.codec, parts.limits.queue_bytes_max)
        self._admission = Admission(self.intake, parts.limits)
        self.tenure: Tenure | None = None
        """What runs now; None while the lease is somebody else's."""
        self._is_waiting = False
        """For a lease that somebody else holds."""

    # the way in

    @property
    def sheds_qos_0(self) -> bool:
        """Whether samples of QoS 0 are to be dropped now, and counted by :meth:`shed`."""
        return self._admission.sheds_qos_0

    def shed(self, count: int) -> None:
        """Samples of QoS 0 were dropped for want of room."""
        self.counters.shed += count

    async def accept(self, record: SampleRecord) -> None:
        """Durable when this returns. Raises ``Unavailable`` when the journal refuses; one that
        is full is given a while to be emptied first."""
        await self._append(record)
        self.counters.received += record.sample_count

    async def accept_logs(self, rows: Sequence[LogRow]) -> None:
        """As :meth:`accept`, for what devices log."""
        await self._append(LogRecord(rows))

    async def _append(self, record: Record) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.room_seconds
        while True:
            try:
                return await self.intake.append(record)
            except Unavailable:
                if not self._admission.is_full or loop.time() >= deadline:
                    raise
                await asyncio.sleep(ROOM_LOOK_SECONDS)

    async def note_session(self, began_ms: int) -> None:
        """An external broker began a session; durable when this returns. Raises
        ``Unavailable``."""
        await self.intake.append(SessionRecord(began_ms))

    def late(self) -> AsyncIterator[SampleRecord | SessionRecord]:
        """What was accepted last, by this process or an earlier one, oldest first. Raises
        ``Unavailable``."""
        return self.intake.late()

    # behind it

    async def run(self) -> None:
        """Run the pipes whenever the lease is ours, until cancelled."""
        while True:
            try:
                async with self._leases.hold(LEASE) as is_ours:
                    if is_ours:
                        self._is_waiting = False
                        await self._run_tenure()
                    elif not self._is_waiting:
                        self._is_waiting = True
                        log.warning("another process runs the pipes: samples wait here")
            except LeaseInDoubt:
                log.warning("the pipes begin again at the last checkpoint: the lease was in doubt")
                continue
            except Unavailable as outage:
                log.warning("pipes do not run: %s", outage)
            except Exception:
                log.exception("the pipes begin again at the last checkpoint")
            await asyncio.sleep(LEASE_RETRY_SECONDS)

    async def _run_tenure(self) -> None:
        tenure = await Tenure.begin(self._parts, self.intake, self.counters)
        self.tenure = tenure
        self._admission.lanes = tenure.lanes
        try:
            await tenure.run()
        finally:
            self.tenure = None
            self._admission.lanes = ()

    async def ready(self, seconds: float = READY_SECONDS) -> bool:
        """Wait until all pipes are in force, or the lease is somebody else's; then for what an
        earlier run left to be stored, so many seconds. False when the rest follows behind.

        A sample that comes before the pipes are known is ignored for ever: let none in before.
        """
        while True:
            tenure = self.tenure
            if self._is_waiting or (tenure is not None and tenure.follow.is_current.is_set()):
                break
            await asyncio.sleep(LOOK_SECONDS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            if self.tenure is not None and self.tenure.is_settled:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def stop(self) -> bool:
        """After the last sample: everything goes through the pipes and to the stores or the
        spool, and the checkpoint is written. False when that took too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.stop_seconds
        while not self._is_waiting and (left := deadline - loop.time()) > 0:
            if self.tenure is not None and await self.tenure.finish(left):
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    # the running pipeline, as others see it

    async def applied(self, version: int) -> bool:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        deadline = begun + APPLIED_SECONDS
        # a higher version may have been committed and seen before this one was
        while (
            (tenure := self.tenure) is None
            or tenure.follow.looked_at < begun
            or tenure.follow.version < version
        ):
            if loop.time() >= deadline:
                return False
            if tenure is not None:
                tenure.follow.ask()
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def drops(self, node: NodeId) -> Mapping[str, int]:
        running = self.tenure.in_force.nodes.get(node) if self.tenure is not None else None
        if running is None:
            return dict.fromkeys(("accepted", *REASONS), 0)
        dropped = running.memory.dropped or [0] * len(REASONS)
        accepted = running.memory.received - sum(dropped)
        return {"accepted": accepted, **dict(zip(REASONS, dropped, strict=True))}
