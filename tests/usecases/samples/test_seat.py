"""Every process knows which changes of pipes rule, wherever the pipes run (rulings 34)."""

from __future__ import annotations

import asyncio

from pepeunit.adapters.memory.pipeline_seat import MemoryPipelineSeat
from pepeunit.usecases.samples.seat import SharedPipeline, tell_applied
from tests.usecases.samples.site import Site


async def test_a_change_is_in_force_for_a_process_that_runs_no_pipes(site: Site) -> None:
    seat = MemoryPipelineSeat()
    elsewhere = SharedPipeline(site.new(), seat)
    tenure = site.ingest.tenure
    assert tenure is not None
    assert not await elsewhere.applied(tenure.follow.version)  # nobody has told yet
    telling = asyncio.create_task(tell_applied(site.ingest, seat))
    assert await elsewhere.applied(tenure.follow.version)
    assert not await elsewhere.applied(tenure.follow.version + 1)
    telling.cancel()
    await asyncio.wait([telling])


async def test_the_process_that_runs_the_pipes_asks_nobody(site: Site) -> None:
    here = SharedPipeline(site.ingest, MemoryPipelineSeat())
    assert site.ingest.tenure is not None
    assert await here.applied(site.ingest.tenure.follow.version)
    assert await here.drops(site.nodes["value"]) == await site.ingest.drops(site.nodes["value"])
