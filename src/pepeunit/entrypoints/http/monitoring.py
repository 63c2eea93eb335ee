"""What watches the process asks: alive, ready, metrics (spec rest.md 1, 10; access.md W31)."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from ipaddress import ip_address

from aiohttp import web
from attrs import frozen

from pepeunit.codecs.exposition import MEDIA_TYPE, Family, render
from pepeunit.codecs.rest.json_text import dump
from pepeunit.domain.errors import Disabled, Forbidden
from pepeunit.entrypoints.http.endpoint import asked_from
from pepeunit.entrypoints.http.meter import RequestMeter
from pepeunit.entrypoints.http.site import Network, Site
from pepeunit.usecases.instance.readiness import CheckReadiness

Measure = Callable[[], AsyncIterable[Family]]


@frozen
class Monitoring:
    """``/healthz`` and ``/readyz`` below the application's prefix and at the root, for probes
    that know no prefix, and ``/metrics`` below the prefix.

    Metrics are told to callers from ``networks`` alone: 403 to others, 405 when ``measure`` is
    None (``PU_FF_PROMETHEUS_ENABLE`` is off).
    """

    ready: CheckReadiness
    measure: Measure | None
    networks: tuple[Network, ...]
    meter: RequestMeter

    def add_to(self, router: web.UrlDispatcher, site: Site) -> None:
        async def metrics(request: web.Request) -> web.Response:
            return await self._metrics(request, site)

        for prefix in ("", site.app_path):
            router.add_route("GET", f"{prefix}/healthz", _alive)
            router.add_route("GET", f"{prefix}/readyz", self._readiness)
        router.add_route("GET", f"{site.app_path}/metrics", metrics)

    async def _readiness(self, request: web.Request) -> web.Response:
        missing = await self.ready()
        body = {
            "status": "not ready" if missing else "ready",
            "missing": [{"name": name, "reason": reason} for name, reason in missing],
        }
        status = 503 if missing else 200
        return web.Response(body=dump(body), status=status, content_type="application/json")

    async def _metrics(self, request: web.Request, site: Site) -> web.Response:
        if self.measure is None:
            raise Disabled("metrics are switched off")
        if not _is_within(asked_from(request, site), self.networks):
            raise Forbidden("metrics are not told to this address")
        families = [*self.meter.families(), *[one async for one in self.measure()]]
        return web.Response(body=render(families), headers={"Content-Type": MEDIA_TYPE})


def _is_within(address: str, networks: Iterable[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


async def _alive(request: web.Request) -> web.Response:
    return web.Response(body=dump({"status": "alive"}), content_type="application/json")
