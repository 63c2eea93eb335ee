"""The nginx example, as it is in ``deploy/``, in front of a server that tells what it got."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from attrs import frozen

from tests.journeys.certificates import write_certificate
from tests.journeys.conftest import free_port

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
DEPLOY = Path(__file__).parents[2] / "deploy/nginx"
UP_SECONDS_MAX = 10.0

pytestmark = pytest.mark.skipif(
    NGINX is None and not os.environ.get("CI"), reason="nginx is not installed"
)


@frozen
class Site:
    session: aiohttp.ClientSession
    plain_port: int
    tls_port: int

    def url(self, path: str) -> str:
        return f"https://localhost:{self.tls_port}{path}"


async def told(request: web.Request) -> web.Response:
    body = await request.read()
    forwarded = request.headers.get("X-Forwarded-For")
    return web.json_response({"path": request.path, "from": forwarded, "bytes": len(body)})


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"data: 1\n\n")
    await request.app[RELEASED].wait()
    return response


RELEASED = web.AppKey("released", asyncio.Event)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    assert NGINX is not None, "continuous integration needs nginx"
    platform_port, plain_port, tls_port = free_port(), free_port(), free_port()
    write_certificate(tmp_path)
    for name in ("pepeunit.conf", "pepeunit_proxy.conf"):
        text = (DEPLOY / name).read_text()
        for there, here in {
            "listen 80;": f"listen 127.0.0.1:{plain_port};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{tls_port} ssl http2;",
            "127.0.0.1:8555": f"127.0.0.1:{platform_port}",
            "/etc/ssl/iot.example.org/fullchain.pem": f"{tmp_path}/cert.pem",
            "/etc/ssl/iot.example.org/privkey.pem": f"{tmp_path}/key.pem",
            "/etc/nginx/": f"{tmp_path}/",
        }.items():
            text = text.replace(there, here)
        (tmp_path / name).write_text(text)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body;"
        f" proxy_temp_path {tmp_path}/proxy; fastcgi_temp_path {tmp_path}/f;"
        f" uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;"
        f" include {tmp_path}/pepeunit.conf; }}\n"
    )
    app = web.Application(client_max_size=100 * 2**20)
    app[RELEASED] = asyncio.Event()
    app.router.add_get("/pepeunit/graphql", echo)
    app.router.add_get("/pepeunit/api/v1/events", events)
    app.router.add_route("*", "/{rest:.*}", told)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", platform_port).start()
    nginx = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(tmp_path), "-c", f"{tmp_path}/nginx.conf", "-g", "master_process off;"
    )
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    connector = aiohttp.TCPConnector(ssl=trusting)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            found = Site(session, plain_port, tls_port)
            async with asyncio.timeout(UP_SECONDS_MAX):
                while True:
                    try:
                        await session.get(found.url("/pepeunit"))
                        break
                    except aiohttp.ClientConnectionError:
                        assert nginx.returncode is None, (tmp_path / "error.log").read_text()
                        await asyncio.sleep(0.05)
            yield found
    finally:
        app[RELEASED].set()
        if nginx.returncode is None:
            nginx.send_signal(signal.SIGTERM)
        await nginx.wait()
        await runner.cleanup()


async def test_requests_arrive_with_the_callers_address(site: Site) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9"}
    answer = await site.session.get(site.url("/pepeunit/api/v1/units"), headers=forged)
    assert await answer.json() == {
        "path": "/pepeunit/api/v1/units",
        "from": "127.0.0.1",
        "bytes": 0,
    }


@pytest.mark.parametrize("path", ["/pepeunit/metrics", "/pepeunit/readyz", "/readyz", "/healthz"])
async def test_what_watches_the_platform_is_not_told_to_the_world(site: Site, path: str) -> None:
    assert (await site.session.get(site.url(path))).status == 404


async def test_plain_requests_are_sent_to_tls(site: Site) -> None:
    url = f"http://localhost:{site.plain_port}/pepeunit"
    answer = await site.session.get(url, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (301, "https://localhost/pepeunit")


async def test_a_subscription_passes(site: Site) -> None:
    async with site.session.ws_connect(site.url("/pepeunit/graphql")) as socket:
        await socket.send_str("ping")
        message = await socket.receive()
        assert (message.type, message.data) == (WSMsgType.TEXT, "ping")


async def test_an_event_passes_before_the_stream_ends(site: Site) -> None:
    async with asyncio.timeout(5):
        answer = await site.session.get(site.url("/pepeunit/api/v1/events"))
        assert await answer.content.readany() == b"data: 1\n\n"
        answer.close()


async def test_bodies_over_the_limit_end_here(site: Site) -> None:
    sizes = {
        "/pepeunit/graphql": 4 * 2**20,
        "/pepeunit/api/v1/units": 51 * 2**20,
        "/pepeunit/api/v1/unit_nodes/set_data_pipe_data_csv": 66 * 2**20,
    }
    for path, size in sizes.items():
        answer = await site.session.post(site.url(path), data=io.BytesIO(bytes(size)))
        assert answer.status == 413
    answer = await site.session.post(site.url(path), data=io.BytesIO(bytes(64 * 2**20)))
    assert (await answer.json())["bytes"] == 64 * 2**20


async def test_a_caller_who_asks_too_often_is_told_to_wait(site: Site) -> None:
    statuses = [
        (await site.session.get(site.url("/pepeunit/api/v1/units"))).status for _ in range(40)
    ]
    assert statuses[:5] == [200] * 5 and 429 in statuses
