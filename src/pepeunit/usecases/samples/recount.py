"""Go on counting where the stores are, when the checkpoint cannot say where that is.

A row is known by its number, so one that is counted anew takes the place of a stored one. A
checkpoint that is lost, restored from a copy, or parted from its journal counts from too low a
number: then the store is asked for the greatest ones (decision 0024).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from pepeunit.domain.messaging.record import NumberRow
from pepeunit.domain.pipes.config import RECORDS_MAX
from pepeunit.ports.series_admin import SeriesAdmin
from pepeunit.usecases.samples.in_force import PipesInForce
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.intake import Intake


async def stored_numbers(admin: SeriesAdmin, before_ms: int | None = None) -> Sequence[NumberRow]:
    """How far every series is stored, by rows created before a moment. Raises ``Unavailable``."""
    numbers = await admin.numbers(before_ms)
    return [(*series, seq, window_seq) for series, (seq, window_seq) in numbers.items()]


async def bridge(
    parts: IngestParts, intake: Intake, in_force: PipesInForce, stored: Sequence[NumberRow]
) -> None:
    """Records are missing between what is remembered and what the journal still has: let today's
    settings rule the rest, and number its rows as they were, from the newest stored row that was
    created before its first sample. ``stored`` is all that :func:`stored_numbers` knows. Raises
    ``Unavailable``."""
    async with parts.database.read() as rows:
        settings = await rows.pipes.changed(0)
    for index, one in enumerate(settings):
        if index % parts.limits.slice_nodes == parts.limits.slice_nodes - 1:
            await asyncio.sleep(0)
        in_force.apply((one.node, one.config, one.generation, one.seq, one.version))
    before = await stored_numbers(parts.series_admin, await intake.first_received_ms())
    in_force.count_on([*before, *_overrun(before, stored)])


def _overrun(before: Sequence[NumberRow], stored: Sequence[NumberRow]) -> Iterable[NumberRow]:
    """Series whose newest rows alone are left, all of them of the rest: a lower number would be
    hidden behind them, so theirs is counted on, and what was stored of the rest is read twice."""
    known = {(node, generation) for node, generation, seq, _ in before if seq}
    for node, generation, seq, _ in stored:
        if seq > RECORDS_MAX and (node, generation) not in known:
            yield node, generation, seq, 0
