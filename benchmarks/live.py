"""How live data fares: ``python -m benchmarks.live``.

One ``serve`` with the embedded PostgreSQL and the rows of ``benchmarks.control_plane``. Devices
publish over MQTT, people subscribe over WebSocket, both from this process: a delivery takes from
the moment before the publish to the moment the message is read. Then the same with a subscriber
that never reads.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import aiohttp
from attrs import define, field
from benchmarks.control_plane import cpu_seconds, fill, resident_mib, serving

from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.embedded.installation import Installation
from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.wire import VERSION_5
from pepeunit.domain.access.tokens import UnitClaims
from pepeunit.domain.ids import UnitId

NODES = 50
CONNECTIONS = 100
SUBSCRIPTIONS = 2_000
DELIVERIES_PER_SECOND = 5_000
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
WARM_SECONDS = 2.0
FULL_VALUE = "x" * 4096
QUERY = "subscription($u: [UUID!]!) { nodeValue(uuids: $u) { uuid moment value passedOver } }"


@define
class Seen:
    milliseconds: list[float] = field(factory=list)
    passed_over: int = 0
    is_counting: bool = False

    def note(self, text: str, now: float) -> None:
        value = json.loads(text)["payload"]["data"]["nodeValue"]
        if self.is_counting and value["value"] and value["value"][0] != "{":
            self.passed_over += value["passedOver"]
            self.milliseconds.append((now - float(value["value"].split()[0])) * 1000)


class Device:
    """A unit with one output."""

    def __init__(self, unit: UUID, node: UUID, domain: str, token: str) -> None:
        self.unit, self.node, self.token = unit, node, token
        self.topic = f"{domain}/{node}/pepeunit".encode()

    async def connect(self, port: int) -> None:
        reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        hello = p.Connect(p.CONNECT, VERSION_5, "", True, 0, self.token, b"", None, {})
        self.writer.write(e.encode_connect(hello))
        assert (await reader.read(1024))[0] == 0x20
        self.reader = reader

    def publish(self, more: str = "") -> None:
        payload = f"{time.perf_counter()} {more}".encode()
        self.writer.write(e.encode_publish(self.topic, payload, VERSION_5, qos=0))


async def subscriber(  # noqa: PLR0917
    session: aiohttp.ClientSession,
    port: int,
    token: str,
    nodes: list[UUID],
    seen: Seen,
    ready: asyncio.Semaphore,
) -> None:
    url = f"http://127.0.0.1:{port}/pepeunit/graphql"
    async with session.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"x-auth-token": token}})
        await socket.receive()
        for at, node in enumerate(nodes):
            payload = {"query": QUERY, "variables": {"u": [str(node)]}}
            await socket.send_json({"type": "subscribe", "id": str(at), "payload": payload})
        for _ in nodes:
            message = await socket.receive_json()
            assert message["type"] == "next", message
        ready.release()
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            seen.note(message.data, time.perf_counter())


async def publish(devices: list[Device], per_second: float, seconds: float, more: str = "") -> None:
    """Evenly spread."""
    begun, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        while sent < passed * per_second:
            devices[sent % len(devices)].publish(more)
            sent += 1
        await asyncio.sleep(0.002)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else float("nan")


async def never_reading(port: int, token: str, nodes: list[UUID]) -> asyncio.StreamWriter:
    """A client that subscribes and reads nothing, with the smallest buffer there is."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    _, writer = await asyncio.open_connection(sock=raw, limit=2)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(
        b"GET /pepeunit/graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    await asyncio.sleep(0.5)
    messages = [{"type": "connection_init", "payload": {"x-auth-token": token}}]
    payload = {"query": QUERY, "variables": {"u": [str(node) for node in nodes]}}
    messages += [{"type": "subscribe", "id": str(at), "payload": payload} for at in range(20)]
    for message in messages:
        text = json.dumps(message).encode()
        writer.write(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)
    return writer


