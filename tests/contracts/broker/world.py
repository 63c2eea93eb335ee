"""A platform for the endpoint to serve, and the two brokers under test in places of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pepeunit.domain.access.agent import BACKEND, Agent
from pepeunit.domain.errors import Conflict, Forbidden, Unauthenticated, Unavailable
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.topic import BaseTopic, ParsedTopic, node_topic, parse_topic
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform
from pepeunit.usecases.messages.authorize_topic import MqttAction
from pepeunit.usecases.messages.receive import Inbound

DEADLINE_SECONDS = 10.0
DOMAIN = "here"
UNIT = UnitId(UUID(int=1))
OTHER = UnitId(UUID(int=2))
NODE = node_topic(DOMAIN, NodeId(UUID(int=100)), "t/pepeunit")
SECOND_NODE = node_topic(DOMAIN, NodeId(UUID(int=101)), "t/pepeunit")
SECRET_NODE = node_topic(DOMAIN, NodeId(UUID(int=666)), "t/pepeunit")
COMMAND = f"{DOMAIN}/input_base_topic/{UNIT}/update/pepeunit"
STATE = f"{DOMAIN}/output_base_topic/{UNIT}/state/pepeunit"
FOREIGN = f"{DOMAIN}/input_base_topic/{OTHER}/update/pepeunit"

ROOMY = Limits(connects_per_second=0, messages_per_second=0, bytes_per_second=0, sweep_seconds=0.05)


def token(unit: UnitId) -> str:
    return f"unit {unit}"


class World:
    """Stores, judges and remembers; every field may be read and waited for from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stored: list[tuple[ParsedTopic, bytes, int]] = []
        self.batches = 0
        self.events: list[tuple[str, UnitId | None]] = []
        self.questions: list[tuple[MqttAction, str]] = []
        self.denied: set[tuple[MqttAction, str]] = {(action, SECRET_NODE) for action in MqttAction}
        self.failures = 0
        self.blocked: set[str] = set()
        self.asked: list[str] = []
        self.open = threading.Event()
        """Cleared, no batch is stored."""
        self.open.set()
        self.answers = threading.Event()
        """Cleared, verdicts are made but not told."""
        self.answers.set()

    def wait_for(self, condition: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE_SECONDS), "deadline passed"

    def _note(self, change: Callable[[], None]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    async def authenticate(self, token: str, client_id: str) -> Agent:
        if token == "backend":
            return BACKEND
        if token == "store is down":
            raise Unavailable("database", "gone")
        is_blocked = token in self.blocked
        self._note(lambda: self.asked.append(token))
        await self._answered()
        if is_blocked or token == "blocked":
            raise Forbidden("blocked")
        if not token.startswith("unit "):
            raise Unauthenticated("bad token")
        unit = UnitId(UUID(token.removeprefix("unit ")))
        if client_id in {str(UNIT), str(OTHER)} - {str(unit)}:
            raise Conflict("the client id belongs to another unit")
        return Agent.unit(unit)

    async def authorize(self, agent: Agent, action: MqttAction, topic: str) -> ParsedTopic | None:
        is_denied = (action, topic) in self.denied
        self._note(lambda: self.questions.append((action, topic)))
        await self._answered()
        parsed = parse_topic(topic, {DOMAIN})
        if isinstance(parsed, BaseTopic) and parsed.unit != agent.unit_id:
            return None
        return None if is_denied else parsed

    async def _answered(self) -> None:
        while not self.answers.is_set():
            await asyncio.sleep(0.002)

    async def receive(self, messages: Sequence[Inbound]) -> None:
        while not self.open.is_set():
            await asyncio.sleep(0.002)
        if self.failures:
            self.failures -= 1
            raise Unavailable("journal", "disk full")
        self._note(lambda: self._keep(messages))

    def _keep(self, messages: Sequence[Inbound]) -> None:
        self.batches += 1
        self.stored += [(parsed, payload, qos) for parsed, payload, qos, _ in messages]

    def payloads(self) -> list[bytes]:
        return [payload for _, payload, _ in self.stored]

    async def connected(self, agent: Agent) -> None:
        self._note(lambda: self.events.append(("connected", agent.unit_id)))

    async def disconnected(self, agent: Agent) -> None:
        self._note(lambda: self.events.append(("disconnected", agent.unit_id)))

    async def listening(self, agent: Agent) -> None:
        self._note(lambda: self.events.append(("listening", agent.unit_id)))


class Served:
    """An endpoint in a thread of its own."""

    def __init__(
        self,
        limits: Limits,
        new_loop: Callable[[], asyncio.AbstractEventLoop],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.world = World()
        self.exchange = Exchange()
        world = self.world
        platform = Platform(world.authenticate, world.authorize, world.receive, world)
        self.endpoint = Endpoint(self.exchange, platform, limits)
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.call(self.endpoint.start("127.0.0.1", 0, tls))
        self.port = self.endpoint.port
        self.is_stopped = False

    @property
    def counters(self) -> Any:
        return self.endpoint.counters

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_SECONDS)

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> int:
        taken: int = self.call(self.exchange.publish(topic, payload, qos))
        return taken

    def stop(self) -> float:
        """Seconds it took."""
        self.is_stopped = True
        started = time.monotonic()
        self.call(self.endpoint.stop())
        return time.monotonic() - started

    def close(self) -> None:
        self.world.open.set()
        self.world.answers.set()
        if not self.is_stopped:
            self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()


@contextlib.contextmanager
def served(
    limits: Limits = ROOMY,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Served]:
    place = Served(limits, new_loop, tls)
    try:
        yield place
    finally:
        place.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def executable(name: str) -> str:
    """The program's path; a missing one skips, and fails where CI is set."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """The port of a mosquitto of our own."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n"
    )
    process = subprocess.Popen([executable("mosquitto"), "-c", str(config)])
    try:
        _await_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None and time.monotonic() < deadline, "mosquitto did not start"
        threading.Event().wait(0.02)
