"""A route as aiohttp runs it: token, decoding, operation, answer (spec rest.md 2-4)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from types import NoneType
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from attrs import define, field, frozen

from pepeunit.codecs.bearer import presented_token
from pepeunit.codecs.rest.json_text import dump
from pepeunit.codecs.rest.multipart import read_file_part
from pepeunit.codecs.rest.requests import Paged, read_json, read_texts
from pepeunit.codecs.rest.violations import RequestInvalid, Violation
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.entrypoints.http.event_response import EventResponse
from pepeunit.entrypoints.http.gathering import PiecesResponse, answer_of
from pepeunit.entrypoints.http.route import (
    SMALL_BODY_BYTES_MAX,
    Call,
    EventStream,
    File,
    Pieces,
    Route,
    SpooledUpload,
    Stream,
    Upload,
)
from pepeunit.entrypoints.http.site import Site, client_address
from pepeunit.entrypoints.http.spool import BodyTooLarge, Spool
from pepeunit.usecases.access.turns import Turns
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.audit.record_acts import RecordActs

COLLECTIONS: Final = {
    "users/invites": "invites",
    "users/api_tokens": "api_tokens",
    "users": "users",
    "repository_registry": "registries",
    "repos": "repos",
    "units": "units",
    "unit_nodes": "nodes",
}
"""By the first words of a path: what the ``uuid`` in it is one of."""
JSON: Final = {"Content-Type": "application/json"}


Authentication = Callable[[str | None], Awaitable[Agent]]


def asked_from(request: web.Request, site: Site) -> str:
    """The client's address, seen through trusted proxies."""
    forwarded = request.headers.getall("X-Forwarded-For", ())
    return client_address(request.remote or "", forwarded, site.trusted_proxies)


@define
class Body:
    """The last answer and its bytes: a model is frozen, so the same one is written alike."""

    answer: object = None
    content: bytes = b"null"

    def of(self, answer: object) -> bytes:
        if answer is not self.answer:
            self.content, self.answer = dump(answer), answer
        return self.content


