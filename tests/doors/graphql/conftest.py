from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.doors.graphql.platform import Gql, served


@pytest.fixture
async def gql() -> AsyncIterator[Gql]:
    async with served() as gql:
        yield gql
