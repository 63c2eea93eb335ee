"""One journal's owner runs the pipes, and everybody knows how far they have got."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.pipeline_seat import MemoryPipelineSeat
from pepeunit.adapters.postgres.pipeline_seat import PostgresPipelineSeat
from pepeunit.ports.pipeline_seat import PipelineSeat
from pepeunit.usecases.samples.ingest import LEASE
from pepeunit.usecases.samples.seat import SeatedLeases


@pytest.fixture(params=["memory", "postgres"])
def seat(request: pytest.FixtureRequest) -> PipelineSeat:
    if request.param == "memory":
        return MemoryPipelineSeat()
    engine: AsyncEngine = request.getfixturevalue("engine")
    return PostgresPipelineSeat(engine)


async def test_the_first_journal_has_the_seat_for_ever(seat: PipelineSeat) -> None:
    ours, theirs = uuid4(), uuid4()
    assert [await seat.take(one) for one in (ours, theirs, ours)] == [True, False, True]


async def test_the_newest_version_in_force_is_known_and_never_falls(seat: PipelineSeat) -> None:
    assert await seat.applied() == 0
    await seat.take(uuid4())
    for version in (7, 9, 8):
        await seat.note(version)
    assert await seat.applied() == 9


async def test_the_lease_of_the_pipes_is_for_the_seated_journal_alone(seat: PipelineSeat) -> None:
    inner, ours, theirs = MemoryLeases(), uuid4(), uuid4()
    mine = SeatedLeases(inner, seat, ours)
    async with mine.hold(LEASE) as first, mine.hold(LEASE) as second:
        assert (first, second) == (True, False)
    stranger = SeatedLeases(inner, seat, theirs)
    async with stranger.hold(LEASE) as second, stranger.hold("another") as other:
        assert (second, other) == (False, True)
    async with SeatedLeases(inner, seat, ours).hold(LEASE) as again:
        assert again
