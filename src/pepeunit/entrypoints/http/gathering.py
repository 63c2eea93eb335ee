"""Short bodies are gathered before they are sent, long ones are sent as they are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from hashlib import sha256
from typing import Final

from pepeunit.entrypoints.http.route import File, Pieces

GATHERED_BYTES_MAX: Final = 8 * 1024 * 1024


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
