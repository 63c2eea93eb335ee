"""Starting PostgreSQL's programs as another user, and finding servers that outlived their parent.

A server is recognised by what it is (its program and its working directory, compared by inode),
never by a number read from a file: a stale pid file can name anybody.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from attrs import frozen

POLL_SECONDS: Final = 0.01
FAST_STOP_SECONDS: Final = 3.0
"""For SIGINT: sessions are ended, a checkpoint is written."""
IMMEDIATE_STOP_SECONDS: Final = 1.0
"""For SIGQUIT: nothing is written, the next start recovers."""

_LAUNCH: Final = """
import ctypes, os, sys
parent, uid, gid, death_signal = map(int, sys.argv[1:5])
if os.geteuid() != uid:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
os.umask(0o077)
PR_SET_PDEATHSIG = 1
if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
    sys.exit("prctl failed")
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.execv(sys.argv[5], sys.argv[5:])
"""
# A program of its own and not a preexec_fn: that is unsafe in a process with threads. The death
# signal is set after setuid because the kernel clears it there.


@frozen
class Account:
    """Whom a program runs as."""

    uid: int
    gid: int


def launch(
    arguments: Sequence[str],
    account: Account,
    output: int | IO[bytes],
    death_signal: signal.Signals,
    descriptors: Sequence[int],
) -> subprocess.Popen[bytes]:
    """Run a program that gets ``death_signal`` when the calling *thread* ends.

    So call it from the thread that lives as long as the process. The program leads a session of
    its own: Ctrl-C in the terminal does not reach it. It inherits ``descriptors`` under their
    numbers and nothing of the environment but the paths.
    """
    identity = (os.getpid(), account.uid, account.gid, int(death_signal))
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, *map(str, identity), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment,
        pass_fds=descriptors,
        start_new_session=True,
    )


async def ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process ends within the time."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def stop_process(process: subprocess.Popen[bytes]) -> None:
    """End a server we started: fast, then at once, then by force."""
    for signum, seconds in (
        (signal.SIGINT, FAST_STOP_SECONDS),
        (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
        (signal.SIGKILL, IMMEDIATE_STOP_SECONDS),
    ):
        process.send_signal(signum)
        if await ended(process, seconds):
            return


async def stop_orphans(cluster: Path) -> bool:
    """End every server process working in ``cluster``; whether none is left."""
    for signum, seconds in (
        (signal.SIGINT, FAST_STOP_SECONDS),
        (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
        (signal.SIGKILL, IMMEDIATE_STOP_SECONDS),
    ):
        # backends follow their postmaster, and SIGINT means something else to some of them
        to_tell = server_processes if signum is signal.SIGKILL else postmasters
        for pid in to_tell(cluster):
            _signal(pid, cluster, signum)
        if await _none_left(cluster, seconds):
            return True
    return False


async def _none_left(cluster: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        if not server_processes(cluster):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)


def server_processes(cluster: Path) -> list[int]:
    """The processes of any PostgreSQL server whose data directory is ``cluster``."""
    if not cluster.exists():
        return []
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _works_in(pid, cluster)]


def _works_in(pid: int, cluster: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster) and _runs_postgres(pid)
    except OSError:  # gone, or somebody else's
        return False


def _runs_postgres(pid: int) -> bool:
    try:
        program = Path(f"/proc/{pid}/exe").readlink().name
    except FileNotFoundError:
        return True  # ending: its memory, which the next server must not meet, may still be there
    return program.removesuffix(" (deleted)") == "postgres"


def postmasters(cluster: Path) -> list[int]:
    """The server processes that lead the others; a backend that was just forked looks like them."""
    pids = server_processes(cluster)
    return [pid for pid in pids if _leads(pid, pids)]


def _leads(pid: int, pids: Sequence[int]) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # gone meanwhile
        return False
    return b"-D" in arguments and parent not in pids


def _signal(pid: int, cluster: Path, signum: signal.Signals) -> None:
    """Signal the process if it still is one of the cluster's."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _works_in(pid, cluster):
            signal.pidfd_send_signal(descriptor, signum)
    except OSError:
        return
    finally:
        os.close(descriptor)
