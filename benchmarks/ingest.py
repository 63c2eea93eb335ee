"""From a publish to a stored row, with one command.

    python -m benchmarks.ingest [qos0] [qos1] [latency] [windows] [overload] [--seconds N]

One publisher process and one platform process: MQTT endpoint, journal and checkpoint on disk, the
embedded ClickHouse engine. Rows are counted in the store, never publishes. Pipes come from a
table in memory, so that PostgreSQL takes no part. Rates of the endpoint are raised; nothing else
is. The machine's other load counts too: CPU seconds for a million rows are told as well.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from attrs import define, field

from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.series_admin import ClickHouseSeriesAdmin
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.adapters.embedded.checkpoint import SqliteCheckpoint
from pepeunit.adapters.embedded.journal import FileJournal
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.codecs import records
from pepeunit.codecs.mqtt import encode as e
from pepeunit.codecs.mqtt import packets as p
from pepeunit.codecs.mqtt.wire import VERSION_3
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.record import SampleRecord
from pepeunit.domain.messaging.topic import ParsedTopic, parse_topic
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform
from pepeunit.entrypoints.memory import spare_memory
from pepeunit.ports.pipes import PipeSetting
from pepeunit.ports.series_writer import SeriesBatch
from pepeunit.usecases.messages.authorize_topic import MqttAction
from pepeunit.usecases.messages.receive import ReceiveMessages, StoreState
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.limits import IngestLimits

MIB = 1024 * 1024
NODES = 500
BLOCK = 500
WINDOW = 10_000
DAY = 86_400
RAISED = Limits(
    connects_per_second=0, messages_per_second=0, bytes_per_second=0, receive_max=2 * WINDOW
)
GOALS = {"qos0": 100_000, "qos1": 40_000}


def node(number: int) -> NodeId:
    return NodeId(UUID(int=0x5EED0000 + number))


def topic(number: int) -> bytes:
    return f"here/{node(number)}/pepeunit".encode()


def pipe(policy: str, **more: Any) -> str:
    return json.dumps(
        {
            "active_period": {"type": "Permanent"},
            "filters": {"type_input_value": "Number", "max_rate": 0, "max_size": 0},
            "processing_policy": {"policy_type": policy, **more},
        }
    )


KEPT_A_DAY = pipe("TimeWindow", time_window_size=DAY)
MEANS = pipe("Aggregation", time_window_size=DAY, aggregation_functions="Avg")


class PipeTable:
    """The part of the relational store that the pipeline asks; it never changes here."""

    def __init__(self, count: int, config: str) -> None:
        self._settings = [PipeSetting(node(n), config, 1, 0, n + 1) for n in range(count)]
        self.pipes = self
        self.nodes = self

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        yield self

    read = begin

    async def changed(self, after: int) -> Sequence[PipeSetting]:
        return self._settings[after:] if after < len(self._settings) else ()

    async def count(self, up_to_version: int) -> int:
        return len(self._settings[:up_to_version])

    async def living(self, among: Collection[UUID]) -> set[tuple[UUID, int]]:
        return {(uuid, 1) for uuid in among}

    async def report(self, nodes: Collection[UUID], status: str, error: str | None) -> None: ...

    async def store_states(self, rows: Sequence[Any], now: datetime) -> int:
        return len(rows)


@define(eq=False)
class Watched:
    """A series store that is slowed down and watched. ``inner`` None keeps nothing."""

    inner: Any
    rows_per_second: float | None = None
    rows: int = 0
    latencies: list[float] = field(factory=list)
    is_timed: bool = False

    async def write(self, batch: SeriesBatch) -> None:
        if self.rows_per_second is not None:
            await asyncio.sleep(batch.row_count / self.rows_per_second)
        if self.inner is not None:
            await self.inner.write(batch)
        self.rows += batch.row_count
        if self.is_timed:
            now = time.time()
            self.latencies += [now - float(row[3]) for row in batch.time_windows]


class Served:
    """The platform's way in, running."""

    def __init__(self, ingest: Ingest, watched: Watched, store: ClickHouse | None) -> None:
        self.ingest = ingest
        self.watched = watched
        self.store = store
        self.endpoint: Endpoint | None = None

    @property
    def port(self) -> int:
        assert self.endpoint is not None
        return self.endpoint.port

    @property
    def dropped(self) -> int:
        assert self.endpoint is not None
        return self.endpoint.counters.dropped_messages + self.ingest.counters.shed

    async def authenticate(self, token: str, client_id: str) -> Agent:
        return Agent.unit(UnitId(UUID(int=int(token))))

    async def authorize(self, agent: Agent, action: MqttAction, topic: str) -> ParsedTopic | None:
        return parse_topic(topic, {"here"})

    async def connected(self, agent: Agent) -> None: ...

    disconnected = listening = connected

    async def count(self) -> int:
        """Rows in the store, each identity once."""
        assert self.store is not None
        return await self.store.read(
            lambda client: int(str(client.command("SELECT count() FROM window_entry FINAL")))
        )


