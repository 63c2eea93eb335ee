"""Whatever is lost beside the stored rows, they stay, and are read once (decision 0024)."""

from __future__ import annotations

from copy import deepcopy

import pytest
from attrs import evolve

from pepeunit.adapters.memory.checkpoint import MemoryCheckpoint
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.domain.pipes.config import RECORDS_MAX
from pepeunit.ports.series_writer import SeriesBatch
from tests.usecases.samples.site import (
    JOURNAL_ID,
    QUICK,
    RECORDS,
    SUMS,
    Site,
    Troubles,
    config,
    until,
)

KEPT = config("TimeWindow", time_window_size=86_400)
CONFIGS = pytest.mark.parametrize("document", [RECORDS, KEPT], ids=["NRecords", "TimeWindow"])


async def a_site(document: dict[str, object]) -> Site:
    site = Site()
    await site.furnish(node=document, sums=SUMS)
    await site.start()
    return site


async def send(site: Site, *states: str) -> None:
    for state in states:
        await site.send("node", state)
    await site.stored()


async def numbers(site: Site) -> list[int]:
    async with site.database.read() as rows:
        series = await rows.pipes.series(site.nodes["node"])
    assert series is not None
    stored = [*site.series.n_records.values(), *site.series.time_windows.values()]
    return sorted(row[2] for row in stored if row[:2] == (series.node, series.generation))


@CONFIGS
async def test_no_stored_row_is_replaced_when_the_checkpoint_is_lost(
    document: dict[str, object],
) -> None:
    site = await a_site(document)
    await send(site, "a", "b", "c")
    assert await site.stop()
    site.checkpoint = MemoryCheckpoint()
    await site.start()
    await send(site, "d")
    await site.crash()
    await site.start()
    await send(site, "e")
    assert await site.states("node") == ["a", "b", "c", "d", "e"]
    assert await numbers(site) == [1, 2, 3, 4, 5]
    assert await site.stop()
    assert (await site.checkpoint.load()).journal == JOURNAL_ID


async def test_what_the_journal_still_has_is_stored_once_without_its_checkpoint() -> None:
    site = await a_site(RECORDS)
    await send(site, "a")
    assert await site.stop()
    assert site.journal.released
    site.limits = evolve(QUICK, checkpoint_seconds_min=3600.0)
    await site.start()
    site.clock.at(1)
    await site.send("node", "b")
    await until(lambda: site.ingest.tenure.checkpointer.due_at not in (None, 0.0))  # type: ignore[union-attr]
    site.clock.at(2)
    await send(site, "c", "d")
    site.series.troubles.is_down = True
    site.clock.at(3)
    await site.send("node", "e")
    await site.crash()
    assert site.journal.waiting_bytes
    site.series.troubles.is_down = False
    site.checkpoint = MemoryCheckpoint()
    await site.start()
    site.clock.at(4)
    await send(site, "f")
    assert await site.states("node") == ["a", "b", "c", "d", "e", "f"]
    assert await numbers(site) == [1, 2, 3, 4, 5, 6]
    await site.crash()


@CONFIGS
@pytest.mark.parametrize("is_purged", [False, True])
async def test_no_stored_row_is_replaced_after_a_restore_of_what_was_copied_before_it(
    document: dict[str, object], is_purged: bool
) -> None:
    site = await a_site(document)
    await send(site, "a", "b")
    await until(lambda: site.ingest.tenure.checkpointer.is_idle)  # type: ignore[union-attr]
    journal, checkpoint = deepcopy(site.journal), deepcopy(site.checkpoint)
    if is_purged:
        await site.purge("node")
    await send(site, "c", "d")
    await site.crash()
    checkpoint._journal = None  # as copies have it
    site.journal, site.checkpoint = journal, checkpoint
    await site.start()
    await send(site, "e")
    kept = ["c", "d", "e"] if is_purged else ["a", "b", "c", "d", "e"]
    assert await site.states("node") == kept
    assert await numbers(site) == list(range(1, len(kept) + 1))
    await site.crash()


async def test_no_stored_row_is_replaced_when_the_journal_is_lost() -> None:
    site = await a_site(RECORDS)
    site.limits = evolve(QUICK, checkpoint_seconds_min=3600.0)
    await send(site, "a")
    await until(lambda: site.ingest.tenure.checkpointer.is_idle)  # type: ignore[union-attr]
    checkpoint = deepcopy(site.checkpoint)
    await send(site, "b", "c")
    await site.crash()
    site.journal, site.checkpoint = MemoryJournal(), checkpoint
    await site.start()
    await send(site, "d")
    assert await site.states("node") == ["a", "b", "c", "d"]
    await site.crash()


async def test_a_start_waits_for_a_store_that_must_be_asked() -> None:
    site = await a_site(RECORDS)
    await send(site, "a")
    assert await site.stop()
    site.checkpoint = MemoryCheckpoint()
    site.series.troubles.is_away = True
    await site.begin()
    assert not await site.ingest.applied(1)
    site.series.troubles.is_away = False
    await site.settled()
    await send(site, "b")
    assert await site.states("node") == ["a", "b"]
    await site.crash()


async def test_nobody_is_asked_by_a_start_that_goes_on_where_the_last_one_ended() -> None:
    site = await a_site(RECORDS)
    await send(site, "a")
    assert await site.stop()
    asked = site.series.asked
    await site.start()
    await send(site, "b")
    assert site.series.asked == asked
    assert await site.states("node") == ["a", "b"]
    await site.crash()


async def test_of_an_open_window_only_what_the_journal_has_is_counted_again() -> None:
    site = await a_site(RECORDS)
    await site.send("sums", "1")
    await site.stored()
    assert await site.stop()
    site.checkpoint = MemoryCheckpoint()
    await site.start()
    await site.send("sums", "2")
    site.clock.at(60)
    await site.windows_over()
    assert await site.states("sums") == [2.0]
    await site.crash()


class Ring(MemorySeries):
    """Forgets the oldest rows, as the stored ring does."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles = Troubles()

    async def write(self, batch: SeriesBatch) -> None:
        await self.troubles.around(lambda: MemorySeries.write(self, batch), [], half=lambda: None)


async def test_rows_behind_a_ring_that_went_round_are_not_hidden_without_the_checkpoint() -> None:
    ring = Ring()
    site = Site(series=ring)
    await site.furnish(node=RECORDS)
    await site.start()
    await site.send("node", *["old"] * 2 * RECORDS_MAX)
    await site.stored()
    assert await site.stop()
    site.limits = evolve(QUICK, checkpoint_seconds_min=3600.0)
    await site.start()
    site.clock.at(1)
    await site.send("node", "first")
    await until(lambda: site.ingest.tenure.checkpointer.due_at not in (None, 0.0))  # type: ignore[union-attr]
    site.clock.at(2)
    await site.send("node", *["stored"] * (RECORDS_MAX + 200))
    await site.stored()
    ring.troubles.is_down = True
    site.clock.at(3)
    await site.send("node", *["owed"] * 50)
    await site.crash()
    ring.troubles.is_down = False
    site.checkpoint = MemoryCheckpoint()
    await site.start()
    site.clock.at(4)
    await site.send("node", "last")
    await site.stored()
    (rows,) = ring._rings.values()
    newest = sorted(rows.values(), key=lambda row: row[2])[-51:]
    assert [row[3] for row in newest] == [*["owed"] * 50, "last"]
    await site.crash()
