"""A PostgreSQL server of our own, from the wheel's programs (design.md sections 1, 8).

The server listens on a Unix socket inside its data directory, which only its user (and root) may
enter, and asks for a password besides. It reaches that directory through an inherited descriptor,
so no parent directory has to be opened to it, however private or deep they are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from attrs import define, field

from pepeunit.adapters.embedded.postgres_binaries import (
    COPIES,
    installed_programs,
    reachable_programs,
)
from pepeunit.adapters.embedded.postgres_cluster import (
    ROLE,
    SOCKET,
    account_for,
    create_cluster,
    last_line,
    refuse_full_disk,
    refuse_other_version,
    remove_stale_locks,
    unavailable,
)
from pepeunit.adapters.embedded.postgres_processes import (
    POLL_SECONDS,
    Account,
    launch,
    stop_orphans,
    stop_process,
)

DATABASE: Final = "postgres"
SOCKET_PATH_BYTES_MAX: Final = 107
"""The kernel's limit; longer data directories are reached through a descriptor."""
START_SECONDS_MAX: Final = 120.0
"""A crash may have left much to recover."""
LOG_BYTES_MAX: Final = 10 * 2**20
CONNECTIONS_MAX: Final = 50
ATTEND_SECONDS: Final = 0.5
RESTARTS_MAX: Final = 5
RESTARTS_SECONDS: Final = 600.0

CONFIGURATION: Final = {
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "max_connections": str(CONNECTIONS_MAX),
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # modest: it must fit beside us on a Raspberry Pi
    "shared_buffers": "64MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "64MB",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    # the log is for starts and crashes; statements may carry what nobody should read there
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
}

_log = logging.getLogger(__name__)


def _absolute(path: Path) -> Path:
    return path.absolute()


@define
class EmbeddedPostgres:
    """One server for one data directory.

    ``cluster`` is its folder (made at the first start), ``password`` the role's secret from the
    data directory's keys, ``log`` the server's log. Run as root, the server runs as the owner of
    an existing cluster and else as ``account``. The caller holds the data directory's lock: at
    most one :class:`EmbeddedPostgres` is started on a folder.
    """

    cluster: Path = field(converter=_absolute)
    password: str = field(repr=False)
    log: Path = field(converter=_absolute)
    account: str = "nobody"
    copies: Path = COPIES
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None, repr=False)
    _client_descriptor: int | None = field(init=False, default=None, repr=False)

    @property
    def url(self) -> str:
        """For SQLAlchemy with asyncpg; holds the password, valid in this process."""
        folder = str(self.cluster)
        if len(os.fsencode(f"{folder}/{SOCKET}")) > SOCKET_PATH_BYTES_MAX:
            if self._client_descriptor is None:
                self._client_descriptor = os.open(self.cluster, os.O_RDONLY | os.O_DIRECTORY)
            folder = f"/proc/self/fd/{self._client_descriptor}"
        secret = quote(self.password, safe="")
        return f"postgresql+asyncpg://{ROLE}:{secret}@/{DATABASE}?host={quote(folder, safe='')}"

    @property
    def pid(self) -> int | None:
        """The running server's process, None when it is not (or no longer) running."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    async def start(self) -> None:
        """Stop a server that outlived its parent, make the cluster when missing, start.

        Call it in the main thread: the server is told to stop when the calling thread ends.
        Returns when connections are accepted. Raises ``Unavailable`` with what to do.
        """
        if self.pid is not None:
            return
        try:
            await self._start()
        except OSError as error:
            await self.stop()
            where = f"{error.filename}: " if error.filename else ""
            raise unavailable(f"{where}{os.strerror(error.errno or 0)}") from error
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        if sys.platform != "linux":
            raise unavailable("the embedded server needs Linux: set PU_DATABASE_URL")
        account = account_for(self.cluster, self.account)
        refuse_full_disk(self.cluster)
        refuse_other_version(self.cluster)
        if not await stop_orphans(self.cluster):
            raise unavailable(f"a server in {self.cluster} does not stop: end it by hand")
        programs = await asyncio.to_thread(
            reachable_programs, installed_programs(), account.uid, self.copies
        )
        if not self.cluster.exists():
            await create_cluster(self.cluster, programs, account, self.password)
        remove_stale_locks(self.cluster)
        self._rotate_log()
        log_start = self._launch(programs, account)
        await self._ready(log_start)

    def _launch(self, programs: Path, account: Account) -> int:
        """Start the server; where its part of the log begins."""
        options = [f"--{name}={value}" for name, value in CONFIGURATION.items()]
        directory = os.open(self.cluster, os.O_RDONLY | os.O_DIRECTORY)
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            command = [str(programs / "postgres"), "-D", f"/proc/self/fd/{directory}", *options]
            self._process = launch(command, account, log, signal.SIGINT, [directory])
            return os.fstat(log).st_size
        finally:
            os.close(log)
            os.close(directory)

    async def attend(self) -> None:
        """Start the server again whenever it ends by itself; run it from ``start`` to ``stop``.

        Raises ``Unavailable`` when it does not come back, or ends once more after
        ``RESTARTS_MAX`` restarts within ``RESTARTS_SECONDS``.
        """
        restarts: deque[float] = deque(maxlen=RESTARTS_MAX)
        while True:
            await asyncio.sleep(ATTEND_SECONDS)
            if self.pid is not None:
                continue
            now = time.monotonic()
            if len(restarts) == RESTARTS_MAX and now - restarts[0] < RESTARTS_SECONDS:
                raise unavailable(f"ends again and again: see {self.log}")
            restarts.append(now)
            _log.error("PostgreSQL ended by itself and is started again (see %s)", self.log)
            await self.start()

    async def stop(self) -> None:
        """Fast shutdown: sessions end, everything is on disk; by force after 3 seconds."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            await stop_process(process)
        if self._client_descriptor is not None:
            os.close(self._client_descriptor)
            self._client_descriptor = None

    def _rotate_log(self) -> None:
        with suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_BYTES_MAX:
                self.log.replace(self.log.with_name(self.log.name + ".1"))

    async def _ready(self, log_start: int) -> None:
        status = self.cluster / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.pid is None:
                written = self.log.read_bytes()[log_start:]
                raise unavailable(f"did not start: {last_line(written)} (see {self.log})")
            lines = status.read_text().splitlines() if status.exists() else []
            if len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready":
                return
            await asyncio.sleep(POLL_SECONDS)
        raise unavailable(f"was not ready in {START_SECONDS_MAX:.0f} s (see {self.log})")
