"""``pepeunit doctor``: what stands in the way of this installation, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import stat
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from sqlalchemy import select

from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.adapters.embedded.installation import Installation, NoInstallation
from pepeunit.adapters.postgres.connections import connect, reading
from pepeunit.adapters.postgres.migrations import current_revision, is_known
from pepeunit.adapters.postgres.tables import credentials, sealed_texts
from pepeunit.domain.errors import Invalid, Refused, Unavailable
from pepeunit.entrypoints.backups import opened_or_running
from pepeunit.entrypoints.cli.control import RemoteAccounts
from pepeunit.entrypoints.cli.platform import Finding, Verdict
from pepeunit.entrypoints.parts import load_settings, series_store
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.tls import Certificate

GIT_LEAST: Final = (2, 37)
COMMAND_SECONDS_MAX: Final = 10.0
FREE_BYTES_WARN: Final = 2**30
FREE_BYTES_LEAST: Final = 200 * 2**20
CLOCK_LEAST: Final = datetime(2026, 1, 1, tzinfo=UTC)
SECRETS_READ_MAX: Final = 1_000
CERTIFICATE_DAYS_WARN: Final = 14
OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL


async def examine(data_dir: Path) -> AsyncIterator[Finding]:
    """Look at everything, one after the other; nothing is changed."""
    settings: Settings | None = None
    yield await _git()
    yield _clock()
    try:
        installation = Installation.look(data_dir)
    except NoInstallation:
        yield Finding(
            "data directory", WARN, f"{data_dir} holds no installation: pepeunit serve makes one"
        )
        return
    except Unavailable as outage:
        yield Finding("data directory", FAIL, outage.message)
        return
    for rights in _rights(data_dir):
        yield rights
    yield _disk(data_dir)
    try:
        settings, _, warnings = load_settings(installation, os.environ)
    except Invalid as refusal:
        for name, text in refusal.violations:
            yield Finding("settings", FAIL, f"{name}: {text}")
        return
    for warning in warnings:
        yield Finding("settings", WARN, warning)
    yield Finding("settings", OK, f"domain {settings.site.domain}")
    for port in _ports(data_dir, settings):
        yield port
    if settings.operations.tls_cert is not None:
        yield _certificate(settings.operations.tls_cert, settings.operations.tls_key)
    yield await _mirrors(Path(settings.site.save_repo_path or installation.mirrors))
    async for finding in _stores(data_dir):
        yield finding


async def _git() -> Finding:
    text = await _output("git", "version")
    found = re.search(r"(\d+)\.(\d+)", text or "")
    least = ".".join(map(str, GIT_LEAST))
    if found is None:
        return Finding("git", FAIL, f"not found: install git {least} or newer")
    if (int(found[1]), int(found[2])) < GIT_LEAST:
        return Finding("git", FAIL, f"{found[0]} is too old: install git {least} or newer")
    return Finding("git", OK, found[0])


async def _output(*command: str, cwd: Path | None = None) -> str | None:
    """What the program wrote, None when it failed or is missing."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS_MAX)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return output.decode(errors="replace") if process.returncode == 0 else None


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now < CLOCK_LEAST:
        return Finding("clock", FAIL, f"{now:%Y-%m-%d %H:%M} UTC is in the past: set the clock")
    return Finding("clock", OK, f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _rights(data_dir: Path) -> Sequence[Finding]:
    found = []
    status = data_dir.stat()
    if status.st_uid != os.geteuid():
        text = f"{data_dir} belongs to user {status.st_uid}, this is user {os.geteuid()}"
        found.append(Finding("data directory", FAIL, f"{text}: run as that user"))
    if stat.S_IMODE(status.st_mode) & 0o077:
        found.append(
            Finding("data directory", WARN, f"others may look into it: chmod 700 {data_dir}")
        )
    keys = data_dir / "keys.json"
    if stat.S_IMODE(keys.stat().st_mode) & 0o077:
        found.append(Finding("data directory", FAIL, f"others may read the keys: chmod 600 {keys}"))
    if not os.access(data_dir, os.W_OK):
        found.append(
            Finding("data directory", FAIL, f"{data_dir} cannot be written: see its rights")
        )
    return found or [Finding("data directory", OK, str(data_dir))]


def _disk(data_dir: Path) -> Finding:
    free = shutil.disk_usage(data_dir).free
    text = f"{free / 2**30:.1f} GiB free"
    if free < FREE_BYTES_LEAST:
        return Finding("disk", FAIL, f"{text}: make room")
    if free < FREE_BYTES_WARN:
        return Finding("disk", WARN, f"{text}: make room soon")
    return Finding("disk", OK, text)


def _ports(data_dir: Path, settings: Settings) -> Sequence[Finding]:
    running = (data_dir / "control.sock").exists()
    ports = {"HTTP": settings.site.http_port, "MQTT": settings.mqtt.port}
    if settings.operations.mqtt_tls_port is not None:
        ports["MQTT over TLS"] = settings.operations.mqtt_tls_port
    return [
        Finding(
            f"port {port}",
            OK if _is_free(settings.site.http_host, port) or running else FAIL,
            f"{name}, "
            + (
                "free"
                if _is_free(settings.site.http_host, port)
                else "in use, the platform runs"
                if running
                else "taken by another program: stop it or choose another port"
            ),
        )
        for name, port in ports.items()
    ]


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _certificate(cert_path: str, key_path: str | None) -> Finding:
    try:
        Certificate.load(cert_path, key_path)
    except Unavailable as outage:
        return Finding("certificate", FAIL, str(outage))
    certificate = x509.load_pem_x509_certificate(Path(cert_path).read_bytes())
    days = (certificate.not_valid_after_utc - datetime.now(UTC)).days
    if days < 0:
        return Finding("certificate", FAIL, "it has expired: renew it and send SIGHUP")
    verdict = WARN if days < CERTIFICATE_DAYS_WARN else OK
    return Finding("certificate", verdict, f"valid for {days} more days")


async def _mirrors(folder: Path) -> Finding:
    mirrors = sorted(folder.glob("*.git")) if folder.is_dir() else []
    broken = [
        mirror.name
        for mirror in mirrors
        if await _output(
            *("git", "-c", "safe.directory=*", "--git-dir", str(mirror)),
            *("for-each-ref", "--count=1"),
        )
        is None
    ]
    if broken:
        text = f"{', '.join(broken)}: cannot be read: remove them, they are fetched again"
        return Finding("mirrors", FAIL, text)
    return Finding("mirrors", OK, f"{len(mirrors)} readable")


async def _stores(data_dir: Path) -> AsyncIterator[Finding]:
    try:
        async with opened_or_running(data_dir) as (installation, settings, url):
            yield await _series(settings, installation)
            revision = await current_revision(url)
            if revision is None:
                yield Finding("PostgreSQL", WARN, "empty: pepeunit serve fills it")
                return
            if not is_known(revision):
                text = f"schema {revision} is newer than this version: use the newer one"
                yield Finding("PostgreSQL", FAIL, text)
                return
            yield Finding("PostgreSQL", OK, f"reachable, schema {revision}")
            yield await _secrets(url, settings)
    except Unavailable as outage:
        yield Finding("PostgreSQL", FAIL, str(outage))


async def _series(settings: Settings, installation: Installation) -> Finding:
    if settings.site.clickhouse_url is None and RemoteAccounts(installation.path).is_there():
        return Finding("ClickHouse", OK, "embedded, the platform runs")
    try:
        async with series_store(settings, installation) as store:
            version = await store.read(lambda client: client.server_version)
    except Unavailable as outage:
        return Finding("ClickHouse", FAIL, str(outage))
    return Finding("ClickHouse", OK, f"version {version}, reachable")


async def _secrets(url: str, settings: Settings) -> Finding:
    """Whether the keys fit what was sealed; at most a thousand of each are read."""
    cipher = AesGcmCipher(settings.keys.cipher_keys)
    engine = connect(url, is_pooled=False)
    unreadable = count = 0
    async with reading(engine) as statements:
        for entity, table in (
            (sealed_texts.c.unit_uuid, sealed_texts),
            (credentials.c.registry_uuid, credentials),
        ):
            chosen = select(entity.label("entity"), table.c.sealed).limit(SECRETS_READ_MAX)
            for row in await statements.read(chosen):
                count += 1
                try:
                    cipher.open(row.sealed, row.entity)
                except Refused:
                    unreadable += 1
    await engine.dispose()
    if unreadable:
        text = f"{unreadable} of {count} cannot be decrypted: bring back keys.json from a backup"
        return Finding("secrets", FAIL, text)
    return Finding("secrets", OK, f"{count} can be decrypted")
