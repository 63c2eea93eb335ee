"""How many requests a second ``serve`` answers: ``python -m benchmarks.control_plane``.

One server process with the embedded PostgreSQL, 10 000 units and 50 000 nodes in it; the load
comes from this process over 16 connections, as a signed-in user with permissions, with random
offset and search. A bare aiohttp application, in a process of its own, is measured in turns with
everything else: each rate is told as a share of the bare one of the same seconds, because on a
machine that has other work the rate alone says little. CPU milliseconds a request are told of the
server's process and of its database apart.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import quote

from attrs import astuple, frozen
from benchmarks.database import build
from tests.doubles.clickhouse import ClickHouseServer

from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.embedded.installation import Installation
from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.migrations import migrate
from pepeunit.domain.access.tokens import UserClaims

CONNECTIONS = 16
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "1"))
WARM_SECONDS = 0.5
API = "/pepeunit/api/v1"
BARE_SHARE = 0.5
P99_MS_MAX = 75.0
RESIDENT_MIB_MAX = 200
BARE = """
import sys
from aiohttp import web
async def answer(request):
    return web.json_response({"status": "alive"})
app = web.Application()
app.router.add_get("/", answer)
try:
    import uvloop
    loop = uvloop.new_event_loop()
except ImportError:
    loop = None
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=loop)
"""


@frozen
class Measured:
    """``cpu_ms`` is what the asked process spent on one request, ``children_cpu_ms`` what those
    did that it started (the database's): unlike the rate they change little on a machine that has
    other work."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    children_cpu_ms: float

    @classmethod
    def median(cls, rounds: list[Measured]) -> Measured:
        columns = zip(*map(astuple, rounds), strict=True)
        return cls(*map(statistics.median, columns))


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Of the process, and of those that it started."""
    spent = {}
    parents = {pid}
    for _ in range(3):
        for stat in Path("/proc").glob("[1-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) in parents:
                parents.add(int(stat.parent.name))
    for one in parents:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        spent[one] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    own = spent.pop(pid)
    return own, sum(spent.values())


async def load(
    port: int, pid: int, request: Callable[[], bytes], seconds: float = SECONDS
) -> Measured:
    """Requests as fast as the answers come, over keep-alive connections. Any status but 200
    fails the run."""
    times: list[float] = []
    answered = 0
    loop = asyncio.get_running_loop()
    start = loop.time() + WARM_SECONDS
    stop = start + seconds

    async def one() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := loop.time()) < stop:
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            at = head.lower().index(b"content-length:") + 15
            await reader.readexactly(int(head[at : head.index(b"\r", at)]))
            answered += 1
            if began >= start:
                times.append(loop.time() - began)
        writer.close()

    before = cpu_seconds(pid)
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    own, children = (
        (now - then) / answered * 1000 for now, then in zip(cpu_seconds(pid), before, strict=True)
    )
    cuts = statistics.quantiles(times, n=100)
    return Measured(len(times) / seconds, cuts[49] * 1000, cuts[98] * 1000, own, children)


def get(path: str, token: str = "") -> bytes:
    auth = f"x-auth-token: {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{auth}\r\n".encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def fill(data_dir: Path) -> str:
    """The rows, and the token of the user who sees half of them."""
    installation = Installation.open(data_dir)
    server = EmbeddedPostgres(
        installation.postgres, installation.keys["postgres_password"], installation.postgres_log
    )
    await server.start()
    try:
        await migrate(server.url)
        engine = connect(server.url)
        user, _, _ = await build(PostgresDatabase(engine))
        await engine.dispose()
        claims = UserClaims(user, int(time.time()) + 3600)
        return JwtTokens(installation.keys["PU_SECRET_KEY"]).sign(claims.as_mapping())
    finally:
        await server.stop()
        installation.close()


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def answers(port: int, path: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(get(path))
            head = await reader.readline()
            writer.close()
            if b" 200 " in head:
                return
        except OSError:
            pass
        await asyncio.sleep(0.1)
    raise RuntimeError(f"nothing answers on {port}")


async def in_turns(
    one: Callable[[], Awaitable[Measured]], other: Callable[[], Awaitable[Measured]]
) -> tuple[Measured, Measured]:
    """The medians of ROUNDS rounds of each, so that both meet the same machine."""
    ones, others = [], []
    for _ in range(ROUNDS):
        ones.append(await one())
        others.append(await other())
    return Measured.median(ones), Measured.median(others)


def asked(token: str) -> dict[str, tuple[Callable[[], bytes], float | None]]:
    """What is asked, and the least requests per second; None for a share of the bare handler."""
    dice = Random(1)
    words = ["00", "unit", "7", "unit 1", ""]
    topics = ["topic", "topic_3", "pepeunit", "topic_1", ""]

    def units() -> bytes:
        query = f"limit=10&offset={dice.randrange(200)}&search_string={quote(dice.choice(words))}"
        return get(f"{API}/units?{query}", token)

    def nodes() -> bytes:
        query = f"limit=10&offset={dice.randrange(200)}&search_string={quote(dice.choice(topics))}"
        return get(f"{API}/unit_nodes?{query}", token)

    return {
        "instance info": (lambda: get("/pepeunit"), None),
        "units, list of 10": (units, 600.0),
        "nodes, list of 10": (nodes, 600.0),
        "metrics": (lambda: get(f"{API}/metrics/", token), 2500.0),
    }


async def measure(port: int, bare_port: int, token: str, pid: int, bare_pid: int) -> None:
    print(
        "| what | requests/s | wanted | of bare | p50 ms | p99 ms | CPU ms | database CPU ms"
        " | cost in bare requests | |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for name, (request, least) in asked(token).items():
        seen, bare = await in_turns(
            partial(load, port, pid, request),
            lambda: load(bare_port, bare_pid, lambda: get("/")),
        )
        share = seen.per_second / bare.per_second
        cost = (seen.cpu_ms + seen.children_cpu_ms) / bare.cpu_ms
        fits = seen.p99_ms <= P99_MS_MAX
        fits = fits and (share >= BARE_SHARE if least is None else seen.per_second >= least)
        wanted = f"{BARE_SHARE} x bare" if least is None else f"{least:.0f}"
        print(
            f"| {name} | {seen.per_second:.0f} | {wanted} | {share:.2f} | {seen.p50_ms:.1f} "
            f"| {seen.p99_ms:.1f} | {seen.cpu_ms:.3f} | {seen.children_cpu_ms:.3f} | {cost:.1f} "
            f"| {'yes' if fits else '**no**'} |"
        )
        print(
            f"| bare, in turns with it | {bare.per_second:.0f} | | 1.00 | {bare.p50_ms:.1f} "
            f"| {bare.p99_ms:.1f} | {bare.cpu_ms:.3f} | | 1.0 | |"
        )


class Serving(NamedTuple):
    """Its two ports, and its process."""

    port: int
    mqtt_port: int
    pid: int


@asynccontextmanager
async def serving(data_dir: Path, **settings: str) -> AsyncIterator[Serving]:
    """A ``serve`` that is ready; ``BENCH_UNDER`` names a profiler to run it under."""
    port, mqtt_port = free_port(), free_port()
    command = [sys.executable, "-m", "pepeunit.entrypoints.main", "serve"]
    command += ["--data-dir", str(data_dir), "--host", "127.0.0.1"]
    command += ["--http-port", str(port), "--mqtt-port", str(mqtt_port)]
    command = [*os.environ.get("BENCH_UNDER", "").split(), *command]
    with (data_dir.parent / "log").open("ab") as log:
        serve = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | settings)
        try:
            await answers(port, "/readyz")
            yield Serving(port, mqtt_port, serve.pid)
        finally:
            serve.send_signal(signal.SIGTERM)
            serve.wait(20)


async def resident_alone(data_dir: Path, token: str) -> float:
    """MiB after the same requests, with ClickHouse in a process of its own."""
    clickhouse = ClickHouseServer(data_dir.parent / "clickhouse", free_port())
    clickhouse.start()
    try:
        async with serving(data_dir, PU_CLICKHOUSE_URL=clickhouse.url) as up:
            for request, _ in asked(token).values():
                await load(up.port, up.pid, request)
            return resident_mib(up.pid)
    finally:
        clickhouse.kill()


async def main() -> None:
    with TemporaryDirectory() as folder:
        data_dir = Path(folder, "data")
        token = await fill(data_dir)
        bare_port = free_port()
        bare = subprocess.Popen([sys.executable, "-c", BARE, str(bare_port)])
        try:
            async with serving(data_dir) as up:
                await answers(bare_port, "/")
                print(
                    f"Python {sys.version.split()[0]}, {os.cpu_count()} processors,"
                    f" load before {os.getloadavg()[0]:.1f}\n"
                )
                await measure(up.port, bare_port, token, up.pid, bare.pid)
                whole = resident_mib(up.pid)
        finally:
            bare.send_signal(signal.SIGTERM)
            bare.wait(20)
        alone = await resident_alone(data_dir, token)
        verdict = "yes" if alone <= RESIDENT_MIB_MAX else "**no**"
        print("\n| resident | MiB | wanted | |\n|---|---|---|---|")
        print(f"| `serve`, both engines apart | {alone:.0f} | <= {RESIDENT_MIB_MAX} | {verdict} |")
        print(f"| the same with the ClickHouse engine inside | {whole:.0f} | | |")


if __name__ == "__main__":
    asyncio.run(main())