@asynccontextmanager
async def served(
    folder: Path, nodes: int, config: str, *, engine: bool = True, slowed: float | None = None
) -> AsyncIterator[Served]:
    journal = await FileJournal.open(folder / "journal")
    checkpoint = await SqliteCheckpoint.open(folder / "checkpoint.sqlite")
    store = await ClickHouse.open(Address(folder / "clickhouse")) if engine else None
    watched = Watched(ClickHouseSeriesWriter(store) if store else None, slowed)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731
    parts = IngestParts(
        database=PipeTable(nodes, config),
        journal=journal,
        journal_id=uuid4(),
        checkpoint=checkpoint,
        codec=records,
        series_writer=watched,
        series_admin=ClickHouseSeriesAdmin(store) if store else MemorySeries(),
        logs=MemoryLogs(),
        clock=clock,
        new_uuid=uuid4,
        limits=IngestLimits(),
        payload_bytes_max=256 * 1024,
        reread_seconds=60,
    )
    ingest = Ingest(parts, MemoryLeases())
    one = Served(ingest, watched, store)
    receive = ReceiveMessages(ingest, StoreState(MemoryDatabase(), clock, 60), clock, 86_400)
    running = asyncio.create_task(ingest.run())
    assert await ingest.ready(60)
    asked = Platform(one.authenticate, one.authorize, receive, one)
    one.endpoint = Endpoint(Exchange(), asked, RAISED)
    await one.endpoint.start("127.0.0.1", 0)
    try:
        yield one
    finally:
        await one.endpoint.stop()
        await ingest.stop()
        running.cancel()
        await asyncio.wait([running])
        await checkpoint.close()
        await journal.close()
        if store is not None:
            await store.close()


# the other process


