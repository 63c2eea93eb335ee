"""What surrounds every operation: refusals as JSON, headers, origins, the access log."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from aiohttp import web
from attrs import frozen
from multidict import istr

from pepeunit.codecs.rest.json_text import dump
from pepeunit.codecs.rest.refusals import (
    Answer,
    bug_answer,
    refusal_answer,
    too_large_answer,
    too_many_lists_answer,
    unavailable_answer,
    unreadable_answer,
    violations_answer,
)
from pepeunit.codecs.rest.violations import PageOutOfRange, RequestInvalid
from pepeunit.domain.errors import Refused, Unavailable
from pepeunit.entrypoints.http.endpoint import asked_from
from pepeunit.entrypoints.http.meter import NO_ROUTE, RequestMeter
from pepeunit.entrypoints.http.site import Site
from pepeunit.entrypoints.http.spool import BodyTooLarge
from pepeunit.usecases.access.unlimited_lists import TooManyLists

log = logging.getLogger(__name__)
access_log = logging.getLogger("pepeunit.access")

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFLIGHT_SECONDS: Final = 600
HEADERS: Final = {
    istr("Server"): "pepeunit",
    istr("Cache-Control"): "no-store",
    istr("X-Content-Type-Options"): "nosniff",
    istr("X-Frame-Options"): "DENY",
    istr("Referrer-Policy"): "no-referrer",
    istr("Content-Security-Policy"): "default-src 'none'; frame-ancestors 'none'",
}
"""Their names as the library keeps them: other texts are folded anew for every answer."""
SECURE_HEADERS: Final = {"Strict-Transport-Security": "max-age=31536000"}


def _response(answer: Answer) -> web.Response:
    return web.Response(
        body=dump({"detail": answer.detail}),
        status=answer.status,
        headers=answer.headers,
        content_type="application/json",
    )


def _answer(error: Exception) -> Answer:
    match error:
        case Refused():
            return refusal_answer(error)
        case Unavailable():
            log.warning("unavailable: %s", error)
            return unavailable_answer(error)
        case RequestInvalid():
            return violations_answer(error.violations)
        case PageOutOfRange():
            return Answer(422, error.text)
        case TooManyLists():
            return too_many_lists_answer(error.lists_max)
        case BodyTooLarge():
            return too_large_answer(error.bytes_max)
        case web.RequestPayloadError():
            return unreadable_answer()
        case web.HTTPMethodNotAllowed():
            return Answer(405, "Method Not Allowed", {"Allow": error.headers["Allow"]})
        case web.HTTPException():
            return Answer(error.status, error.reason)
        case _:
            incident = uuid4().hex[:12]
            log.error("incident %s", incident, exc_info=error)
            return bug_answer(incident)


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return NO_ROUTE if resource is None else resource.canonical.rstrip("/") or "/"


@frozen
class Surroundings:
    """The two middlewares of the application, outermost first."""

    site: Site
    meter: RequestMeter

    @web.middleware
    async def observe(self, request: web.Request, handler: Next) -> web.StreamResponse:
        """Add the headers of every answer and write one line without query, body or token."""
        began = time.perf_counter()
        response = self._preflight(request) or await handler(request)
        for name, text in HEADERS.items():
            response.headers.setdefault(name, text)
        if self.site.facts.is_secure:
            response.headers.update(SECURE_HEADERS)
        self._allow_origin(request, response)
        seconds = time.perf_counter() - began
        self.meter.note(_template(request), request.method, response.status, seconds)
        access_log.info(
            "%s %s %s %d %d bytes %.1f ms",
            asked_from(request, self.site),
            request.method,
            request.rel_url.raw_path,
            response.status,
            response.content_length or 0,
            seconds * 1000,
        )
        return response

    @web.middleware
    async def refuse(self, request: web.Request, handler: Next) -> web.StreamResponse:
        """Turn every error into its answer; a bug into an incident that the log explains."""
        try:
            return await handler(request)
        except Exception as error:
            response = _response(_answer(error))
            if response.status in (408, 413):
                response.force_close()
            return response

    def _is_allowed(self, request: web.Request) -> bool:
        return request.headers.get("Origin") in self.site.cors_origins

    def _preflight(self, request: web.Request) -> web.Response | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or not self._is_allowed(request):
            return None
        headers = {
            "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
            "Access-Control-Allow-Headers": "authorization, content-type, x-auth-token",
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
        return web.Response(status=204, headers=headers)

    def _allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self.site.cors_origins:
            return
        response.headers["Vary"] = "Origin"
        if self._is_allowed(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
