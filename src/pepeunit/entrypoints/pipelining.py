"""The pipeline as a process of its own: an external broker's inbox and the pipes behind it.

It reads while it is the one that runs the pipes: a second process waits, its broker session
untouched, and goes on where the first ended. Both stores are external; journal and checkpoint are
in the data directory, and go with the stored series: the process that takes over is started on
the same directory.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from pepeunit.adapters.embedded.installation import Installation
from pepeunit.domain.access.tokens import BackendClaims
from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.lifespan import http, tasks
from pepeunit.entrypoints.memory import settled_memory, spare_memory
from pepeunit.entrypoints.parts import load_settings, use_cases
from pepeunit.entrypoints.pipeline.inbox import Inbox
from pepeunit.entrypoints.pipeline.limits import InboxLimits
from pepeunit.entrypoints.pipeline.link import Broker
from pepeunit.entrypoints.pipeline.topics import NodeTopics
from pepeunit.entrypoints.pipeline_monitoring import monitoring_runner
from pepeunit.entrypoints.settings import OTHER_NAMES, Settings
from pepeunit.entrypoints.wiring.pipe_forms import payload_bytes
from pepeunit.usecases.messages.admit_device import PLATFORM_CLIENT_PREFIX
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.seat import tell_applied

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.1
RESTART_SECONDS: Final = 1.0
SHARED: Final = {
    "PU_DATABASE_URL": "the PostgreSQL that every process uses",
    "PU_CLICKHOUSE_URL": "the ClickHouse that every process uses",
    "PU_DOMAIN": "the first level of topics, the same in every process",
    "PU_SECRET_KEY": "the key that signs our token for the broker, the same in every process",
    "PU_MQTT_HOST": "the broker",
}
"""What a process of its own cannot make up."""


@asynccontextmanager
async def pipelining(
    installation: Installation, environment: Mapping[str, str]
) -> AsyncIterator[str]:
    """The pipeline runs meanwhile; the broker's address. At the end everything that was read is
    stored or spooled, and written down. Raises ``Invalid`` with every setting that is needed."""
    settings, facts, warnings = load_settings(installation, environment)
    given = {OTHER_NAMES.get(name, name) for name, text in environment.items() if text.strip()}
    missing = [(name, f"is needed: {what}") for name, what in SHARED.items() if name not in given]
    if missing:
        raise Invalid(missing, Topic.PLATFORM)
    for warning in warnings:
        log.warning("%s", warning)
    spare_memory()
    async with AsyncExitStack() as stack:
        use = await stack.enter_async_context(use_cases(settings, facts, installation))
        ingest = use.ingest()
        broker = _broker(settings, facts.domain, use)
        topics = NodeTopics({facts.domain, *settings.site.domain_aliases}, InboxLimits().topics_max)
        limits = InboxLimits(packet_bytes_max=payload_bytes(settings))
        inbox = Inbox(broker, topics, ingest, use.clock(), limits)
        await stack.enter_async_context(tasks({"ingest": ingest.run}))
        stack.push_async_callback(_stop, ingest)
        loops = {
            "inbox": lambda: read_while_ours(ingest, inbox.run),
            "applied": lambda: tell_applied(ingest, use.pipeline_seat()),
        }
        await stack.enter_async_context(tasks(loops))
        port = settings.operations.pipeline_http_port
        if port is not None:
            runner = monitoring_runner(use, settings, facts, inbox)
            await stack.enter_async_context(http(runner, settings.site.http_host, port))
        stack.enter_context(settled_memory())
        yield broker.address


def _broker(settings: Settings, domain: str, use: UseCases) -> Broker:
    mqtt = settings.mqtt
    tls = None
    if mqtt.broker_tls:
        try:
            tls = ssl.create_default_context(cafile=mqtt.broker_ca)
        except OSError as error:
            raise Unavailable("PU_MQTT_BROKER_CA", "cannot be read as certificates") from error
    tokens = use.tokens()
    return Broker(
        host=str(mqtt.host),
        port=mqtt.port,
        client_id=f"{PLATFORM_CLIENT_PREFIX}pipeline-{domain}",
        username=lambda: tokens.sign(BackendClaims(domain).as_mapping()),
        keepalive_seconds=settings.devices.mqtt_keepalive_seconds,
        tls=tls,
    )


async def _stop(ingest: Ingest) -> None:
    if not await ingest.stop():
        log.warning("the next start stores what is left in the journal")


async def read_while_ours(ingest: Ingest, read: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Read from the broker while the pipes run here and every pipe is known, until cancelled: a
    sample that comes before would be nobody's."""
    reading: asyncio.Task[None] | None = None
    try:
        while True:
            tenure = ingest.tenure
            is_ours = tenure is not None and tenure.follow.is_current.is_set()
            if is_ours and reading is None:
                reading = asyncio.create_task(read())
            elif not is_ours and reading is not None:
                await _end(reading)
                reading = None
            elif reading is not None and reading.done():
                log.error("the inbox ended and begins again", exc_info=reading.exception())
                await asyncio.sleep(RESTART_SECONDS)
                reading = None
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        if reading is not None:
            await _end(reading)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
