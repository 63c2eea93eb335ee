"""A platform with an endpoint for each fact."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.platform import Platform as EndpointPlatform
from tests.contracts.broker.served import Served
from tests.contracts.broker.world import ROOMY
from tests.usecases.platform import Platform, program


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    exchange = Exchange()
    platform = Platform(broker=exchange)
    platform.remote.push(program(), tag="v1")
    endpoint = Endpoint(
        exchange,
        EndpointPlatform(platform.admit, platform.authorize, platform.receive, platform.presence),
        ROOMY,
    )
    await endpoint.start("127.0.0.1", 0)
    owner = await platform.user("owner")
    unit = await platform.unit(owner, await platform.repo(owner))
    yield Served(platform, endpoint.port, owner, unit)
    await endpoint.stop()
    await platform.close()
