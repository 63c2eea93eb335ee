"""What every store of unit logs promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pepeunit.domain.errors import Invalid
from pepeunit.domain.ids import UnitId
from pepeunit.domain.units.log import LogLevel, UnitLog
from pepeunit.ports.logs import LogQuery, Logs
from pepeunit.ports.paging import Slice

UNIT = UnitId(uuid4())
START = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
"""Still to come, so that no store frees an entry before its test has looked."""


@pytest.fixture(autouse=True)
async def nothing_stored(logs: Logs) -> None:
    await logs.delete_unit(UNIT)


def entry(
    second: int,
    *,
    unit: UnitId = UNIT,
    level: LogLevel = LogLevel.INFO,
    text: str = "hello",
    kept: timedelta = timedelta(days=1),
) -> UnitLog:
    created = START + timedelta(seconds=second)
    return UnitLog(unit, level, text, created, created + kept)


async def texts(logs: Logs, now: datetime = START, unit: UnitId = UNIT) -> list[str]:
    return [found.text for found in (await logs.find(LogQuery(unit, now))).items]


async def test_an_entry_sent_again_is_stored_once(logs: Logs) -> None:
    first, second = entry(1, text="a"), entry(2, text="b")
    await logs.append([])
    await logs.append([first, second, first])
    await logs.append([second, entry(3, text="c")])
    found = await logs.find(LogQuery(UNIT, START, newest_first=False))
    assert list(found.items) == [first, second, entry(3, text="c")]
    assert await texts(logs) == ["c", "b", "a"]


async def test_entries_are_found_by_unit_level_and_page(logs: Logs) -> None:
    rows = [entry(n, level=LogLevel.ERROR if n % 2 else LogLevel.DEBUG) for n in range(6)]
    await logs.append([*rows, entry(0, unit=UnitId(uuid4()))])
    errors = await logs.find(LogQuery(UNIT, START, frozenset({LogLevel.ERROR})))
    assert list(errors.items) == rows[5::-2]
    page = await logs.find(LogQuery(UNIT, START, slice=Slice(1, 2)))
    assert (page.count, list(page.items)) == (6, [rows[4], rows[3]])
    beyond = await logs.find(LogQuery(UNIT, START, slice=Slice(6, 2)))
    assert (beyond.count, list(beyond.items)) == (6, [])


async def test_entries_of_one_moment_never_change_places(logs: Logs) -> None:
    rows = [entry(0, text=str(n)) for n in range(9)]
    await logs.append(rows)
    for newest_first in (True, False):
        query = LogQuery(UNIT, START, newest_first=newest_first)
        whole = [found.text for found in (await logs.find(query)).items]
        pages = [
            (await logs.find(LogQuery(UNIT, START, None, newest_first, Slice(n, 1)))).items[0].text
            for n in range(9)
        ]
        assert pages == whole


async def test_expired_entries_are_left_out(logs: Logs) -> None:
    await logs.append([entry(0, text="old", kept=timedelta(seconds=5)), entry(0, text="new")])
    later = START + timedelta(seconds=5)
    assert sorted(await texts(logs, later - timedelta(microseconds=1))) == ["new", "old"]
    assert await texts(logs, later) == ["new"]


async def test_deleting_a_unit_takes_its_entries_alone(logs: Logs) -> None:
    other = UnitId(uuid4())
    await logs.append([entry(0), entry(0, unit=other, text="stays")])
    await logs.delete_unit(UNIT)
    assert await texts(logs) == []
    assert await texts(logs, unit=other) == ["stays"]


async def test_a_text_that_no_store_holds_stores_nothing_of_the_batch(logs: Logs) -> None:
    for text in ("\0", "\ud800"):
        with pytest.raises(Invalid):
            await logs.append([entry(0), entry(1, text=text)])
    assert await texts(logs) == []


async def test_an_entry_sent_again_lives_as_long_as_the_last(logs: Logs) -> None:
    """A LogSync loses nothing (rulings 33): what a device still has is kept anew."""
    for kept in (5, 60, 20):
        await logs.append([entry(0, kept=timedelta(seconds=kept))])
    found = await logs.find(LogQuery(UNIT, START + timedelta(seconds=30)))
    assert list(found.items) == [entry(0, kept=timedelta(seconds=60))]


async def test_a_device_without_a_clock_may_log_from_any_year(logs: Logs) -> None:
    times = [datetime(year, 1, 2, 3, 4, 5, 678_000, UTC) for year in (1, 1899, 1970, 2300, 9999)]
    entries = [
        UnitLog(UNIT, LogLevel.CRITICAL, "\U0001f600 {x:String} \\' --", at, START) for at in times
    ]
    await logs.append(entries[::-1])
    page = await logs.find(LogQuery(UNIT, START - timedelta(seconds=1), newest_first=False))
    assert list(page.items) == entries
