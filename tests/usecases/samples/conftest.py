"""A fresh instance for each fact."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.usecases.samples.site import LAST_VALUE, RECORDS, SUMS, Site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Three nodes: ``value`` keeps the last one, ``records`` all, ``sums`` one row a minute."""
    site = Site()
    await site.furnish(value=LAST_VALUE, records=RECORDS, sums=SUMS)
    await site.start()
    yield site
    await site.crash()
