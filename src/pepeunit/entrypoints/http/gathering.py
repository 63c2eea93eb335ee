"""Short bodies are gathered before they are sent, long ones are sent as they are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from hashlib import sha256
from typing import Final

from aiohttp import web

from pepeunit.entrypoints.http.route import File, Pieces

GATHERED_BYTES_MAX: Final = 1024 * 1024


class PiecesResponse(web.Response):
    """Chunked; the pieces are closed when all are sent, and when the caller hangs up."""

    def __init__(self, body: Pieces) -> None:
        super().__init__(body=body.pieces, headers={"Content-Type": body.media_type})
        self._pieces = body.pieces

    async def write_eof(self, data: bytes = b"") -> None:
        try:
            await super().write_eof(data)
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
