"""One pipeline from a checkpoint on, for as long as the lease is ours."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Self

from pepeunit.ports.checkpoint import Commit, Saved
from pepeunit.usecases.samples.checkpointer import Checkpointer
from pepeunit.usecases.samples.counters import PipeCounters
from pepeunit.usecases.samples.follow_pipes import FollowPipes
from pepeunit.usecases.samples.in_force import PipesInForce
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.intake import Intake
from pepeunit.usecases.samples.lanes import Lanes
from pepeunit.usecases.samples.pipe_run import PipeRun
from pepeunit.usecases.samples.recount import bridge, stored_numbers
from pepeunit.usecases.samples.signal import Signal
from pepeunit.usecases.samples.sweep_series import SweepSeries

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.25
HURRY_SECONDS: Final = 2.0
"""Before the end of the time to stop: what a store still owes goes to the spool."""


class LeaseInDoubt(Exception):
    """The store of leases was away: somebody else may hold it now."""


class Tenure:
    """Get one from :meth:`begin`. When it ends without :meth:`finish`, the next one begins at
    the last checkpoint and runs again what came after it."""

    def __init__(
        self, parts: IngestParts, saved: Saved, intake: Intake, counters: PipeCounters
    ) -> None:
        self.progressed = progressed = Signal()
        self.in_force = PipesInForce(parts.payload_bytes_max)
        self.in_force.restore(saved, parts.codec)
        self.lanes = Lanes.of(parts, progressed)
        for lane in self.lanes:
            lane.restore([entry for entry in saved.spool if entry.lane == lane.name])
        self.follow = FollowPipes(parts.database, intake, saved.settings, parts.reread_seconds)
        self.checkpointer = Checkpointer(
            parts, tuple(self.lanes), progressed, lambda: self.follow.is_counted
        )
        self.pipe_run = PipeRun(
            parts,
            intake=intake,
            in_force=self.in_force,
            lanes=self.lanes,
            checkpointer=self.checkpointer,
            counters=counters,
            progressed=progressed,
            report=self.follow.report,
            number=max((entry.number for entry in saved.spool), default=0) + 1,
        )
        self._is_finishing = self._is_over = False
        self._sweep = SweepSeries(
            parts.database, parts.series_admin, self.lanes.series, self.pipe_run.dead
        )

    @classmethod
    async def begin(cls, parts: IngestParts, intake: Intake, counters: PipeCounters) -> Self:
        """From the last checkpoint. Raises ``Unavailable`` when it cannot be read, or cannot be
        relied upon and a store that could tell more is away."""
        saved = await parts.checkpoint.load()
        position = intake.begin(saved.position)
        if position < saved.position:
            log.warning("the journal ends before the checkpoint: part of it is missing")
            await parts.checkpoint.commit(Commit(position))
        tenure = cls(parts, saved, intake, counters)
        if position != saved.position or saved.journal != parts.journal_id:
            log.info("the checkpoint may be behind the stored rows: they are counted")
            stored = await stored_numbers(parts.series_admin)
            tenure.follow.owe(stored)
            if position > saved.position:
                await bridge(parts, intake, tenure.in_force, stored)
        return tenure

    async def run(self) -> None:
        """Until :meth:`finish`. Raises ``LeaseInDoubt``, or what a task of it raised."""
        loops = [lane.run() for lane in self.lanes]
        loops += [self.checkpointer.run(), self.follow.run(), self._sweep.run()]
        tasks = [asyncio.ensure_future(loop) for loop in (*loops, self._watch_lease())]
        running = asyncio.ensure_future(self.pipe_run.run())
        try:
            done, _ = await asyncio.wait((*tasks, running), return_when=asyncio.FIRST_COMPLETED)
            while done == {running} and running.exception() is None:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._is_over = True
            for task in (*tasks, running):
                task.cancel()
            await asyncio.gather(*tasks, running, return_exceptions=True)

    async def _watch_lease(self) -> None:
        await self.follow.came_back.wait()
        if self._is_finishing:  # over in a moment
            await asyncio.Future()
        raise LeaseInDoubt

    @property
    def is_settled(self) -> bool:
        """What was journalled went through the pipes and is stored, or its store is down."""
        return (
            self.follow.is_current.is_set()
            and self.pipe_run.is_idle
            and all(lane.is_down or not lane.row_count for lane in self.lanes)
        )

    async def finish(self, seconds: float) -> bool:
        """Run what is there through the pipes, store or spool it, write the checkpoint; False
        when that took too long and the next start does the rest."""
        deadline = asyncio.get_running_loop().time() + seconds
        self._is_finishing = True
        self.pipe_run.finish()

        def is_done() -> bool:
            return (
                self.pipe_run.finished.is_set()
                and self.checkpointer.is_idle
                and all(lane.is_down or not lane.row_count for lane in self.lanes)
            )

        while (
            not (self._is_over or is_done())
            and (left := deadline - asyncio.get_running_loop().time()) > 0
        ):
            if left < HURRY_SECONDS:
                self.checkpointer.is_hurried = True
            await self.progressed.wait(min(left, LOOK_SECONDS))
        return self.pipe_run.finished.is_set() and self.checkpointer.is_idle
