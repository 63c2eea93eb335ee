"""The real use cases behind a real endpoint, and one unit to connect as."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from attrs import frozen

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import UnitId
from tests.contracts.broker.clients import BareClient
from tests.usecases.platform import Platform

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """A blocking client's work, while the endpoint goes on in this loop."""
    return await asyncio.to_thread(work)


@frozen
class Served:
    platform: Platform
    port: int
    owner: Agent
    unit: UnitId

    async def code(
        self, token: str, client: BareClient | None = None, client_id: str | None = None
    ) -> int:
        """The answer to a CONNECT, under the unit's own client id unless another is given."""
        with BareClient(self.port) as passing:
            asking = client or passing
            answer = await aside(lambda: asking.connect(client_id or str(self.unit), token))
            return int(answer.code)
