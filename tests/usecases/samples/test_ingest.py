"""Durable when accepted, stored once, nothing released before it is stored (rulings 27, 31, 32)."""

from __future__ import annotations

import pytest

from tests.usecases.samples.site import EPOCH, LAST_VALUE, SUMS, Site


async def test_values_rows_and_windows_reach_their_stores(site: Site) -> None:
    site.clock.at(5)
    await site.send("value", "on", "off")
    await site.send("records", "a", "b")
    await site.send("sums", "1", "2")
    await site.settled()
    assert await site.value("value") == "off"
    assert await site.states("records") == ["a", "b"]
    assert await site.states("sums") == []
    site.clock.at(61)
    await site.send("value", "on")
    await site.settled()
    assert await site.states("sums") == [3.0]


async def test_a_window_ends_when_the_clock_is_set_ahead_and_nothing_else_comes(site: Site) -> None:
    """A board without a battery boots into the past, a laptop sleeps; the loop tells neither."""
    site.clock.at(5)
    await site.send("sums", "1", "2")
    await site.stored()
    site.clock.at(3_600)
    await site.windows_over()
    assert await site.states("sums") == [3.0]


@pytest.mark.parametrize("is_clean", [True, False])
async def test_a_restart_forgets_no_count(site: Site, *, is_clean: bool) -> None:
    await site.send("sums", "1", "x", "y")
    await site.stored()
    await (site.stop() if is_clean else site.crash())
    await site.start()
    await site.send("sums", "9", "z")
    await site.stored()
    counted = await site.ingest.drops(site.nodes["sums"])
    assert (counted["accepted"], counted["type"]) == (2, 3)


async def test_a_window_of_a_config_with_event_time_waits_for_what_comes_late(site: Site) -> None:
    await site.configure("sums", SUMS | {"event_time": {"lateness_seconds": 60}})
    await site.configure("value", LAST_VALUE | {"event_time": {"lateness_seconds": 60}})
    start = int(EPOCH.timestamp())
    site.clock.at(5)
    await site.send("sums", f"t={start + 1};1")
    await site.send("value", f"t={start + 4};on")
    await site.settled()
    site.clock.at(62)
    await site.send("value", f"t={start + 3};late", f"t={start + 1};too late")
    await site.windows_over()
    assert await site.value("value") == "on"
    assert await site.states("sums") == []
    await site.crash()
    await site.start()
    await site.send("sums", f"t={start + 59};2", f"t={start + 1};100")
    site.clock.at(119)
    await site.windows_over()
    assert await site.states("sums") == []
    site.clock.at(120)
    await site.windows_over()
    assert await site.states("sums") == [3.0]
    assert (await site.ingest.drops(site.nodes["sums"]))["untimely"] == 1


async def test_what_was_accepted_survives_a_crash_at_once(site: Site) -> None:
    site.series.troubles.is_down = True
    await site.send("records", "a")
    await site.send("sums", "1")
    await site.crash()
    site.series.troubles.is_down = False
    await site.start()
    await site.settled()
    assert await site.states("records") == ["a"]
    await site.send("records", "b")
    site.clock.at(60)
    await site.send("sums", "5")
    await site.settled()
    assert await site.states("records") == ["a", "b"]
    assert await site.states("sums") == [1.0]


async def test_a_clean_stop_leaves_nothing_in_the_journal(site: Site) -> None:
    await site.send("records", "a")
    await site.send("sums", "1")
    assert await site.stop()
    assert site.journal.waiting_bytes == 0
    assert await site.states("records") == ["a"]
