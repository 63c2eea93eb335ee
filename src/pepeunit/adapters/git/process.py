"""git as a process: no prompts, no outside configuration, bounded output, time and size.

Secrets reach git through its environment alone: never an argument, a URL or a file
(spec access.md W16).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pepeunit.domain.registries.address import WebAddress
from pepeunit.domain.registries.credentials import GitCredentials

PASSED_ON: Final = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
STDERR_TAIL_BYTES: Final = 4096
CHUNK_BYTES: Final = 65536
LOW_SPEED_BYTES: Final = 100
LOW_SPEED_SECONDS: Final = 30

_SETTINGS: Final[Mapping[str, str]] = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.fsync": "committed,reference",
    "core.bigFileThreshold": "16m",
    "core.deltaBaseCacheLimit": "32m",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": str(LOW_SPEED_BYTES),
    "http.lowSpeedTime": str(LOW_SPEED_SECONDS),
    "http.proxy": "",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.allow": "never",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "submodule.recurse": "false",
    "transfer.credentialsInUrl": "die",
}


class GitFailed(Exception):
    """git ended with an error; ``reason`` is the tail of what it said, for our log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__("git failed")
        self.reason = reason


class TooMuchOutput(Exception):
    """git said more than the caller was ready to hold; it was stopped."""

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__("git said too much")
        self.limit = limit
        self.actual = actual


def git_environment(
    folder: Path,
    remote: WebAddress | None = None,
    resolved: Sequence[str] = (),
    credentials: GitCredentials | None = None,
) -> dict[str, str]:
    """Everything git may know: nothing of ours is inherited but the way to its programs.

    With a ``remote`` its name is pinned to the addresses that were checked, and the credentials
    are sent to that origin only.
    """
    settings = dict(_SETTINGS)
    if remote is not None:
        if not _is_numeric(remote.host):
            addresses = ",".join(f"[{one}]" if ":" in one else one for one in resolved)
            settings["http.curloptResolve"] = f"{remote.host}:{remote.port}:{addresses}"
        if credentials is not None:
            pair = f"{credentials.username}:{credentials.pat_token}".encode()
            settings[f"http.{remote.origin}/.extraHeader"] = (
                f"Authorization: Basic {base64.b64encode(pair).decode()}"
            )
    environment = {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": "http:https",
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


async def run_git(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    seconds_max: float,
    output_bytes_max: int,
    feed: bytes = b"",
    heard: Callable[[bytes], None] | None = None,
    watch: Callable[[], Awaitable[None]] | None = None,
) -> bytes:
    """Run git in ``folder`` and return what it wrote.

    ``heard`` gets its progress text, ``watch`` runs beside it and stops it by raising. Whatever
    happens, no process of the group is left. Raises ``GitFailed``, ``TooMuchOutput``,
    ``TimeoutError`` and what ``watch`` raises.
    """
    async with _running(arguments, folder, environment, bool(feed)) as process:
        try:
            async with asyncio.timeout(seconds_max), asyncio.TaskGroup() as group:
                watching = group.create_task(_forever(watch)) if watch else None
                group.create_task(_feed(process, feed))
                said = group.create_task(_listen(process, heard))
                output = group.create_task(_collect(process, output_bytes_max))
                await process.wait()
                await asyncio.wait([said, output])
                if watching is not None:
                    watching.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
    if process.returncode:
        raise GitFailed(said.result())
    return output.result()


@contextlib.asynccontextmanager
async def _running(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], fed: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        shutil.which("git") or "git",
        *arguments,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.PIPE if fed else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        # With something left in a pipe neither the pipe nor the wait would end.
        for pipe in (process.stdout, process.stderr):
            while pipe is not None and await pipe.read(CHUNK_BYTES):
                pass
        await process.wait()


async def _forever(watch: Callable[[], Awaitable[None]]) -> None:
    while True:
        await watch()


async def _feed(process: asyncio.subprocess.Process, feed: bytes) -> None:
    if process.stdin is None:
        return
    # uvloop calls a pipe whose reader has gone a RuntimeError.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        process.stdin.write(feed)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _listen(
    process: asyncio.subprocess.Process, heard: Callable[[bytes], None] | None
) -> str:
    assert process.stderr is not None  # noqa: S101
    tail = b""
    while chunk := await process.stderr.read(CHUNK_BYTES):
        if heard is not None:
            heard(chunk)
        tail = (tail + chunk)[-STDERR_TAIL_BYTES:]
    return tail.decode("utf-8", "replace")


async def _collect(process: asyncio.subprocess.Process, output_bytes_max: int) -> bytes:
    assert process.stdout is not None  # noqa: S101
    output = bytearray()
    while chunk := await process.stdout.read(CHUNK_BYTES):
        output += chunk
        if len(output) > output_bytes_max:
            raise TooMuchOutput(output_bytes_max, len(output))
    return bytes(output)


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
