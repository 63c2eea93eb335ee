"""The REST application: doors in, one flat aiohttp application out (spec rest.md 1)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from pepeunit.codecs.rest.json_text import dump
from pepeunit.entrypoints.http.endpoint import Authentication, Endpoint
from pepeunit.entrypoints.http.meter import RequestMeter
from pepeunit.entrypoints.http.middleware import Surroundings
from pepeunit.entrypoints.http.monitoring import Monitoring
from pepeunit.entrypoints.http.openapi import openapi_document
from pepeunit.entrypoints.http.route import Door, Route
from pepeunit.entrypoints.http.site import Site
from pepeunit.entrypoints.http.spool import Spool
from pepeunit.entrypoints.http.swagger import SwaggerUi
from pepeunit.usecases.access.turns import Turns
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.audit.record_acts import RecordActs

KEEPALIVE_SECONDS: Final = 75.0
REQUEST_LINE_BYTES_MAX: Final = 64 * 1024
"""Devices ask for a thousand nodes in one query."""


def make_app(
    doors: Sequence[Door],
    authenticate: Authentication,
    site: Site,
    version: str,
    acts: RecordActs,
    *,
    monitoring: Monitoring | None = None,
    lists: UnlimitedLists | None = None,
) -> web.Application:
    """Every route of every door, with and without a trailing slash, and their documentation.

    ``authenticate`` turns the text of ``x-auth-token`` (None when absent) into an agent;
    ``acts`` tells of what was done; ``lists`` counts lists without limit, for this door and for
    whatever else is served to the same addresses.
    """
    around = Surroundings(site, monitoring.meter if monitoring else RequestMeter())
    app = web.Application(middlewares=[around.observe, around.refuse])
    lists = lists or UnlimitedLists(site.limits.unlimited_lists_max)
    limits = site.limits
    large_bodies = Turns("large bodies", limits.large_bodies_max, limits.turn_seconds_max)
    spool = Spool(site.limits)
    routes = [route for door in doors for route in door.routes()]
    for route in routes:
        serve = Endpoint(route, authenticate, lists, large_bodies, spool, site, acts).serve
        for path in _both_forms(route, site):
            app.router.add_route(route.method, path, serve)
    _document(app, routes, site, version)
    if monitoring is not None:
        monitoring.add_to(app.router, site)
    return app


def _both_forms(route: Route, site: Site) -> tuple[str, str]:
    prefix = site.app_path if route.outside_api else site.api_path
    path = (prefix + route.path).rstrip("/").replace("}", ":[^/]+}")  # aiohttp refuses braces
    return path, f"{path}/"


def _document(app: web.Application, routes: Sequence[Route], site: Site, version: str) -> None:
    document = dump(openapi_document(routes, site, version))

    async def openapi(request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    path = f"{site.api_path}/openapi.json"
    app.router.add_route("GET", path, openapi)
    SwaggerUi(f"{site.app_path}/docs", path).add_to(app.router)


class _WithoutWhatWasSent(logging.Filter):
    """Bytes that are no HTTP are the caller's doing: one line, and nothing of a query in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.exc_info = f"{type(error).__name__} in a request of %s", None
        return True


_server_log = logging.getLogger("pepeunit.http.server")
_server_log.addFilter(_WithoutWhatWasSent())


def make_runner(app: web.Application) -> web.AppRunner:
    """The runner to put sites on; the application writes its own access log."""
    return web.AppRunner(
        app,
        access_log=None,
        logger=_server_log,
        keepalive_timeout=KEEPALIVE_SECONDS,
        max_line_size=REQUEST_LINE_BYTES_MAX,
    )
