"""An answer without an end: blocks are written as they come (HTML Standard, 9.2)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from pepeunit.entrypoints.http.route import EventStream

MEDIA_TYPE: Final = "text/event-stream"
WRITE_SECONDS_MAX: Final = 30.0
"""Who reads nothing for so long is cut off."""


class EventResponse(web.StreamResponse):
    """Chunked over HTTP/1.1. ``X-Accel-Buffering`` asks proxies to pass each block on at once."""

    def __init__(self, stream: EventStream) -> None:
        super().__init__(headers={"Content-Type": MEDIA_TYPE, "X-Accel-Buffering": "no"})
        self._blocks: Any = stream.blocks

    async def write_eof(self, data: bytes = b"") -> None:
        try:
            async for block in self._blocks:
                async with asyncio.timeout(WRITE_SECONDS_MAX):
                    await self.write(block)
        except TimeoutError:
            self._cut_off()
        except ConnectionError:
            pass
        finally:
            await self._blocks.aclose()
        await super().write_eof(data)

    def _cut_off(self) -> None:
        transport = None if self._req is None else self._req.transport
        if transport is not None:
            transport.abort()
