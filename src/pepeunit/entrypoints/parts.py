"""Fill the ports with real parts: embedded by default, external by address (design.md 1)."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from dependency_injector import providers

from pepeunit.adapters.archives.tree_archives import TreeArchives
from pepeunit.adapters.clickhouse.connections import Address, ClickHouse
from pepeunit.adapters.clickhouse.copying import copy_series_out
from pepeunit.adapters.clickhouse.logs import ClickHouseLogs
from pepeunit.adapters.clickhouse.series_admin import ClickHouseSeriesAdmin
from pepeunit.adapters.clickhouse.series_reader import ClickHouseSeriesReader
from pepeunit.adapters.clickhouse.series_writer import ClickHouseSeriesWriter
from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.adapters.crypto.passwords import Argon2Cost, Argon2Passwords
from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.dns.system import resolve
from pepeunit.adapters.embedded.checkpoint import SqliteCheckpoint
from pepeunit.adapters.embedded.installation import Installation
from pepeunit.adapters.embedded.journal import FileJournal, JournalLimits
from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.firmware.folder import FirmwareFolder
from pepeunit.adapters.git.limits import MirrorLimits
from pepeunit.adapters.git.mirrors import GitMirrors
from pepeunit.adapters.github.host import GitHubHost
from pepeunit.adapters.gitlab.host import GitLabHost
from pepeunit.adapters.memory.throttle import MemoryThrottle
from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.leases import PostgresLeases
from pepeunit.adapters.postgres.migrations import migrate
from pepeunit.adapters.postgres.notices import PostgresNotices
from pepeunit.adapters.postgres.pipeline_seat import PostgresPipelineSeat
from pepeunit.adapters.web.checked_session import CheckedSession
from pepeunit.codecs.live import NoticeJson
from pepeunit.domain.registries.address import HostRule
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.registry import GitPlatform
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.devices.exchange import Exchange
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.foundation import MIB
from pepeunit.entrypoints.wiring.pipes import PIPE_CHECK_WINDOW_SECONDS, PIPE_CHECKS_MAX
from pepeunit.usecases.live.relay import Relay
from pepeunit.usecases.samples.seat import SeatedLeases

log = logging.getLogger(__name__)

SECRET_BYTES: Final = 32
DOMAIN_FACT: Final = "PU_DOMAIN"
JOURNAL_FACT: Final = "journal"
PROBE_ADDRESS: Final = ("192.0.2.1", 9)
"""A documentation address: asking for the way to it sends nothing."""


def now() -> datetime:
    return datetime.now(UTC)


def new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def load_settings(
    installation: Installation, environment: Mapping[str, str]
) -> tuple[Settings, InstanceFacts, list[str]]:
    """The settings, what devices are told, and warnings; writes nothing. Raises ``Invalid`` with
    every fault."""
    settings, warnings = Settings.load(environment, {**installation.keys, **installation.facts})
    if settings.site.domain is None:
        domain = f"{_own_address(settings.site.http_host)}:{settings.site.http_port}"
    else:
        domain = settings.site.domain
    devices, mqtt = settings.devices, settings.mqtt
    facts = InstanceFacts(
        domain=domain,
        is_secure=settings.site.secure or settings.operations.tls_cert is not None,
        mqtt_host=mqtt.host or _own_address(settings.site.http_host),
        mqtt_port=mqtt.port,
        app_prefix=settings.site.app_prefix,
        api_prefix=settings.site.api_v1_prefix,
        state_send_interval=devices.state_send_interval_seconds,
        mqtt_ping_interval=devices.mqtt_ping_interval_seconds,
        mqtt_keepalive=devices.mqtt_keepalive_seconds,
        min_log_level=devices.min_log_level,
        max_log_length=devices.max_log_length,
    )
    return settings, facts, warnings


def keep_domain(installation: Installation, facts: InstanceFacts) -> None:
    """From now on devices are told this one, whatever port or address a later start chooses."""
    if installation.facts.get(DOMAIN_FACT) != facts.domain:
        installation.change(DOMAIN_FACT, facts.domain)


def _own_address(bound: str) -> str:
    """The address others reach this machine by; loopback where there is no network."""
    if not ip_address(bound).is_unspecified:
        return bound
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(PROBE_ADDRESS)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@asynccontextmanager
async def database_url(settings: Settings, installation: Installation) -> AsyncIterator[str]:
    """The external server's URL, or that of the embedded one, which runs meanwhile.

    The embedded one is started again when it ends by itself; where that fails, so does the
    context, with ``Unavailable``: a platform without its store must not go on.
    """
    if settings.site.database_url is not None:
        yield settings.site.database_url
        return
    server = EmbeddedPostgres(
        installation.postgres,
        installation.keys["postgres_password"],
        installation.postgres_log,
    )
    await server.start()
    try:
        async with asyncio.TaskGroup() as group:
            attending = group.create_task(server.attend())
            yield server.url
            attending.cancel()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        await server.stop()


@asynccontextmanager
async def series_store(settings: Settings, installation: Installation) -> AsyncIterator[ClickHouse]:
    """The column store, migrated: the server that is set, or the embedded engine."""
    url = settings.site.clickhouse_url
    address = Address(installation.clickhouse) if url is None else Address.of(url)
    store = await ClickHouse.open(address)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def use_cases(
    settings: Settings, facts: InstanceFacts, installation: Installation
) -> AsyncIterator[UseCases]:
    """The whole graph over real ports, migrated and recovered, with no door open yet."""
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(
            stack.enter_async_context(series_store(settings, installation))
        )
        try:
            url = await stack.enter_async_context(database_url(settings, installation))
            for revision in await migrate(url):
                log.info("migrated the database to %s", revision)
        finally:
            # awaited also when the database failed: an engine half open cannot be closed
            (series,) = await asyncio.gather(opening)
        engine, lease_engine = connect(url), connect(url, is_pooled=False)
        stack.push_async_callback(engine.dispose)
        stack.push_async_callback(lease_engine.dispose)
        journal = await FileJournal.open(
            installation.journal,
            JournalLimits(disk_bytes_max=settings.pipes.journal_disk_mib * MIB),
        )
        stack.push_async_callback(journal.close)
        checkpoint = await SqliteCheckpoint.open(installation.checkpoint)
        stack.push_async_callback(checkpoint.close)
        mirrors = _mirrors(settings, installation)
        session = CheckedSession(mirrors.hosts, resolve)
        stack.push_async_callback(session.close)
        passwords = _passwords(settings)
        stack.callback(passwords.close)
        exchange = Exchange()
        seat = PostgresPipelineSeat(engine)
        journal_id = _journal_id(installation)
        ports = {
            "database": PostgresDatabase(engine),
            "leases": SeatedLeases(PostgresLeases(lease_engine), seat, journal_id),
            "pipeline_seat": seat,
            "series_writer": ClickHouseSeriesWriter(series),
            "series_reader": ClickHouseSeriesReader(series),
            "series_admin": ClickHouseSeriesAdmin(series),
            "logs": ClickHouseLogs(series),
            "copy_series": partial(copy_series_out, series),
            "journal": journal,
            "journal_id": journal_id,
            "checkpoint": checkpoint,
            "mirrors": mirrors,
            "archives": TreeArchives(mirrors),
            "code_hosts": {
                GitPlatform.GITLAB: GitLabHost(session),
                GitPlatform.GITHUB: GitHubHost(session, _github_token(settings)),
            },
            "firmware_files": _firmware(installation),
            "cipher": AesGcmCipher(
                settings.keys.cipher_keys, text_chars_max=settings.requests.max_cipher_chars
            ),
            "tokens": JwtTokens(settings.keys.secret_key),
            "passwords": passwords,
            "throttle": MemoryThrottle(
                settings.people.login_tries_max, settings.people.login_window_seconds, now
            ),
            "check_throttle": MemoryThrottle(PIPE_CHECKS_MAX, PIPE_CHECK_WINDOW_SECONDS, now),
            "publisher": exchange,
            "sessions": exchange,
            "clock": now,
            "new_uuid": uuid4,
            "new_secret": new_secret,
        }
        use = UseCases(
            settings=providers.Object(settings),
            facts=providers.Object(facts),
            ports=providers.DependenciesContainer(
                **{name: providers.Object(port) for name, port in ports.items()}
            ),
        )
        stack.push_async_callback(use.background().stop)
        yield use


def _journal_id(installation: Installation) -> UUID:
    """Made once; it goes where the data directory goes."""
    return UUID(installation.fix(JOURNAL_FACT, str(uuid4())))


@asynccontextmanager
async def joined(settings: Settings, use: UseCases) -> AsyncIterator[None]:
    """Live data is told to, and heard from, other processes on the same external PostgreSQL; the
    embedded one belongs to a single process."""
    url = settings.site.database_url
    if url is None:
        yield
        return
    engine, ear = connect(url), connect(url, is_pooled=False)
    notices = PostgresNotices(engine, ear)
    relay = Relay(use.events(), use.load_events(), notices, NoticeJson(), uuid4().hex[:12])
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.dispose()
        await ear.dispose()


def _mirrors(settings: Settings, installation: Installation) -> GitMirrors:
    folder = settings.site.save_repo_path
    mirrors = GitMirrors(
        Path(folder) if folder else installation.mirrors,
        HostRule.of(",".join(settings.git.git_host_allowlist)),
        resolve,
        MirrorLimits(mirror_bytes_max=settings.git.max_external_repo_mib * MIB),
    )
    mirrors.recover()
    return mirrors


def _github_token(settings: Settings) -> GitCredentials | None:
    """For public repositories, when name and token are both set."""
    name, token = settings.git.github_token_name, settings.git.github_token_pat
    return GitCredentials(name, token) if name and token else None


def _firmware(installation: Installation) -> FirmwareFolder:
    files = FirmwareFolder(installation.firmware)
    files.recover()
    return files


def _passwords(settings: Settings) -> Argon2Passwords:
    people = settings.people
    cost = Argon2Cost(people.argon2_rounds, people.argon2_memory_kib, people.argon2_lanes)
    return Argon2Passwords(settings.keys.static_salt, cost)
