"""Work that comes round: every so many seconds, or once an hour."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from pepeunit.domain.errors import Unavailable

log = logging.getLogger(__name__)

HOUR_SECONDS: Final = 3600.0

Work = Callable[[], Awaitable[Any]]


async def every(seconds: float, name: str, work: Work) -> None:
    """Run for ever; a round that fails is logged and the next one comes all the same."""
    while True:
        await asyncio.sleep(seconds)
        await _round(name, work)


async def hourly(minute: int, name: str, work: Work) -> None:
    """Run at that minute of every hour (UTC)."""
    while True:
        now = datetime.now(UTC)
        past = now.minute * 60 + now.second
        await asyncio.sleep((minute * 60 - past) % HOUR_SECONDS or HOUR_SECONDS)
        await _round(name, work)


async def _round(name: str, work: Work) -> None:
    try:
        await work()
    except Unavailable as outage:
        log.warning("%s put off: %s", name, outage)
    except Exception:
        log.exception("%s failed", name)