@frozen
class Endpoint:
    """``body`` is for operations without parameters alone: it keeps what they answer."""

    route: Route
    authenticate: Authentication
    lists: UnlimitedLists
    large_bodies: Turns
    spool: Spool
    site: Site
    acts: RecordActs
    body: Body = field(init=False, factory=Body, eq=False, repr=False)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        route = self.route
        agent = ANONYMOUS
        if route.reads_token:
            agent = await self.authenticate(presented_token(request.headers))
        parts = await self._decode(request, agent)
        if route.is_spooled:
            async with self._spooled(request, agent) as file:
                answer = await self._answer(request, agent, parts | {"file": file})
        else:
            answer = await self._answer(request, agent, parts)
        return self._respond(request, answer)

    async def _answer(self, request: web.Request, agent: Agent, parts: dict[str, Any]) -> Any:
        query = parts.get("query")
        unlimited = isinstance(query, Paged) and query.is_unlimited
        is_told = self.route.changes or agent.is_admin  # of who looks, administrators alone
        if not unlimited and not is_told:
            return await self._operate(agent, parts)
        address = asked_from(request, self.site)
        with self.lists.one_of(address) if unlimited else nullcontext():
            if not is_told:
                return await self._operate(agent, parts)
            about = getattr(parts.get("path", query), "uuid", None)
            async with self._act(agent, address, about):
                return await self._operate(agent, parts)

    async def _operate(self, agent: Agent, parts: dict[str, Any]) -> Any:
        answer = await self.route.operation(agent, **parts)
        return await answer_of(answer) if isinstance(answer, Pieces) else answer

    @asynccontextmanager
    async def _spooled(self, request: web.Request, agent: Agent) -> AsyncIterator[SpooledUpload]:
        bytes_max = self.route.body_bytes_max or self.site.limits.spooled_bytes_max
        part = self.route.file_part or ""
        async with self.spool.take(request, agent, part, bytes_max) as file:
            yield SpooledUpload(file)

    def _act(self, agent: Agent, address: str, uuid: object) -> AbstractAsyncContextManager[object]:
        route = self.route
        words = "/".join(route.path.split("/")[1:3])
        collection = COLLECTIONS.get(words) or COLLECTIONS.get(route.tag)
        return self.acts(
            agent,
            route.verb,
            address,
            changes=route.changes,
            collection=collection,
            uuid=uuid if isinstance(uuid, UUID) else None,
        )

    async def _decode(self, request: web.Request, agent: Agent) -> dict[str, Any]:
        """Raises ``RequestInvalid`` with the violations of every part at once."""
        route = self.route
        content = b""
        is_uploading = route.file_part is not None and not route.is_spooled
        if (route.wants_call and not route.is_spooled) or is_uploading or "body" in route.parts:
            content = await self._content(request, agent)
        parts: dict[str, Any] = {}
        violations: list[Violation] = []
        for place, declared in route.parts.items():
            try:
                match place:
                    case "path":
                        texts = {name: [text] for name, text in request.match_info.items()}
                        parts[place] = read_texts(declared, place, texts)
                    case "query":
                        texts = {name: request.query.getall(name) for name in request.query}
                        parts[place] = read_texts(declared, place, texts)
                    case _:
                        parts[place] = _read_body(request.content_type, content, declared)
            except RequestInvalid as invalid:
                violations += invalid.violations
        if route.file_part is not None and not route.is_spooled:
            try:
                content_type = request.headers.get("Content-Type", "")
                parts["file"] = Upload(read_file_part(content_type, content, route.file_part))
            except RequestInvalid as invalid:
                violations += invalid.violations
        if violations:
            raise RequestInvalid(tuple(violations))
        if isinstance(query := parts.get("query"), Paged):
            query.check_range(self.site.limits.page_rows_max)
        if route.wants_call:
            parts["call"] = Call(
                asked_from(request, self.site),
                {name.lower(): text for name, text in request.headers.items()},
                content,
                presented_token(request.headers),
            )
        return parts

    async def _content(self, request: web.Request, agent: Agent) -> bytes:
        """The body. Raises :class:`BodyTooLarge` as soon as it outgrows the limit."""
        if not request.body_exists:
            return b""
        limits = self.site.limits
        size = request.content_length
        bytes_max = self.route.body_bytes_max or limits.body_bytes_max
        if agent is ANONYMOUS and self.route.body_bytes_max is None:
            bytes_max = min(bytes_max, SMALL_BODY_BYTES_MAX)
        if (size or 0) > bytes_max:
            raise BodyTooLarge(bytes_max)
        is_small = bytes_max <= SMALL_BODY_BYTES_MAX or (
            size is not None and size <= SMALL_BODY_BYTES_MAX
        )
        account = agent.account or asked_from(request, self.site)
        try:
            async with asyncio.timeout(limits.body_seconds_max):
                async with nullcontext() if is_small else self.large_bodies.one_of(account):
                    return await request.clone(client_max_size=bytes_max).read()
        except web.HTTPRequestEntityTooLarge:
            raise BodyTooLarge(bytes_max) from None
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except ConnectionResetError:
            raise web.RequestPayloadError("the caller hung up") from None

    def _respond(self, request: web.Request, answer: Any) -> web.StreamResponse:
        if isinstance(answer, File):
            return _file_response(request, answer)
        if isinstance(answer, EventStream):
            return EventResponse(answer)
        if isinstance(answer, Pieces):
            return PiecesResponse(answer, self.site.limits.piece_seconds_max)
        if isinstance(answer, Stream):
            return web.Response(
                body=answer.pieces,
                headers={
                    "Content-Type": answer.media_type,
                    "Content-Length": str(answer.size_bytes),
                    "ETag": f'"{answer.sha256}"',
                    "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(answer.sha256)).decode()}:",
                },
            )
        if self.route.answer is NoneType:
            return web.Response(status=self.route.status)
        body = dump(answer) if self.route.parts else self.body.of(answer)
        return web.Response(body=body, status=self.route.status, headers=JSON)


def _read_body(content_type: str, body: bytes, declared: type) -> Any:
    if body and not _is_json(content_type):
        violation = Violation(
            "model_attributes_type", ("body",), "Content-Type should be application/json"
        )
        raise RequestInvalid((violation,))
    return read_json(declared, body)


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _file_response(request: web.Request, file: File) -> web.StreamResponse:
    """The whole file, or the one byte range asked for (RFC 9110, 14)."""
    headers = {"Content-Type": file.media_type}
    if file.etag is None:
        return web.Response(body=file.content, headers=headers)
    etag = f'"{file.etag}"'
    headers |= {"ETag": etag, "Accept-Ranges": "bytes"}
    known = request.headers.get("If-None-Match", "").split(",")
    if any(text.strip().removeprefix("W/") in (etag, "*") for text in known):
        return web.Response(status=304, headers=headers)
    wanted = _range(request, etag)
    if wanted is None:
        return web.Response(body=file.content, headers=headers)
    size = len(file.content)
    start, end, _ = wanted.indices(size)
    if start >= end:
        return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return web.Response(status=206, body=file.content[start:end], headers=headers)


def _range(request: web.Request, etag: str) -> slice | None:
    if request.headers.get("If-Range", etag) != etag:
        return None
    try:
        wanted = request.http_range
    except ValueError:  # several ranges, or not understood: the whole file is a valid answer
        return None
    return None if wanted.start is None and wanted.stop is None else wanted
