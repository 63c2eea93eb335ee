"""How fast and how small the MQTT endpoint is, with one command.

    python benchmarks/endpoint.py [--runs N] [--messages N]

(a) one publisher process to the platform's own consumer (journal on disk, no pipe behind it),
QoS 0 and QoS 1 (a window of unacknowledged messages, acknowledged after the journal);
(b) the memory of 1 000 connected idle devices; (c) 10 000 fuzzed packets: growth of memory, and
how long a good client takes to connect afterwards. Rates are raised; nothing else is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import platform
import random
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from pepeunit.adapters.embedded.journal import FileJournal
from pepeunit.adapters.memory.checkpoint import MemoryCheckpoint
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.codecs import records
from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.wire import VERSION_3, VERSION_5
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Unauthenticated
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.topic import ParsedTopic, parse_topic
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform, Receive
from pepeunit.usecases.messages.authorize_topic import MqttAction
from pepeunit.usecases.messages.receive import Inbound, ReceiveMessages, StoreState
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.limits import IngestLimits

MIB = 1024 * 1024
TOPIC = f"here/{UUID(int=7)}/pepeunit".encode()
PAYLOAD = b'{"temperature": 21.5}'
WINDOW = 10_000
BLOCK = 500
DEVICES = 1_000
FUZZED = 10_000
RAISED = Limits(
    connects_per_second=0, messages_per_second=0, bytes_per_second=0, receive_max=2 * WINDOW
)
T = TypeVar("T")


class Grounds:
    """The least platform that the endpoint can serve."""

    def __init__(self) -> None:
        self.count = 0
        self.batches = 0
        self.started = 0.0
        """When the first message came: its topic is asked about once."""

    async def authenticate(self, token: str, client_id: str) -> Agent:
        if not token.isdecimal():
            raise Unauthenticated("no such unit")
        return Agent.unit(UnitId(UUID(int=int(token))))

    async def authorize(self, agent: Agent, action: MqttAction, topic: str) -> ParsedTopic | None:
        self.started = time.perf_counter()
        return parse_topic(topic, {"here"})

    async def receive(self, messages: Sequence[Inbound]) -> None:
        self.count += len(messages)
        self.batches += 1

    async def connected(self, agent: Agent) -> None: ...

    async def disconnected(self, agent: Agent) -> None: ...

    async def listening(self, agent: Agent) -> None: ...


@contextlib.asynccontextmanager
async def platform_consumer(grounds: Grounds, folder: Path) -> AsyncIterator[Receive]:
    """The platform's own way in: the journal on disk, then the newest value per node."""
    journal = await FileJournal.open(folder / "journal")
    clock = lambda: datetime.now(UTC)  # noqa: E731
    database, series, logs = MemoryDatabase(), MemorySeries(), MemoryLogs()
    parts = IngestParts(
        database=database,
        journal=journal,
        journal_id=uuid4(),
        checkpoint=MemoryCheckpoint(),
        codec=records,
        series_writer=series,
        series_admin=series,
        logs=logs,
        clock=clock,
        new_uuid=uuid4,
        limits=IngestLimits(),
        payload_bytes_max=256 * 1024,
        reread_seconds=60,
    )
    ingest = Ingest(parts, MemoryLeases())
    platform = ReceiveMessages(ingest, StoreState(database, clock, 60), clock, 86_400)
    flushing = asyncio.create_task(ingest.run())

    async def receive(messages: Sequence[Inbound]) -> None:
        await platform(messages)
        await grounds.receive(messages)

    try:
        yield receive
    finally:
        flushing.cancel()
        await asyncio.wait([flushing])
        await journal.close()


@contextlib.asynccontextmanager
async def endpoint(grounds: Grounds, receive: Receive | None = None) -> AsyncIterator[Endpoint]:
    exchange = Exchange()
    asked = Platform(grounds.authenticate, grounds.authorize, receive or grounds.receive, grounds)
    served = Endpoint(exchange, asked, RAISED)
    await served.start("127.0.0.1", 0)
    try:
        yield served
    finally:
        await served.stop()


# the other process


def _connect(port: int, number: int = 1) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(
        e.encode_connect(
            p.Connect(p.CONNECT, VERSION_3, f"c{number}", True, 0, str(number), b"", None, {})
        )
    )
    assert peer.recv(4) == b"\x20\x02\x00\x00"
    return peer


