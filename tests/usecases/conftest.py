"""A fresh platform for each fact."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.users.user import UserRole
from tests.usecases.platform import Platform, program


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    platform = Platform()
    platform.remote.push(program(), tag="v1")
    yield platform
    await platform.close()


@pytest.fixture
async def owner(platform: Platform) -> Agent:
    return await platform.user("owner")


@pytest.fixture
async def stranger(platform: Platform) -> Agent:
    return await platform.user("stranger")


@pytest.fixture
async def admin(platform: Platform) -> Agent:
    return await platform.user("boss", UserRole.ADMIN)
