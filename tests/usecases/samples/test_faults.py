"""The faults between a message and a stored row, one by one (spec datapipe.md 11)."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.messaging.record import SampleRecord
from pepeunit.usecases.samples.limits import IngestLimits
from pepeunit.usecases.samples.tenure import Tenure
from tests.usecases.samples.site import (
    QUICK,
    RECORDS,
    SUMS,
    Row,
    Site,
    config,
    until,
)

MAXIMA = config("Aggregation", "Number", time_window_size=60, aggregation_functions="Max")


async def test_b1_settings_travel_with_the_row_and_the_window() -> None:
    site = Site()
    few, many = (config("NRecords", n_records_count=n) for n in (1, 9))
    await site.furnish(few=few, many=many, sums=SUMS, maxima=MAXIMA)
    await site.start()
    for name in ("few", "many", "few", "sums", "maxima", "sums", "maxima"):
        await site.send(name, "2")
    site.clock.at(60)
    await site.windows_over()
    limits = {row[0]: row[6] for row in site.series.n_records.values()}
    assert limits == {site.nodes["few"]: 1, site.nodes["many"]: 9}
    found = {(row[0], row[3]): row[2] for row in site.series.aggregates.values()}
    assert found == {(site.nodes["sums"], "Sum"): 4.0, (site.nodes["maxima"], "Max"): 2.0}
    await site.crash()


async def test_b2_windows_of_one_start_stay_apart_by_size_and_function(site: Site) -> None:
    await site.send("sums", "1")
    await site.configure("sums", MAXIMA)
    await site.send("sums", "9")
    longer = config("Aggregation", "Number", time_window_size=300, aggregation_functions="Sum")
    await site.configure("sums", longer)
    await site.send("sums", "5")
    site.clock.at(300)
    await site.windows_over()
    kept = {(row[4], row[3]): row[2] for row in site.series.aggregates.values()}
    assert kept == {(60, "Sum"): 1.0, (60, "Max"): 9.0, (300, "Sum"): 5.0}


async def test_b3_b23_a_store_that_hangs_holds_up_neither_intake_nor_the_other_store() -> None:
    site = Site()
    names = [f"n{number}" for number in range(40)]
    await site.furnish(records=RECORDS, **{name: config() for name in names})
    await site.start()
    site.series.troubles.gate = asyncio.Event()
    await site.send("records", "a")
    for name in names * 3:
        await site.send(name, name)
    await until(lambda: not site.ingest.tenure.lanes.values.row_count)  # type: ignore[union-attr]
    assert [await site.value(name) for name in names] == names
    assert await site.states("records") == []
    site.series.troubles.gate.set()
    await site.stored()
    assert await site.states("records") == ["a"]
    await site.crash()


async def test_o38_a_full_buffer_of_last_values_is_written_at_once_and_takes_the_next() -> None:
    never = 3600.0
    limits = evolve(QUICK, flush_seconds=never, checkpoint_seconds_min=never)
    site = Site(evolve(limits, flush_rows=3, checkpoint_seconds_max=never))
    names = [f"n{number}" for number in range(9)]
    await site.furnish(**{name: config() for name in names})
    await site.start()
    for word in ("first", "second"):
        for name in names:
            await site.send(name, f"{word} of {name}")
        await until(lambda: not site.ingest.tenure.pipe_run.waiting_rows)  # type: ignore[union-attr]
        await until(lambda: not site.ingest.tenure.lanes.values.row_count)  # type: ignore[union-attr]
        assert [await site.value(name) for name in names] == [f"{word} of {name}" for name in names]
    await site.crash()


async def test_b23_history_is_written_while_the_relational_store_is_down(site: Site) -> None:
    site.database.troubles.is_down = True
    await site.send("value", "later")
    await site.send("records", "now")
    await until(lambda: len(site.series.n_records) == 1)
    assert await site.value("value") is None
    site.database.troubles.is_down = False
    await until(lambda: site.ingest.tenure is not None)
    await site.stored()
    assert await site.value("value") == "later"


async def test_b23_memory_is_bounded_while_a_store_is_down_and_the_journal_is_released() -> None:
    limits = evolve(QUICK, queue_bytes_max=20_000)
    site = Site(limits)
    await site.furnish(records=RECORDS)
    await site.start()
    site.series.troubles.is_down = True
    for number in range(300):
        await site.send("records", *[f"{number} {n}" for n in range(10)])
    tenure = site.ingest.tenure
    assert tenure is not None
    lane = tenure.lanes.series
    await until(lambda: lane.spooled_rows == 3_000 and not site.journal.waiting_bytes)
    assert lane.memory_bytes <= limits.queue_bytes_max
    assert site.ingest.intake.queue_bytes <= limits.queue_bytes_max
    await site.crash()
    site.series.troubles.is_down = False
    await site.start()
    await site.stored()
    assert await site.states("records") == [f"{m} {n}" for m in range(300) for n in range(10)]
    await until(lambda: not site.checkpoint._spool)
    await site.crash()


async def test_b23_a_full_spool_stops_the_pipes_and_the_journal_takes_the_rest() -> None:
    limits = evolve(QUICK, queue_bytes_max=10_000, spool_bytes_max=2_000)
    site = Site(limits, journal_bytes=100_000)
    await site.furnish(records=RECORDS)
    await site.start()
    site.series.troubles.is_down = True
    sent = 0
    with pytest.raises(Unavailable):
        for _ in range(5_000):
            await site.send("records", *["x" * 20] * 10)
            sent += 10
    tenure = site.ingest.tenure
    assert tenure is not None
    assert tenure.lanes.series.memory_bytes <= 1.5 * limits.queue_bytes_max
    assert site.ingest.intake.queue_bytes <= limits.queue_bytes_max
    site.series.troubles.is_down = False
    await site.stored()
    assert len(await site.states("records")) == sent
    await site.crash()


async def test_b23_long_texts_count_as_what_they_are() -> None:
    limits = evolve(QUICK, queue_bytes_max=3 * 2**20)
    site = Site(limits)
    await site.furnish(records=RECORDS)
    await site.start()
    site.series.troubles.gate = asyncio.Event()
    long = "x" * 200_000
    await site.send("records", *[long] * 60)  # more than one journal record holds
    for _ in range(20):
        await site.send("records", long)
    tenure = site.ingest.tenure
    assert tenure is not None
    await until(lambda: tenure.lanes.series.spooled_rows > 0)
    assert site.ingest.intake.queue_bytes <= limits.queue_bytes_max
    site.series.troubles.gate.set()
    await site.stored()
    assert len(await site.states("records")) == 80
    await site.crash()


async def test_b23_a_spooled_entry_that_cannot_be_read_holds_up_nothing(site: Site) -> None:
    site.series.troubles.is_down = True
    await site.send("records", "a")
    lane = site.ingest.tenure.lanes.series  # type: ignore[union-attr]
    await until(lambda: lane.spooled_rows == 1)
    await site.crash()
    number, (entry, _) = next(iter(site.checkpoint._spool.items()))
    site.checkpoint._spool[number] = (entry, b"damaged")
    site.series.troubles.is_down = False
    await site.start()
    await site.send("records", "b")
    await site.stored()
    assert await site.states("records") == ["b"]


@pytest.mark.parametrize("fault", ["down", "answer lost", "half", "bug", "slow"])
async def test_b4_rows_are_kept_until_the_store_has_them_and_stored_once(
    site: Site, fault: str
) -> None:
    site.series.troubles.faults = [fault] * 4
    for number in range(20):
        await site.send("records", str(number))
    await site.stored()
    assert await site.states("records") == [str(number) for number in range(20)]


async def test_b5_bytes_that_are_no_text_are_dropped_before_any_store(site: Site) -> None:
    await site.send("value", "good", b"\xff\xfe", b"a\0b")
    await site.stored()
    assert await site.value("value") == "good"
    assert (await site.ingest.drops(site.nodes["value"]))["encoding"] == 2


async def test_b5_a_row_the_store_never_takes_is_put_aside_alone(site: Site) -> None:
    site.series.troubles.is_poison = lambda row: row[3] == "poison"
    await site.send("records", *"abc", "poison", *"def", "poison", "g")
    await site.stored()
    assert await site.states("records") == [*"abcdefg"]
    aside = await site.checkpoint.quarantined()
    assert [json.loads(one.row)[0][0][3] for one in aside] == ["poison", "poison"]
    assert {(one.lane, one.reason) for one in aside} == {("series", "a row that cannot be stored")}
    tenure = site.ingest.tenure
    assert tenure is not None
    assert tenure.lanes.series.quarantined == 2


async def test_b6_a_stop_flushes_and_open_windows_live_on(site: Site) -> None:
    await site.send("value", "last")
    await site.send("records", "a")
    await site.send("sums", "1")
    assert await site.stop()
    assert (await site.value("value"), await site.states("records")) == ("last", ["a"])
    assert site.journal.waiting_bytes == 0
    await site.start()
    await site.send("sums", "2")
    site.clock.at(60)
    await site.windows_over()
    assert await site.states("sums") == [3.0]


async def test_b6_a_stop_spools_what_a_store_does_not_take(site: Site) -> None:
    site.series.troubles.is_down = True
    await site.send("records", "a")
    assert await site.stop()
    assert site.journal.waiting_bytes == 0
    site.series.troubles.is_down = False
    await site.start()
    await site.stored()
    assert await site.states("records") == ["a"]


async def test_b7_a_config_with_dates_without_offset_runs(site: Site) -> None:
    document = RECORDS | {"active_period": {"type": "FromDate", "start": "2025-03-01T00:00:10"}}
    await site.configure("records", document)
    site.clock.at(9)
    await site.send("records", "early")
    site.clock.at(10)
    await site.send("records", "due")
    await site.stored()
    assert await site.states("records") == ["due"]
    assert (await site.ingest.drops(site.nodes["records"]))["inactive"] == 1


@pytest.mark.parametrize("text", ['{"filters": NaN}', "[]", "{"])
async def test_b8_a_config_that_cannot_run_shows_error_with_a_text(site: Site, text: str) -> None:
    await site.configure("records", text)
    await until_status(site, "records", "Error")
    assert (await site.node("records")).data_pipe_error
    await site.send("records", "a")
    await site.configure("records", RECORDS)
    await until_status(site, "records", "Active")
    assert (await site.node("records")).data_pipe_error is None
    await site.send("records", "b")
    await site.stored()
    assert await site.states("records") == ["b"]
    await site.configure("records", active=False)
    await until_status(site, "records", "Inactive")


async def test_b9_nodes_with_one_config_share_one_compiled_pipe(site: Site) -> None:
    await site.configure("value", RECORDS)
    for _ in range(3):
        await site.send("value", "a")
        await site.send("records", "a")
    await site.stored()
    tenure = site.ingest.tenure
    assert tenure is not None
    pipes = {tenure.in_force.nodes[site.nodes[n]].memory.compiled for n in ("value", "records")}
    assert len(pipes) == 1
    assert None not in pipes


async def test_b9_configs_that_no_node_has_are_forgotten(site: Site) -> None:
    tenure = site.ingest.tenure
    assert tenure is not None
    for number in range(100):
        await site.configure("records", config("NRecords", n_records_count=number + 1))
        await site.send("records", "a")
    await site.stored()
    assert len(tenure.in_force._configs) <= 80
    assert len(tenure.in_force._compiled) <= 80


async def test_b10_rows_that_wait_are_counted_as_they_come_and_go(site: Site) -> None:
    tenure = site.ingest.tenure
    assert tenure is not None
    lane = tenure.lanes.series
    site.series.troubles.is_down = True
    for number in range(7):
        await site.send("records", "a", "b", str(number))
    await until(lambda: lane.row_count == 21)
    await until(lambda: lane.spooled_rows == 21)
    site.series.troubles.is_down = False
    await site.stored()
    counts = (lane.row_count, lane.live_row_count, lane.memory_bytes, lane.spooled_bytes)
    assert (*counts, lane.spooled_rows, lane.stored_rows) == (0, 0, 0, 0, 0, 21)


async def test_b11_a_window_takes_the_same_room_however_many_values(site: Site) -> None:
    await site.send("sums", "1")
    await site.stop()
    first = len(site.checkpoint._memories[site.nodes["sums"]])
    await site.start()
    for _ in range(50):
        await site.send("sums", *["1"] * 100)
    await site.stop()
    assert len(site.checkpoint._memories[site.nodes["sums"]]) <= first + 16


async def test_b12_a_node_that_is_gone_leaves_nothing(site: Site) -> None:
    await site.send("records", "a")
    await site.send("sums", "1")
    await site.stored()
    for name in ("records", "sums"):
        await site.delete(name)
    await site.crash()
    await site.start()  # all nodes are looked through at the start, and every ten seconds
    tenure = site.ingest.tenure
    assert tenure is not None
    await until(lambda: site.nodes["records"] not in tenure.in_force.nodes)
    await until(lambda: site.nodes["sums"] not in tenure.in_force.nodes)
    site.clock.at(61)
    await site.send("records", "orphan")
    await site.windows_over()
    assert not site.series.aggregates
    assert len(tenure.pipe_run.dead) == 2
    await tenure._sweep.delete_dead()
    assert not site.series.n_records
    await site.stop()
    assert set(site.checkpoint._memories) | set(site.checkpoint._settings) == {site.nodes["value"]}


async def test_o16_rows_of_a_removed_node_are_deleted_and_no_others(site: Site) -> None:
    async def removed(name: str) -> Tenure:
        """While nobody runs the pipes."""
        await site.stop()
        await site.delete(name)
        await site.start()
        assert site.ingest.tenure is not None
        return site.ingest.tenure

    await site.send("records", "a")
    await site.send("sums", "1")
    site.clock.at(61)
    await site.windows_over()
    tenure = await removed("records")
    assert site.series.n_records
    assert await tenure._sweep.delete_orphans() == 1
    assert not site.series.n_records
    assert {key[0] for key in site.series.aggregates} == {site.nodes["sums"]}
    tenure = await removed("sums")
    await until(lambda: site.nodes["sums"] in [node for _, node, _ in tenure.pipe_run.dead])
    await site.stored()
    assert await tenure._sweep.delete_dead()
    assert not site.series.aggregates


async def test_b13_dropped_messages_are_counted_and_write_no_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await site.configure("sums", config("NRecords", "Number", n_records_count=3, unique=True))
    caplog.clear()
    await site.send("sums", *["no number"] * 50, "1", "1", "2")
    await site.ingest.accept(SampleRecord(0, {UUID(int=9): [b"nobody's"] * 4}))
    await site.stored()
    drops = await site.ingest.drops(site.nodes["sums"])
    assert {reason: count for reason, count in drops.items() if count} == {
        "accepted": 2,
        "type": 50,
        "unique": 1,
    }
    outcomes = site.ingest.counters.outcomes()
    assert (outcomes["type"], outcomes["unique"], outcomes["ignored"]) == (50, 1, 4)
    assert outcomes["accepted"] == 2
    assert not [one for one in caplog.records if one.name.startswith("pepeunit")]


async def test_b14_changes_made_while_nobody_looked_are_in_force_after_the_start(
    site: Site,
) -> None:
    await site.crash()
    await site.configure("records", config("NRecords", "Number", n_records_count=5))
    await site.start()
    await site.send("records", "text", "1")
    await site.stored()
    assert await site.states("records") == ["1"]


async def test_b14_a_change_committed_late_under_a_lower_version_is_seen(site: Site) -> None:
    """The other change, with the higher version, was seen before."""
    node = await site.node("records")
    await site.configure("value", RECORDS)
    async with MemoryDatabase.begin(site.database) as tx:
        await tx.nodes.put([evolve(node, is_data_pipe_active=False)])
        setting = await tx.pipes.setting(node.uuid)
        assert setting is not None
    piped = site.database._world.piped
    piped[node.uuid] = evolve(piped[node.uuid], version=setting.version - 1)
    follow = site.ingest.tenure.follow  # type: ignore[union-attr]
    follow.ask()
    await until(lambda: follow._known[node.uuid][1] is None)


async def test_b15_only_what_changed_is_read(site: Site) -> None:
    asked: list[int] = []
    tenure = site.ingest.tenure
    assert tenure is not None
    follow = tenure.follow
    await site.configure("value", RECORDS)
    follow._seen[0] = (-1e9, follow.version)  # long enough ago for late commits
    async with MemoryDatabase.read(site.database) as rows:
        asked += [len(await rows.pipes.changed(after)) for after in (0, follow._late_version(0))]
    assert asked == [3, 0]


async def test_b16_nothing_is_acknowledged_that_the_journal_refused() -> None:
    site = await _without_a_pipeline(QUICK)
    accepted = []
    with pytest.raises(Unavailable):
        for number in range(100):
            await site.send("records", f"number {number}")
            accepted.append(f"number {number}")
    assert accepted
    site.journal.bytes_max = 2**20
    await site.start()
    await site.stored()
    assert await site.states("records") == accepted
    await site.crash()


async def test_b16_what_waits_for_room_is_taken_once_there_is_some() -> None:
    site = await _without_a_pipeline(evolve(QUICK, journal_bytes_max=1_000, room_seconds=5.0))
    sending = asyncio.create_task(_send_many(site, 60))
    await until(lambda: site.ingest.sheds_qos_0)
    assert not sending.done()
    running = asyncio.create_task(site.ingest.run())
    await sending
    await site.stored()
    assert len(await site.states("records")) == 60
    running.cancel()
    await asyncio.wait([running])


async def _without_a_pipeline(limits: IngestLimits) -> Site:
    """The process takes samples; their pipes are known, but do not run."""
    site = Site(limits, journal_bytes=1_000)
    await site.furnish(records=RECORDS)
    await site.start()
    await site.stop()
    await site.crash()
    site.ingest = site.new()
    return site


async def _send_many(site: Site, count: int) -> None:
    for number in range(count):
        await site.send("records", f"number {number}")


def time_of(row: Row) -> datetime:
    return datetime.fromtimestamp(row[5] / 1000, UTC)


async def until_status(site: Site, name: str, status: str) -> None:
    async with asyncio.timeout(5):
        while (await site.node(name)).data_pipe_status != status:
            await asyncio.sleep(0.005)


async def test_replayed_rows_keep_their_receive_times(site: Site) -> None:
    site.series.troubles.is_down = True
    site.clock.at(3)
    await site.send("records", "a")
    await site.crash()
    site.series.troubles.is_down = False
    site.clock.at(3_000)
    await site.start()
    await site.stored()
    received: Any = [time_of(row) for row in site.series.n_records.values()]
    assert received == [datetime(2025, 3, 1, tzinfo=UTC) + timedelta(seconds=3)]