def publish_qos_0(port: int, messages: int, pipe: Pipe) -> None:
    peer = _connect(port)
    block = e.encode_publish(TOPIC, PAYLOAD) * BLOCK
    for _ in range(messages // BLOCK):
        peer.sendall(block)
    peer.sendall(e.PINGREQ_BYTES)
    assert peer.recv(2) == e.PINGRESP_BYTES
    pipe.send(None)
    pipe.recv()
    peer.close()


def publish_qos_1(port: int, messages: int, pipe: Pipe) -> None:
    """Never more than ``WINDOW`` unacknowledged; returns when all are acknowledged."""
    peer = _connect(port)
    blocks = [
        b"".join(
            e.encode_publish(TOPIC, PAYLOAD, qos=1, packet_id=first + number + 1)
            for number in range(BLOCK)
        )
        for first in range(0, WINDOW, BLOCK)
    ]
    sent = acknowledged = 0
    while acknowledged < messages * 4:
        while sent < messages and sent + BLOCK - acknowledged // 4 <= WINDOW:
            peer.sendall(blocks[sent // BLOCK % len(blocks)])
            sent += BLOCK
        acknowledged += len(peer.recv(MIB))
    pipe.send(None)
    pipe.recv()
    peer.close()


def idle_devices(port: int, count: int, pipe: Pipe) -> None:
    peers = [_connect(port, number + 1) for number in range(count)]
    pipe.send(None)
    pipe.recv()
    for peer in peers:
        peer.close()


def fuzz(port: int, count: int, pipe: Pipe) -> None:
    """Random and bent packets, before and after CONNECT, over many connections."""
    rng = random.Random(7)
    good = [
        e.encode_publish(TOPIC, PAYLOAD, VERSION_5, qos=1, packet_id=3),
        e.encode_subscribe(4, [p.Filter(TOPIC.decode(), 1)], VERSION_5),
        e.encode_connect(p.Connect(p.CONNECT, VERSION_5, "x", True, 0, "3", b"", None, {})),
        e.encode_publish(TOPIC, bytes(200_000)),
    ]
    sent = 0
    while sent < count:
        with contextlib.suppress(OSError):
            if rng.random() < 0.5:
                peer = _connect(port, 2)
            else:
                peer = socket.create_connection(("127.0.0.1", port))
            with peer:
                for _ in range(20):
                    sent += 1
                    peer.sendall(_bent(rng, rng.choice(good)))
    pipe.send(None)
    pipe.recv()


def _bent(rng: random.Random, packet: bytes) -> bytes:
    match rng.randrange(3):
        case 0:
            return rng.randbytes(rng.randrange(1, 200))
        case 1:
            bent = bytearray(packet)
            for _ in range(rng.randrange(1, 4)):
                bent[rng.randrange(min(len(bent), 40))] = rng.randrange(256)
            return bytes(bent)
        case _:
            return packet[: rng.randrange(1, len(packet))]


# measuring


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def beside(
    work: Callable[[int, int, Pipe], None], port: int, count: int
) -> tuple[Pipe, BaseProcess]:
    """Runs ``work`` in a process of its own; returns its pipe and itself when it reported."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=work, args=(port, count, theirs), daemon=True
    )
    process.start()
    theirs.close()
    await asyncio.get_running_loop().run_in_executor(None, ours.recv)
    return ours, process


async def throughput(qos: int, messages: int, folder: Path) -> tuple[float, float]:
    """Messages a second from the first one until the last is in the journal (and, QoS 1,
    acknowledged), and messages per batch."""
    grounds = Grounds()
    async with (
        platform_consumer(grounds, folder) as receive,
        endpoint(grounds, receive) as served,
    ):
        work = publish_qos_1 if qos else publish_qos_0
        pipe, process = await beside(work, served.port, messages)
        while grounds.count + served.counters.dropped_messages < messages:
            await asyncio.sleep(0.001)
        seconds = time.perf_counter() - grounds.started
        dropped = served.counters.dropped_messages
        assert grounds.count == messages, f"{dropped} messages were dropped"
        pipe.send(None)
        process.join()
    return messages / seconds, messages / grounds.batches


async def idle() -> float:
    grounds = Grounds()
    async with endpoint(grounds) as served:
        before = resident_bytes()
        pipe, process = await beside(idle_devices, served.port, DEVICES)
        assert served.connected_clients == DEVICES
        grown = resident_bytes() - before
        pipe.send(None)
        process.join()
    return grown / MIB


async def fuzzed() -> tuple[float, float]:
    async with endpoint(Grounds()) as served:
        before = resident_bytes()
        pipe, process = await beside(fuzz, served.port, FUZZED)
        grown = resident_bytes() - before
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            e.encode_connect(p.Connect(p.CONNECT, VERSION_3, "good", True, 0, "1", b"", None, {}))
        )
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        took = time.perf_counter() - started
        writer.close()
        pipe.send(None)
        process.join()
    return grown / MIB, took


def run(work: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=500_000)
    chosen = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    # memory first: later runs would fit into what earlier ones have left free
    rows.append((f"{DEVICES:,} idle devices, MiB", f"{run(idle()):.1f}", "<= 50"))
    grown, took = run(fuzzed())
    rows.append((f"{FUZZED:,} fuzzed packets, growth in MiB", f"{grown:.1f}", "<= 50"))
    rows.append(("a good client connects afterwards, s", f"{took:.3f}", "<= 1"))
    with tempfile.TemporaryDirectory() as place:
        for qos, goal in ((0, 200_000), (1, 50_000)):
            count = chosen.messages if qos == 0 else chosen.messages // 2
            count -= count % BLOCK
            found = [run(throughput(qos, count, Path(place))) for _ in range(chosen.runs)]
            rates = sorted(rate for rate, _ in found)
            rows.append(
                (
                    f"QoS {qos}, one publisher to one consumer, msg/s",
                    f"{statistics.median(rates):,.0f}  ({rates[0]:,.0f} to {rates[-1]:,.0f}; "
                    f"{statistics.median(size for _, size in found):,.0f} a batch)",
                    f">= {goal:,}",
                )
            )
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for what, found_text, wanted in rows:
        print(f"{what:<52} {found_text:<48} {wanted}")


if __name__ == "__main__":
    main()
