"""One writer, what is told of it, and what is let in (rulings 34, 35; spec datapipe.md 11)."""

from __future__ import annotations

import asyncio
from uuid import UUID

from attrs import evolve

from pepeunit.codecs.exposition import render
from pepeunit.domain.ids import UnitId
from pepeunit.entrypoints.pipe_measurements import pipe_families
from tests.usecases.samples.site import QUICK, RECORDS, Site, until


async def test_o36_a_second_process_waits_and_stores_what_it_takes_when_the_first_is_gone(
    site: Site,
) -> None:
    second = Site()
    second.database, second.nodes, second.leases = site.database, site.nodes, site.leases
    second.series, second.clock = site.series, site.clock
    await second.begin()
    await until(lambda: second.ingest._is_waiting)
    assert not await second.ingest.ready(0.0)
    assert second.ingest.tenure is None
    unit = UnitId(UUID(int=7))
    await second.ingest.accept_logs([(unit, "Info", "hello", 0, 10**13)])
    assert not second.logs._entries
    await site.stop()
    await until(lambda: second.ingest.tenure is not None)
    assert await second.ingest.ready()
    await second.send("records", "b")
    await second.stored()
    assert await second.states("records") == ["b"]
    assert [entry.text for entry in second.logs._entries.values()] == ["hello"]
    await second.crash()


async def test_after_an_outage_of_the_leases_the_pipes_begin_again_and_lose_nothing(
    site: Site,
) -> None:
    first = site.ingest.tenure
    await site.send("records", "before")
    await site.send("sums", "1")
    site.database.troubles.is_down = True
    await site.send("records", "meanwhile")
    await until(lambda: site.database.troubles.is_down and len(site.series.n_records) == 2)
    await asyncio.sleep(0.3)  # a look at the pipes fails
    site.database.troubles.is_down = False
    await until(lambda: site.ingest.tenure not in (None, first))
    await site.send("records", "after")
    await site.send("sums", "2")
    site.clock.at(60)
    await site.windows_over()
    assert await site.states("records") == ["before", "meanwhile", "after"]
    assert await site.states("sums") == [3.0]


async def test_qos_0_is_shed_while_a_store_that_answers_is_too_slow() -> None:
    limits = evolve(QUICK, write_rows_min=10, backlog_seconds_max=2.0)
    site = Site(limits)
    await site.furnish(records=RECORDS)
    await site.start()
    lane = site.ingest.tenure.lanes.series  # type: ignore[union-attr]
    assert not site.ingest.sheds_qos_0
    lane.rows_per_second = 10.0
    site.series.troubles.gate = asyncio.Event()
    await site.send("records", *"a" * 15)
    await until(lambda: lane.live_row_count == 15)
    assert not site.ingest.sheds_qos_0
    await site.send("records", *"a" * 15)
    await until(lambda: lane.live_row_count == 30)
    assert site.ingest.sheds_qos_0
    site.series.troubles.gate.set()
    await site.stored()
    assert not site.ingest.sheds_qos_0
    assert lane.rows_per_second > 10.0
    await site.crash()


async def test_what_gathers_while_a_store_is_down_sheds_nothing() -> None:
    site = Site(evolve(QUICK, write_rows_min=1, backlog_seconds_max=1.0))
    await site.furnish(records=RECORDS)
    await site.start()
    lane = site.ingest.tenure.lanes.series  # type: ignore[union-attr]
    site.series.troubles.is_down = True
    await site.send("records", "a")
    await until(lambda: lane.is_down)
    lane.rows_per_second = 1.0
    await site.send("records", *"b" * 50)
    await until(lambda: lane.row_count == 51)
    assert not site.ingest.sheds_qos_0
    site.series.troubles.is_down = False
    await site.stored()
    await site.crash()


async def test_the_metrics_tell_every_outcome_and_every_store(site: Site) -> None:
    await site.send("records", "a", b"\xff")
    await site.send("sums", "1", "no number")
    await site.stored()
    site.ingest.shed(5)
    page = render(pipe_families(site.ingest)).decode()
    for line in (
        'pepeunit_pipe_messages_total{outcome="accepted"} 2',
        'pepeunit_pipe_messages_total{outcome="encoding"} 1',
        'pepeunit_pipe_messages_total{outcome="type"} 1',
        'pepeunit_pipe_messages_total{outcome="shed"} 5',
        "pepeunit_pipe_received_total 4",
        "pepeunit_pipe_open_windows 1",
        'pepeunit_pipe_rows_total{store="series"} 1',
        'pepeunit_pipe_quarantined_total{store="values"} 0',
        'pepeunit_pipe_oldest_unflushed_seconds{store="series"} 0',
        'pepeunit_pipe_spool_rows{store="logs"} 0',
    ):
        assert line in page.splitlines()


async def test_a_change_rules_what_comes_after_it_was_said_to_be_applied(site: Site) -> None:
    await site.send("records", "a")
    await site.configure("records", active=False)
    await site.send("records", "ignored")
    await site.configure("records", active=True)
    await site.send("records", "b")
    await site.stored()
    assert await site.states("records") == ["a", "b"]
    assert not await site.ingest.applied(10**9)


async def test_a_purge_keeps_the_filter_state_and_begins_to_count_again(site: Site) -> None:
    document = RECORDS | {
        "filters": {"type_input_value": "Text", "max_rate": 10, "max_size": 0},
    }
    await site.configure("records", document)
    await site.send("records", "a")
    await site.purge("records")
    site.clock.at(5)
    await site.send("records", "too soon")
    site.clock.at(10)
    await site.send("records", "b")
    await site.stored()
    assert await site.states("records") == ["b"]
    assert {row[2] for row in site.series.n_records.values() if row[3] == "b"} == {1}


async def test_a_change_is_applied_even_if_a_later_one_was_committed_and_seen_before(
    site: Site,
) -> None:
    await site.send("records", "a")
    await site.stored()
    assert site.ingest.tenure is not None
    site.ingest.tenure.follow.version += 10  # of a transaction that began later and was quicker
    await site.configure("records", active=False)
    await site.send("records", "ignored")
    await site.stored()
    assert await site.states("records") == ["a"]
