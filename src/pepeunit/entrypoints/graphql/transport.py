"""GraphQL over HTTP (spec graphql.md 1): the one path, its bodies, its cookies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from aiohttp import MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from attrs import field, frozen
from graphql import ExecutionResult, GraphQLError

from pepeunit.codecs.bearer import presented_token
from pepeunit.domain.access.agent import ANONYMOUS
from pepeunit.domain.errors import Refused, Throttled, Unavailable
from pepeunit.entrypoints.graphql.execution import (
    Asked,
    Authentication,
    Engine,
    Request,
    written,
)
from pepeunit.entrypoints.graphql.graphiql import GraphiQL
from pepeunit.entrypoints.graphql.sockets import Sockets
from pepeunit.entrypoints.graphql.uploads import Form, TooLarge, Unreadable
from pepeunit.usecases.access.turns import Turns
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.audit.record_acts import RecordActs

SMALL_BYTES_MAX: Final = 64 * 1024
"""Below what aiohttp reads of its own accord."""
FORM: Final = "multipart/form-data"
NO_QUERY: Final = "No GraphQL query found in the request"
BROKEN_FORM: Final = "Unable to parse the multipart body"
BROKEN_JSON: Final = "Unable to parse request body as JSON"
NO_BATCHES: Final = "Batching is not enabled"
WRONG_TYPE: Final = "Unsupported content type"


@frozen(eq=False)
class GraphqlRoute:
    """The path as aiohttp serves it. ``asked_from`` tells the client's address; ``page`` is None
    where the page in the browser is off."""

    engine: Engine
    sockets: Sockets
    authenticate: Authentication
    acts: RecordActs
    lists: UnlimitedLists
    asked_from: Callable[[web.Request], str]
    path: str
    is_secure: bool
    page: GraphiQL | None
    _large_bodies: Turns = field(init=False)
    _uploads: Turns = field(init=False)

    @_large_bodies.default
    def _bodies_at_once(self) -> Turns:
        limits = self.engine.limits
        return Turns("large bodies", limits.large_bodies_max, limits.turn_seconds_max)

    @_uploads.default
    def _uploads_at_once(self) -> Turns:
        limits = self.engine.limits
        return Turns("uploads", limits.uploads_max, limits.turn_seconds_max)

    def add_to(self, router: web.UrlDispatcher) -> None:
        for form in (self.path, f"{self.path}/"):
            router.add_route("POST", form, self.post)
            router.add_route("GET", form, self.get)
        if self.page is not None:
            self.page.add_to(router)

    async def get(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.sockets.serve(request)
        text = request.query.get("query", "")
        if not text and self.page is not None and "text/html" in request.headers.get("Accept", ""):
            return await self.page.show(request)
        try:
            document: dict[str, Any] = dict(request.query)
            if "variables" in document:
                document["variables"] = _json(document["variables"].encode())
            return await self._answer(self._asked(request), _request(document, is_get=True))
        except Unreadable as unreadable:
            return web.Response(status=400, text=unreadable.text)

    async def post(self, request: web.Request) -> web.StreamResponse:
        asked = self._asked(request)
        form: Form | None = None
        try:
            bytes_max = await self._bytes_max(request, asked)
            async with self._turn(request, asked, bytes_max):
                if request.content_type == FORM:
                    form = Form(self.engine.limits, bytes_max)
                    document = await _read(form, request)
                elif request.content_type == "application/json":
                    document = _json(await _body(request, bytes_max))
                else:
                    raise Unreadable(WRONG_TYPE)
            return await self._answer(asked, _request(document))
        except Unreadable as unreadable:
            return web.Response(status=400, text=unreadable.text)
        except (TooLarge, Throttled, Unavailable) as error:
            answer = written(ExecutionResult(None, [GraphQLError("", original_error=error)]))
            response = web.Response(body=answer, content_type="application/json")
            response.force_close()
            return response
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        finally:
            if form is not None:
                form.close()

    @asynccontextmanager
    async def _turn(
        self, request: web.Request, asked: Asked, bytes_max: int
    ) -> AsyncIterator[None]:
        """Bodies in memory and forms on disk wait for their like alone."""
        limits = self.engine.limits
        seconds, turns = limits.body_seconds_max, self._large_bodies
        if request.content_type == FORM and bytes_max > limits.anonymous_bytes_max:
            seconds, turns = limits.upload_seconds_max, self._uploads
        is_small = (request.content_length or bytes_max) <= limits.anonymous_bytes_max
        if is_small:
            async with asyncio.timeout(seconds):
                yield
            return
        agent = await asked.agent()
        async with asyncio.timeout(seconds), turns.one_of(agent.account or asked.address):
            yield

    def _asked(self, request: web.Request) -> Asked:
        return Asked(
            authenticate=self.authenticate,
            acts=self.acts,
            lists=self.lists,
            limits=self.engine.limits,
            token=presented_token(request.headers),
            address=self.asked_from(request),
        )

    async def _bytes_max(self, request: web.Request, asked: Asked) -> int:
        """Raises :class:`TooLarge` before a body is read that is told to be too long. Who sends
        more than a little shows a good token first."""
        limits = self.engine.limits
        size = request.content_length
        if size is not None and size <= limits.anonymous_bytes_max:
            return limits.anonymous_bytes_max
        try:
            is_known = await asked.agent() is not ANONYMOUS
        except Refused:
            is_known = False
        is_form = request.content_type == FORM
        bytes_max = limits.anonymous_bytes_max
        if is_known:
            bytes_max = limits.upload_bytes_max if is_form else limits.json_bytes_max
        if size is not None and size > bytes_max:
            raise TooLarge(bytes_max)
        return bytes_max

    async def _answer(self, asked: Asked, request: Request) -> web.Response:
        response = web.Response(
            body=await self.engine.answer(request, asked), content_type="application/json"
        )
        for cookie in asked.cookies:
            response.set_cookie(
                cookie.name,
                cookie.value,
                max_age=cookie.seconds,
                path="/",
                httponly=True,
                samesite="lax",
                secure=self.is_secure,
            )
        return response


async def _body(request: web.Request, bytes_max: int) -> bytes:
    size = request.content_length
    try:
        if size is not None and size <= SMALL_BYTES_MAX:
            return await request.read()
        return await request.clone(client_max_size=bytes_max).read()
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(bytes_max) from None
    except ConnectionResetError:
        raise Unreadable(BROKEN_JSON) from None


async def _parts(request: web.Request) -> MultipartReader:
    try:
        return await request.multipart()
    except (ValueError, AssertionError):
        raise Unreadable("The multipart body has no boundary") from None


async def _read(form: Form, request: web.Request) -> Any:
    try:
        return await form.read(await _parts(request))
    except (ValueError, AssertionError, KeyError, HttpProcessingError, ConnectionResetError):
        raise Unreadable(BROKEN_FORM) from None


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unreadable(BROKEN_JSON) from None


def _request(document: Any, *, is_get: bool = False) -> Request:
    """Raises :class:`Unreadable` for what is no single GraphQL request."""
    if isinstance(document, list):
        raise Unreadable(NO_BATCHES)
    if not isinstance(document, dict):
        raise Unreadable(BROKEN_JSON)
    text, variables, name = (document.get(key) for key in ("query", "variables", "operationName"))
    if not isinstance(text, str) or not text.strip():
        raise Unreadable(NO_QUERY)
    if variables is not None and not isinstance(variables, dict):
        raise Unreadable("The variables must be an object")
    if name is not None and not isinstance(name, str):
        raise Unreadable("The operationName must be a text")
    return Request(text, variables or {}, name or None, is_get)
