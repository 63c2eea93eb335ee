from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.access.world import World, the_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with the_world() as world:
        yield world