def _connect(port: int, number: int = 1) -> Any:
    import socket

    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connect = p.Connect(p.CONNECT, VERSION_3, f"c{number}", True, 0, str(number), b"", None, {})
    peer.sendall(e.encode_connect(connect))
    assert peer.recv(4) == b"\x20\x02\x00\x00"
    return peer


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def publish_qos_0(port: int, rate: int, seconds: float, pipe: Pipe) -> None:
    """``rate`` messages a second, in blocks, never faster; nodes in turn."""
    peer = _connect(port)
    step = min(BLOCK, max(10, rate // 200))
    blocks = [
        b"".join(
            e.encode_publish(topic((at + n) % NODES), f"21.{(at + n) % 1000}".encode())
            for n in range(step)
        )
        for at in range(0, NODES, step)
    ]
    begun = time.perf_counter()
    sent = 0
    while (now := time.perf_counter()) < begun + seconds:
        due = begun + sent / rate
        if now < due:
            time.sleep(due - now)
        peer.sendall(blocks[sent // step % len(blocks)])
        sent += step
    peer.sendall(e.PINGREQ_BYTES)
    assert peer.recv(2) == e.PINGRESP_BYTES
    pipe.send((sent, _cpu_seconds()))
    pipe.recv()
    peer.close()


def publish_timed(port: int, rate: int, seconds: float, pipe: Pipe) -> None:
    """As :func:`publish_qos_0`; the payload is the time of sending."""
    peer = _connect(port)
    topics = [topic(n) for n in range(NODES)]
    begun = time.perf_counter()
    sent = 0
    while (now := time.perf_counter()) < begun + seconds:
        due = begun + sent / rate
        if now < due:
            time.sleep(due - now)
        payload = f"{time.time():.6f}".encode()
        peer.sendall(
            b"".join(e.encode_publish(topics[(sent + n) % NODES], payload) for n in range(50))
        )
        sent += 50
    peer.sendall(e.PINGREQ_BYTES)
    assert peer.recv(2) == e.PINGRESP_BYTES
    pipe.send((sent, _cpu_seconds()))
    pipe.recv()
    peer.close()


def publish_qos_1(port: int, rate: int, seconds: float, pipe: Pipe) -> None:
    """At most ``rate`` a second (0: as fast as acknowledged) and ``WINDOW`` unacknowledged;
    returns when all are acknowledged."""
    peer = _connect(port, 2)
    step = BLOCK if not rate else min(BLOCK, max(10, rate // 200))
    blocks = [
        b"".join(
            e.encode_publish(topic((at + n) % NODES), b"21.5", qos=1, packet_id=at + n + 1)
            for n in range(step)
        )
        for at in range(0, WINDOW, step)
    ]
    sent = acknowledged = 0
    begun = time.perf_counter()
    peer.setblocking(False)  # acknowledgements are taken between sends
    while True:
        now = time.perf_counter()
        is_over = now >= begun + seconds
        if is_over and acknowledged >= sent * 4:
            break
        is_due = not rate or now >= begun + sent / rate
        if is_due and not is_over and sent + step - acknowledged // 4 <= WINDOW:
            peer.setblocking(True)
            peer.sendall(blocks[sent // step % len(blocks)])
            peer.setblocking(False)
            sent += step
            continue
        try:
            acknowledged += len(peer.recv(MIB))
        except BlockingIOError:
            time.sleep(0.0005)
    pipe.send((sent, _cpu_seconds()))
    pipe.recv()
    peer.close()


# measuring


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Publisher:
    """A process of its own."""

    def __init__(self, work: Callable[..., None], port: int, rate: int, seconds: float) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=work, args=(port, rate, seconds, theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        self.cpu_seconds = 0.0

    async def sent(self) -> int:
        count, self.cpu_seconds = await asyncio.to_thread(self._ours.recv)
        return int(count)

    def close(self) -> None:
        self._ours.send(None)
        self._process.join()


async def until(condition: Callable[[], bool], seconds: float) -> float | None:
    """How long it took; None when it did not happen."""
    begun = time.perf_counter()
    while not condition():
        if time.perf_counter() > begun + seconds:
            return None
        await asyncio.sleep(0.01)
    return time.perf_counter() - begun


async def throughput(qos: int, rate: int, seconds: float) -> str:
    work = publish_qos_1 if qos else publish_qos_0
    with tempfile.TemporaryDirectory() as place:
        async with served(Path(place), NODES, KEPT_A_DAY) as one:
            cpu, begun = _cpu_seconds(), time.perf_counter()
            publisher = Publisher(work, one.port, rate, seconds)
            first = await until(lambda: one.ingest.counters.received > 0, 10)
            assert first is not None
            begun = time.perf_counter()
            sent = await publisher.sent()
            published = time.perf_counter() - begun
            wanted = lambda: one.watched.rows >= one.ingest.counters.received  # noqa: E731
            after = await until(wanted, 120)
            took = time.perf_counter() - begun
            used = _cpu_seconds() - cpu
            stored = await one.count()
            publisher.close()
            lanes = one.ingest.tenure.lanes.series  # type: ignore[union-attr]
            return (
                f"QoS {qos}: {stored:,} rows in {took:.1f} s = {stored / took:,.0f} rows/s "
                f"(published {sent:,} in {published:.1f} s, dropped {one.dropped:,}, last row "
                f"{after or -1:.1f} s later, {lanes.writes} writes, platform "
                f"{used / stored * 1e6:.1f} CPU s and publisher "
                f"{publisher.cpu_seconds / sent * 1e6:.1f} CPU s a million; "
                f"{resident_bytes() / MIB:.0f} MiB resident)"
            )


async def latency(seconds: float) -> str:
    with tempfile.TemporaryDirectory() as place:
        async with served(Path(place), NODES, KEPT_A_DAY) as one:
            one.watched.is_timed = True
            publisher = Publisher(publish_timed, one.port, 10_000, seconds)
            sent = await publisher.sent()
            await until(lambda: one.watched.rows >= sent - one.dropped, 10)
            publisher.close()
            found = statistics.quantiles(one.watched.latencies, n=1000)
            return (
                f"publish -> readable row at 10 000 msg/s, {len(one.watched.latencies):,} rows: "
                f"p50 {found[499]:.3f} s, p99 {found[989]:.3f} s, max "
                f"{max(one.watched.latencies):.3f} s (dropped {one.dropped})"
            )


async def windows(*, engine: bool) -> str:
    count = 50_000
    with tempfile.TemporaryDirectory() as place:
        bare = resident_bytes()
        async with served(Path(place), count, MEANS, engine=engine) as one:
            now_ms = int(time.time() * 1000)
            for _ in range(3):
                for at in range(0, count, 5_000):
                    some: dict[UUID, list[bytes]] = {
                        node(n): [b"21.5"] for n in range(at, at + 5_000)
                    }
                    await one.ingest.accept(SampleRecord(now_ms, some))
            await until(lambda: one.ingest.counters.accepted == 3 * count, 60)
            await asyncio.sleep(3)
            tenure = one.ingest.tenure
            assert tenure is not None
            opened = tenure.in_force.open_windows()
            begun = time.perf_counter()
            held = resident_bytes()
            del begun
            return (
                f"{opened:,} nodes with open windows, engine {'in' if engine else 'not in'} the "
                f"process: {held / MIB:.0f} MiB resident ({bare / MIB:.0f} before), checkpoint of "
                f"the last change {tenure.checkpointer.seconds:.2f} s"
            )


async def overload(seconds: float) -> str:
    capacity = 4_000
    with tempfile.TemporaryDirectory() as place:
        async with served(Path(place), NODES, KEPT_A_DAY, slowed=capacity) as one:
            before = resident_bytes()
            one_pub = Publisher(publish_qos_1, one.port, capacity // 2, seconds)
            many = Publisher(publish_qos_0, one.port, int(9.5 * capacity), seconds)
            peaks: list[int] = []

            async def watch() -> None:
                while True:
                    peaks.append(resident_bytes())
                    await asyncio.sleep(0.25)

            watching = asyncio.create_task(watch())
            sent_1, sent_0 = await one_pub.sent(), await many.sent()
            after = await until(lambda: one.watched.rows >= one.ingest.counters.received, 120)
            watching.cancel()
            stored = await one.count()
            one_pub.close()
            many.close()
            counters = Counter(one.ingest.counters.outcomes())
            is_complete = stored == sent_1 + sent_0 - one.dropped
            return (
                f"overload, store at {capacity:,} rows/s: QoS 1 sent {sent_1:,}, QoS 0 sent "
                f"{sent_0:,}, dropped and counted {one.dropped:,}, stored {stored:,} "
                f"({'complete' if is_complete else 'NOT COMPLETE'}), accepted "
                f"{counters['accepted']:,}, backlog zero "
                f"{'never' if after is None else f'{after:.1f} s'} after the end, resident "
                f"{before / MIB:.0f} MiB before, {max(peaks) / MIB:.0f} at most"
            )


def run(work: Any) -> Any:
    spare_memory()
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ("windows", "qos0", "qos1", "latency", "overload")
    parser.add_argument("which", nargs="*", choices=(*names, []), default=[])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=110_000)
    chosen = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for name in chosen.which or names:
        match name:
            case "windows":
                print(run(windows(engine=False)), flush=True)
                print(run(windows(engine=True)), flush=True)
            case "qos0":
                print(run(throughput(0, chosen.rate, chosen.seconds)), flush=True)
            case "qos1":
                print(run(throughput(1, 0, chosen.seconds / 3)), flush=True)
            case "latency":
                print(run(latency(min(20, chosen.seconds))), flush=True)
            case "overload":
                print(run(overload(chosen.seconds)), flush=True)


if __name__ == "__main__":
    main()
