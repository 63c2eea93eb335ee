"""Short bodies are gathered before they are sent, long ones are sent as they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from hashlib import sha256
from typing import Final

from aiohttp import web

from pepeunit.entrypoints.http.route import File, Pieces

GATHERED_BYTES_MAX: Final = 1024 * 1024


class PiecesResponse(web.Response):
    """Chunked; the pieces are closed when all are sent, when the caller hangs up, and when it
    takes no piece for ``piece_seconds_max``: what makes them is kept from others meanwhile."""

    def __init__(self, body: Pieces, piece_seconds_max: float) -> None:
        self._pieces = body.pieces
        self._piece_seconds_max = piece_seconds_max
        self._deadline = asyncio.timeout(None)
        super().__init__(body=self._timed(), headers={"Content-Type": body.media_type})

    async def _timed(self) -> AsyncGenerator[bytes]:
        loop = asyncio.get_running_loop()
        async for piece in self._pieces:
            self._deadline.reschedule(loop.time() + self._piece_seconds_max)
            yield piece
            self._deadline.reschedule(None)

    async def write_eof(self, data: bytes = b"") -> None:
        try:
            async with self._deadline:
                await super().write_eof(data)
        except TimeoutError:
            raise ConnectionResetError("the caller takes nothing") from None
        finally:
            await self._pieces.aclose()


async def answer_of(body: Pieces, bytes_max: int = GATHERED_BYTES_MAX) -> File | Pieces:
    """The whole file when it is short; otherwise the same pieces, the first of them made.

    What raises while it gathers is raised here.
    """
    made, size = [], 0
    async for piece in body.pieces:
        made.append(piece)
        size += len(piece)
        if size > bytes_max:
            return Pieces(_from(made, body.pieces), body.media_type)
    content = b"".join(made)
    return File(content, body.media_type, sha256(content).hexdigest())


async def _from(made: Sequence[bytes], rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        yield b"".join(made)
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()
