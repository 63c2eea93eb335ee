"""Bring the platform up and down: ports are filled, doors opened, work that comes round begun.

The order matters. Sockets are bound first, so that a taken port costs no start of PostgreSQL;
doors open last, when the journal of the previous run is stored and nothing is left half done.
Everything entered here is left in the reverse order, also when a later step fails.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from ipaddress import ip_address
from typing import Any, Final

from aiohttp import web
from attrs import frozen

from pepeunit.adapters.embedded.installation import Installation
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.doors import device_endpoint, monitoring_of, rest_runner
from pepeunit.entrypoints.memory import settled_memory, spare_memory
from pepeunit.entrypoints.parts import joined, keep_domain, load_settings, use_cases
from pepeunit.entrypoints.schedule import every, hourly
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.tls import Certificate

log = logging.getLogger(__name__)

OUTBOX_SWEEP_SECONDS: Final = 30.0
UPDATE_SWEEP_SECONDS: Final = 5.0
ROLLOUT_SECONDS: Final = 3.0
POLL_REMOTES_SECONDS: Final = 60.0
AUDIT_PURGE_SECONDS: Final = 3600.0
OLD_TOKENS_SECONDS: Final = 60.0
WATCH_SECONDS: Final = 1.0
UNITS_MINUTE: Final = 0
REGISTRIES_MINUTE: Final = 30
HTTP_STOP_SECONDS: Final = 2.0
OPEN_FILES_MAX: Final = 65_536
"""Every client is an open file, and shells allow 1 024 of them at first."""


@frozen
class Running:
    """What is up. ``one_time_password`` is the first administrator's, at the first start only."""

    settings: Settings
    facts: InstanceFacts
    http_host: str
    http_port: int
    use: UseCases
    one_time_password: str | None
    tls: Certificate | None = None

    @property
    def local_host(self) -> str:
        """Where this very machine reaches both doors."""
        return "127.0.0.1" if ip_address(self.http_host).is_unspecified else self.http_host

    @property
    def base_url(self) -> str:
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{self.local_host}:{self.http_port}"


@asynccontextmanager
async def running(
    installation: Installation, environment: Mapping[str, str]
) -> AsyncIterator[Running]:
    """Everything in one process: the use cases, both doors, and the work that comes round."""
    settings, facts, warnings = load_settings(installation, environment)
    for warning in warnings:
        log.warning("%s", warning)
    _allow_open_files()
    spare_memory()
    host, http_port = settings.site.http_host, settings.site.http_port
    operations, mqtt_tls_port = settings.operations, settings.operations.mqtt_tls_port
    ports = {"--http-port": http_port, "--mqtt-port": settings.mqtt.port}
    if mqtt_tls_port is not None:
        ports["PU_MQTT_TLS_PORT"] = mqtt_tls_port
    for option, port in ports.items():
        _refuse_taken(host, port, option)
    keep_domain(installation, facts)
    tls = None
    if operations.tls_cert is not None:
        tls = Certificate.load(operations.tls_cert, operations.tls_key)
    async with AsyncExitStack() as stack:
        use = await stack.enter_async_context(use_cases(settings, facts, installation))
        first = settings.features.first_user_admin
        password = None if first else await use.ensure_admin()()
        await use.presence().reset()
        if settings.pipes.pipeline_enable:
            await stack.enter_async_context(_ingesting(use))
        await stack.enter_async_context(_settling(use))
        await stack.enter_async_context(joined(settings, use))
        await stack.enter_async_context(_watching(use))
        endpoint = device_endpoint(use, settings)
        stack.push_async_callback(endpoint.stop)
        await endpoint.start(host, settings.mqtt.port)
        if tls is not None and mqtt_tls_port is not None:
            await endpoint.listen(host, mqtt_tls_port, tls.context)
        monitoring = monitoring_of(use, settings, endpoint)
        runner = rest_runner(use, settings, facts, monitoring)
        await stack.enter_async_context(http(runner, host, http_port, tls.context if tls else None))
        await use.recover_syncs()()
        await stack.enter_async_context(_rounds(use))
        stack.enter_context(settled_memory())
        yield Running(settings, facts, host, http_port, use, password, tls)


def _allow_open_files() -> None:
    """As many as the account may have, up to OPEN_FILES_MAX."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _refuse_taken(host: str, port: int, option: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            is_foreign = error.errno == errno.EADDRNOTAVAIL
            raise Unavailable(
                f"{host}:{port}",
                f"{os.strerror(error.errno or 0)}: choose another with "
                + ("--host" if is_foreign else option),
            ) from error


@asynccontextmanager
async def http(
    runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """It answers meanwhile."""
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, shutdown_timeout=HTTP_STOP_SECONDS, ssl_context=tls)
        await site.start()
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _ingesting(use: UseCases) -> AsyncIterator[None]:
    """The pipes run; what a previous run left is stored before anything else is let in, unless
    that takes long. At the end everything is stored or spooled and written down."""
    ingest = use.ingest()
    async with tasks({"ingest": ingest.run}):
        if not await ingest.ready():
            log.warning("what the previous run left is still being stored")
        try:
            yield
        finally:
            if not await ingest.stop():
                log.warning("the next start stores what is left in the journal")


@asynccontextmanager
async def _settling(use: UseCases) -> AsyncIterator[None]:
    """Commands that devices have taken leave the outbox, once more at the end."""
    settle = use.settle_commands()
    async with tasks({"settle": settle.run}):
        yield
    try:
        await settle()
    except Unavailable as outage:
        log.warning("devices are told again what they have: %s", outage)


def _watching(use: UseCases) -> AbstractAsyncContextManager[None]:
    """Tokens of open watches end, and old verdicts are asked anew."""
    watch = use.watch_live()

    async def tick() -> None:
        watch.tick()

    return tasks({"watches": lambda: every(WATCH_SECONDS, "watches", tick)})


def _rounds(use: UseCases) -> AbstractAsyncContextManager[None]:
    drain, sweep, poll = use.drain(), use.sweep_updates(), use.poll_remotes()
    followers, sync_all = use.followers(), use.sync_all()
    rollouts = use.advance_rollout()
    purge_audit, end_old_tokens = use.purge_audit(), use.end_old_tokens()
    return tasks(
        {
            "outbox": lambda: every(OUTBOX_SWEEP_SECONDS, "outbox", drain),
            "updates": lambda: every(UPDATE_SWEEP_SECONDS, "update sweep", sweep),
            "rollouts": lambda: every(ROLLOUT_SECONDS, "rollouts", rollouts.everywhere),
            "remotes": lambda: every(POLL_REMOTES_SECONDS, "poll of remotes", poll),
            "audit": lambda: every(AUDIT_PURGE_SECONDS, "audit purge", purge_audit),
            "tokens": lambda: every(OLD_TOKENS_SECONDS, "end of old tokens", end_old_tokens),
            "units": lambda: hourly(UNITS_MINUTE, "update of units", followers.everywhere),
            "registries": lambda: hourly(REGISTRIES_MINUTE, "sync of registries", sync_all),
        }
    )


@asynccontextmanager
async def tasks(loops: Mapping[str, Callable[[], Awaitable[Any]]]) -> AsyncIterator[None]:
    """They run meanwhile, and are cancelled at the end."""
    running = [asyncio.ensure_future(loop()) for loop in loops.values()]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
