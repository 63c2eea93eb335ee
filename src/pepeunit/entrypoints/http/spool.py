"""The one file of a ``multipart/form-data`` body, put on disk as it arrives (RFC 7578)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, BinaryIO, Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from attrs import define, field

from pepeunit.codecs.rest.violations import RequestInvalid, Violation
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.entrypoints.http.route import SMALL_BODY_BYTES_MAX
from pepeunit.entrypoints.http.site import HttpLimits
from pepeunit.usecases.access.turns import Turns

CHUNK_BYTES: Final = 256 * 1024
MEMORY_BYTES_MAX: Final = 1024 * 1024
"""Shorter files never touch the disk."""
PARTS_MAX: Final = 16
HEAD_BYTES_MAX: Final = 64 * 1024
"""Of a body beyond its file."""


class BodyTooLarge(Exception):
    """The body has more than ``bytes_max`` bytes."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"more than {bytes_max} bytes")
        self.bytes_max = bytes_max


@define(eq=False)
class Spool:
    """Takes uploads of all routes, a few at a time."""

    limits: HttpLimits
    _turns: Turns = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.limits
        self._turns = Turns("uploads", limits.spooled_uploads_max, limits.turn_seconds_max)

    def _turn(self, agent: Agent) -> AbstractAsyncContextManager[None]:
        """Who has no token waits for nobody and keeps nobody waiting: so little stays in memory."""
        return nullcontext() if agent is ANONYMOUS else self._turns.one_of(agent.account)

    @asynccontextmanager
    async def take(
        self, request: web.Request, agent: Agent, name: str, bytes_max: int
    ) -> AsyncIterator[BinaryIO]:
        """The content of the first part of that name, at its start.

        Callers without a token may send SMALL_BODY_BYTES_MAX. Raises :class:`BodyTooLarge` as
        soon as the file outgrows the limit, ``RequestInvalid`` for another type of body and for
        one without the part, and as :class:`~pepeunit.usecases.access.turns.Turns` does.
        """
        if agent is ANONYMOUS:
            bytes_max = min(bytes_max, SMALL_BODY_BYTES_MAX)
        if (request.content_length or 0) > bytes_max + HEAD_BYTES_MAX:
            raise BodyTooLarge(bytes_max)
        with tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX) as file:
            try:
                async with asyncio.timeout(self.limits.spooled_seconds_max), self._turn(agent):
                    await _read_part(request, name, file, bytes_max)
            except TimeoutError:
                raise web.HTTPRequestTimeout from None
            except ConnectionResetError:
                raise web.RequestPayloadError("the caller hung up") from None
            file.seek(0)
            yield file  # type: ignore[misc]


async def _read_part(request: web.Request, name: str, file: Any, bytes_max: int) -> None:
    try:
        parts = await request.multipart()
        for _ in range(PARTS_MAX):
            part = await parts.next()
            if part is None:
                break
            if isinstance(part, BodyPartReader) and part.name == name:
                await _copy(part, file, bytes_max)
                return
    except (ValueError, AssertionError, KeyError, HttpProcessingError):
        text = "Content-Type should be multipart/form-data with a boundary"
        raise RequestInvalid((Violation("model_attributes_type", ("body",), text),)) from None
    raise RequestInvalid((Violation("missing", ("body", name), "Field required"),))


async def _copy(part: BodyPartReader, file: Any, bytes_max: int) -> None:
    size = 0
    while chunk := await part.read_chunk(CHUNK_BYTES):
        size += len(chunk)
        if size > bytes_max:
            raise BodyTooLarge(bytes_max)
        if size > MEMORY_BYTES_MAX:
            await asyncio.to_thread(file.write, chunk)
        else:
            file.write(chunk)
