"""Bring changes of pipes into the journal, and tell how the pipes fare.

A change becomes a record between the samples it does not rule and those it does, so a replay uses
for every message the config that it met.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from uuid import UUID

from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.record import ControlRecord, ControlRow, NumberRow, NumbersRecord
from pepeunit.ports.database import Database
from pepeunit.ports.pipes import PipeSetting
from pepeunit.usecases.samples.in_force import Status, gone
from pepeunit.usecases.samples.intake import Intake
from pepeunit.usecases.samples.living import living
from pepeunit.usecases.samples.signal import Signal

log = logging.getLogger(__name__)
R = TypeVar("R")

POLL_SECONDS: Final = 0.25
LATE_COMMIT_SECONDS: Final = 5.0
"""A change may be committed this much later than one of a higher version."""
LATE_VERSIONS: Final = 100
"""How many changes may be under way when the pipeline starts."""
LIVING_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 1.0
ROWS_PER_RECORD: Final = 1_000
ROUNDS_SHARE: Final = 0.05
"""Of the time that reading all nodes may take."""


class FollowPipes:
    """``known`` are the settings that the journal has, in force or on their way to it."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        known: Iterable[ControlRow],
        reread_seconds: float,
    ) -> None:
        self._database = database
        self._intake = intake
        self._known = {row[0]: row for row in known}
        self._texts = {row[1]: row[1] for row in self._known.values()}
        self._reread_seconds = reread_seconds
        self._asked = Signal()
        self._seen: deque[tuple[float, int]] = deque()
        """When which version was the newest."""
        self.version = max((row[4] for row in self._known.values()), default=0)
        """Of the newest setting that was journalled: it rules what is received from now on."""
        self.looked_at = float("-inf")
        """On the loop's clock: what was committed before is journalled."""
        self._uncounted: Sequence[NumberRow] | None = None
        self._reports: dict[UUID, Status] = {}
        self._reread_at = self._living_at = 0.0
        self._is_away = False
        self.is_current = asyncio.Event()
        """Set once everything was read after the start."""
        self.came_back = asyncio.Event()
        """Set when the store answered again after it was away."""

    def ask(self) -> None:
        """Look now."""
        self._asked()

    def owe(self, stored: Sequence[NumberRow]) -> None:
        """Journal these numbers before anything else is let in, and behind the settings they are
        of: what an earlier run left is run as it was, what comes later is counted above them."""
        self._uncounted = stored

    @property
    def is_counted(self) -> bool:
        """Nothing is owed: what comes from now on gets numbers that no stored row has."""
        return self._uncounted is None

    async def _count_on(self) -> None:
        if self._uncounted is None:
            return
        known = self._known
        rows = [row for row in self._uncounted if row[0] in known and known[row[0]][2] == row[1]]
        for some in _parts(rows):
            await self._intake.append(NumbersRecord(some))
        self._uncounted = None

    def report(self, node: UUID, status: Status) -> None:
        """Have the node's status shown."""
        self._reports[node] = status

    async def run(self) -> None:
        """Look for ever, until cancelled."""
        is_told = False
        while True:
            try:
                await self.look()
                await self._count_on()
            except Unavailable as outage:
                if not is_told:
                    log.warning("changes of pipes wait: %s", outage)
                is_told = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            is_told = False
            self.is_current.set()
            await self._asked.wait(POLL_SECONDS)

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Around questions to the relational store."""
        try:
            yield
        except Unavailable:
            self._is_away = True
            raise
        if self._is_away:
            self._is_away = False
            self.came_back.set()

    async def look(self) -> None:
        """Journal what changed, and report. Raises ``Unavailable``."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        after = 0 if begun >= self._reread_at else self._late_version(begun)
        async with self._asking(), self._database.read() as rows:
            changed = await rows.pipes.changed(after)
        await self._journal([self._row(setting) for setting in changed])
        newest = max((setting.version for setting in changed), default=0)
        if not self._seen:
            self._seen.append((begun - LATE_COMMIT_SECONDS, newest - LATE_VERSIONS))
        if newest > self._seen[-1][1]:
            self._seen.append((begun, newest))
        self.version = max(self.version, newest)
        self.looked_at = begun
        if begun >= self._reread_at:
            self._texts = {row[1]: row[1] for row in self._known.values()}
            self._reread_at = loop.time() + self._pause(self._reread_seconds, begun)
        if begun >= self._living_at:
            await self._find_deleted()
            self._living_at = loop.time() + self._pause(LIVING_SECONDS, begun)
        await self._send_reports()

    def _pause(self, seconds: float, begun: float) -> float:
        took = asyncio.get_running_loop().time() - begun
        return max(seconds, took / ROUNDS_SHARE)

    def _late_version(self, now: float) -> int:
        """The newest version at a time before which everything was committed."""
        seen = self._seen
        while len(seen) > 1 and seen[1][0] <= now - LATE_COMMIT_SECONDS:
            seen.popleft()
        return seen[0][1]

    def _row(self, setting: PipeSetting) -> ControlRow:
        config = self._texts.setdefault(setting.config, setting.config)
        return setting.node, config, setting.generation, setting.seq, setting.version

    async def _journal(self, rows: Sequence[ControlRow]) -> None:
        fresh = []
        for row in rows:
            known = self._known.get(row[0])
            if known is None or (known != row and row[4] >= known[4]):
                fresh.append(row)
        for some in _parts(fresh):
            await self._intake.append(ControlRecord(some))
            self._known.update((row[0], row) for row in some)

    async def _find_deleted(self) -> None:
        known = list(self._known)  # before the question: a node made meanwhile is not missed
        async with self._asking():
            async with self._database.read() as rows:
                if await rows.pipes.count(self.version) == len(known):
                    return
            found = await living(self._database, known)
        rows_gone = [gone(node) for node in known if node not in found]
        for some in _parts(rows_gone):
            await self._intake.append(ControlRecord(some))
            for row in some:
                self._known.pop(row[0], None)
                self._reports.pop(row[0], None)

    async def _send_reports(self) -> None:
        if not self._reports:
            return
        reports, self._reports = self._reports, {}
        by_status: dict[Status, list[NodeId]] = {}
        for node, status in reports.items():
            by_status.setdefault(status, []).append(NodeId(node))
        try:
            async with self._asking(), self._database.begin() as tx:
                for (shown, error), nodes in by_status.items():
                    await tx.pipes.report(nodes, shown, error)
        except BaseException:
            self._reports = reports | self._reports
            raise


def _parts(rows: Sequence[R]) -> Iterable[Sequence[R]]:
    return (rows[at : at + ROWS_PER_RECORD] for at in range(0, len(rows), ROWS_PER_RECORD))
