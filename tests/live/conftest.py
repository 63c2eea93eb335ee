from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable

import pytest

from tests.access.world import World, the_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with the_world() as world:
        yield world


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints, whatever pytest captures."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text} ")

    return write
