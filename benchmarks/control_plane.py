"""How many requests a second ``serve`` answers: ``python -m benchmarks.control_plane``.

One server process with the embedded PostgreSQL, 10 000 units and 50 000 nodes in it; the load
comes from this process over 16 connections, as a signed-in user with permissions, with random
offset and search. A bare aiohttp application, in a process of its own, is measured in the same
run: instance information is told as a share of it.
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
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import quote

from attrs import frozen
from benchmarks.database import build

from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.embedded.installation import Installation
from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.migrations import migrate
from pepeunit.domain.access.tokens import UserClaims

CONNECTIONS = 16
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
WARM_SECONDS = 1.0
API = "/pepeunit/api/v1"
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
    """``cpu_ms`` is what the asked process and its children spent on one request: unlike the
    rate it is the same on a machine that has other work."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float


def cpu_seconds(pid: int) -> float:
    """Of the process and of those that it started (the database's)."""
    ticks = 0
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
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def load(
    port: int, pid: int, request: Callable[[], bytes], seconds: float = SECONDS
) -> Measured:
    """Requests as fast as the answers come, over keep-alive connections. Any status but 200
    fails the run."""
    times: list[float] = []
    loop = asyncio.get_running_loop()
    start = loop.time() + WARM_SECONDS
    stop = start + seconds

    async def one() -> None:
        nonlocal asked
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := loop.time()) < stop:
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            at = head.lower().index(b"content-length:") + 15
            await reader.readexactly(int(head[at : head.index(b"\r", at)]))
            asked += 1
            if began >= start:
                times.append(loop.time() - began)
        writer.close()

    spent = cpu_seconds(pid)
    asked = 0
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    spent = cpu_seconds(pid) - spent
    cuts = statistics.quantiles(times, n=100)
    return Measured(len(times) / seconds, cuts[49] * 1000, cuts[98] * 1000, spent / asked * 1000)


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


async def measure(port: int, bare_port: int, token: str, pid: int, bare_pid: int) -> bool:
    dice = Random(1)
    words = ["00", "unit", "7", "unit 1", ""]
    topics = ["topic", "topic_3", "pepeunit", "topic_1", ""]

    def units() -> bytes:
        query = f"limit=10&offset={dice.randrange(200)}&search_string={quote(dice.choice(words))}"
        return get(f"{API}/units?{query}", token)

    def nodes() -> bytes:
        query = f"limit=10&offset={dice.randrange(200)}&search_string={quote(dice.choice(topics))}"
        return get(f"{API}/unit_nodes?{query}", token)

    bare = await load(bare_port, bare_pid, lambda: get("/"))
    instance = await load(port, pid, lambda: get("/pepeunit"))
    rows = [
        ("bare aiohttp handler", bare, None, None),
        ("instance info", instance, bare.per_second / 2, f"0.5 x bare = {bare.per_second / 2:.0f}"),
        ("units, list of 10", await load(port, pid, units), 600.0, "600"),
        ("nodes, list of 10", await load(port, pid, nodes), 600.0, "600"),
        ("metrics", await load(port, pid, lambda: get(f"{API}/metrics/", token)), 2500.0, "2500"),
    ]
    print(
        "| what | requests/s | wanted | p50 ms | p99 ms | cpu ms | |\n|---|---|---|---|---|---|---|"
    )
    good = True
    for name, seen, least, wanted in rows:
        fits = least is None or (seen.per_second >= least and seen.p99_ms <= 75)
        good = good and fits
        verdict = "" if least is None else "yes" if fits else "**no**"
        print(
            f"| {name} | {seen.per_second:.0f} | {wanted or ''} | {seen.p50_ms:.1f} "
            f"| {seen.p99_ms:.1f} | {seen.cpu_ms:.2f} | {verdict} |"
        )
    resident = resident_mib(pid)
    fits = resident <= 200
    print(f"| resident, MiB | {resident:.0f} | <= 200 | | | | {'yes' if fits else '**no**'} |")
    return good and fits


async def main() -> None:
    with TemporaryDirectory() as folder:
        data_dir = Path(folder, "data")
        token = await fill(data_dir)
        port, bare_port, mqtt_port = free_port(), free_port(), free_port()
        command = [sys.executable, "-m", "pepeunit.entrypoints.main", "serve"]
        command += ["--data-dir", str(data_dir), "--host", "127.0.0.1"]
        command += ["--http-port", str(port), "--mqtt-port", str(mqtt_port)]
        command = [*os.environ.get("BENCH_UNDER", "").split(), *command]
        with Path(folder, "log").open("wb") as log:
            serve = subprocess.Popen(command, stdout=log, stderr=log)
            bare = subprocess.Popen([sys.executable, "-c", BARE, str(bare_port)])
            try:
                await answers(port, "/readyz")
                await answers(bare_port, "/")
                print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors\n")
                await measure(port, bare_port, token, serve.pid, bare.pid)
            finally:
                for process in (serve, bare):
                    process.send_signal(signal.SIGTERM)
                    process.wait(20)


if __name__ == "__main__":
    asyncio.run(main())
