"""Durable when accepted, stored once, nothing released before it is stored (rulings 27, 31, 32)."""

from __future__ import annotations

from tests.usecases.samples.site import Site


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