async def established(port: int) -> int:
    """Connections of the server that are up, by the kernel's own table."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(wanted) and line.split()[3] == "01" for line in lines)


async def devices_of(port: int, mqtt_port: int, token: str, secret: str) -> list[Device]:
    async with aiohttp.ClientSession(headers={"x-auth-token": token}) as session:
        url = f"http://127.0.0.1:{port}/pepeunit/api/v1"
        async with session.get(f"{url}/unit_nodes?type=Output&limit=500&offset=0") as reply:
            nodes = (await reply.json())["unit_nodes"]
    units: dict[str, str] = {}
    for node in nodes:
        if node["topic_name"].endswith("/pepeunit"):
            units.setdefault(node["unit_uuid"], node["uuid"])
    found = []
    for unit, node in list(units.items())[:NODES]:
        signed = JwtTokens(secret).sign(UnitClaims(UnitId(UUID(unit))).as_mapping())
        found.append(Device(UUID(unit), UUID(node), "bench", signed))
        await found[-1].connect(mqtt_port)
    return found


async def measure(port: int, mqtt_port: int, token: str, secret: str, pid: int) -> bool:
    devices = await devices_of(port, mqtt_port, token, secret)
    nodes = [device.node for device in devices]
    before = resident_mib(pid)
    seen, ready = Seen(), asyncio.Semaphore(0)
    each = SUBSCRIPTIONS // CONNECTIONS
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        tasks = []
        begun = time.perf_counter()
        for at in range(CONNECTIONS):
            mine = [nodes[(at * each + one) % len(nodes)] for one in range(each)]
            work = subscriber(session, port, token, mine, seen, ready)
            tasks.append(asyncio.create_task(work))
        for _ in tasks:
            await ready.acquire()
        subscribed = time.perf_counter() - begun
        per_second = DELIVERIES_PER_SECOND / (SUBSCRIPTIONS / len(nodes))
        await publish(devices, per_second, WARM_SECONDS)
        seen.is_counting, cpu = True, cpu_seconds(pid)[0]
        await publish(devices, per_second, SECONDS)
        await asyncio.sleep(0.5)
        cpu = (cpu_seconds(pid)[0] - cpu) / SECONDS
        quiet, memory = list(seen.milliseconds), resident_mib(pid) - before
        rate, p99 = len(quiet) / SECONDS, percentile(quiet, 0.99)
        print("| what | seen | wanted | |\n|---|---|---|---|")
        fits = p99 <= 250 and memory <= 300 and rate >= DELIVERIES_PER_SECOND * 0.98
        print(
            f"| {SUBSCRIPTIONS} subscriptions on {CONNECTIONS} connections begun in "
            f"| {subscribed:.1f} s | | |"
        )
        told(
            f"{SUBSCRIPTIONS} subscriptions, deliveries a second",
            f"{rate:.0f}",
            ">= 5000",
            rate >= 4900,
        )
        told("passed over", f"{seen.passed_over}", "", True)
        told("p50", f"{statistics.median(quiet):.1f} ms", "", True)
        told("p99", f"{p99:.1f} ms", "<= 250 ms", p99 <= 250)
        told("more memory", f"{memory:.0f} MiB", "<= 300 MiB", memory <= 300)
        told("processor time of the server", f"{cpu:.2f} s/s", "", True)
        await attack(port, token, devices, nodes, seen, pid, per_second)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return fits


def told(what: str, seen: str, wanted: str, fits: bool) -> None:
    print(f"| {what} | {seen} | {wanted} | {'yes' if fits else '**no**'} |", flush=True)


async def attack(  # noqa: PLR0917
    port: int,
    token: str,
    devices: list[Device],
    nodes: list[UUID],
    seen: Seen,
    pid: int,
    per_second: float,
) -> None:
    """Twenty subscriptions to every node, never read, while the values are 4 KiB."""
    before, up = resident_mib(pid), await established(port)
    writer = await never_reading(port, token, nodes)
    seen.milliseconds.clear()
    begun, gone, most = time.perf_counter(), None, before
    publishing = asyncio.create_task(publish(devices, per_second, 40.0, FULL_VALUE))
    while not publishing.done():
        await asyncio.sleep(0.5)
        most = max(most, resident_mib(pid))
        if gone is None and time.perf_counter() - begun > 2 and await established(port) <= up:
            gone = time.perf_counter() - begun
            break
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    writer.close()
    told("a subscriber that never reads: memory", f"+{most - before:.0f} MiB", "bounded", True)
    when = "not within 40 s" if gone is None else f"after {gone:.0f} s"
    told("it is sent away", when, "<= 35 s", gone is not None)
    p99 = percentile(seen.milliseconds, 0.99)
    told("p99 of the others meanwhile", f"{p99:.1f} ms", "<= 250 ms", p99 <= 250)


async def main() -> None:
    with TemporaryDirectory() as folder:
        data_dir = Path(folder, "data")
        token = await fill(data_dir)
        installation = Installation.open(data_dir)
        secret = installation.keys["PU_SECRET_KEY"]
        installation.close()
        roomy = {
            "PU_DOMAIN": "bench",
            "PU_MQTT_MAX_CLIENT_CONNECTION_RATE": "1000/s",
            "PU_MAX_PAGINATION_SIZE": "500",
        }
        try:
            async with serving(data_dir, **roomy) as up:
                print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors")
                print(f"load average {os.getloadavg()[0]:.1f}, {time.strftime('%F')}\n")
                await measure(up.port, up.mqtt_port, token, secret, up.pid)
        finally:
            if os.environ.get("BENCH_LOG"):
                print(Path(folder, "log").read_text()[-4000:])


if __name__ == "__main__":
    asyncio.run(main())
