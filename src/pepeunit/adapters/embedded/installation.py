"""The data directory: one folder that holds all state of an installation.

::

    lock              who uses the folder (flock; the text names the process)
    keys.json         secrets made at the first start, mode 0600
    instance.json     facts fixed at the first start, such as the domain
    postgres/         the embedded server's cluster     postgres.log its log
    clickhouse/       the embedded engine's tables
    journal/          acknowledged messages on their way to the stores
    checkpoint.sqlite where their pipes are, and rows that a store could not take yet
    mirrors/          git mirrors
    firmware/         release files on their way to devices
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from attrs import define, field

from pepeunit.adapters.embedded.atomic import replace_file
from pepeunit.domain.errors import Unavailable

DEPENDENCY: Final = "data directory"
SECRET_KEY: Final = "PU_SECRET_KEY"  # noqa: S105  # a name
ENCRYPT_KEY: Final = "PU_ENCRYPT_KEY"
STATIC_SALT: Final = "PU_STATIC_SALT"
POSTGRES_PASSWORD: Final = "postgres_password"  # noqa: S105  # a name
KEY_BYTES: Final = 32
KEY_NAMES: Final = (SECRET_KEY, ENCRYPT_KEY, STATIC_SALT, POSTGRES_PASSWORD)


class InUse(Unavailable):
    """Another process has the data directory."""


class NoInstallation(Unavailable):
    """There is none yet."""


@define
class Installation:
    """An open, locked data directory (``--data-dir``); get one from :meth:`open`.

    ``keys`` are the secrets by setting name (and the embedded server's password), each the base64
    text of 32 random bytes. The lock is held until :meth:`close` or the end of the process.
    """

    path: Path
    keys: Mapping[str, str] = field(repr=False)
    facts: Mapping[str, str]
    """What was fixed at the first start; see :meth:`fix`."""
    _lock: int | None = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the folder (0700) and its keys (0600) when missing, and lock it.

        Raises :class:`InUse` when another process uses it, naming that process, and
        ``Unavailable`` when it cannot be made, read or trusted, saying what to do.
        """
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(path)
            lock = _locked(path)
            try:
                return cls(path, _keys(path), _read(path / "instance.json") or {}, lock)
            except BaseException:
                os.close(lock)
                raise
        except OSError as error:
            raise _unavailable(
                f"{error.filename or path}: {os.strerror(error.errno or 0)}: "
                "choose another --data-dir or mend its rights"
            ) from error

    @classmethod
    def look(cls, path: Path) -> Self:
        """An installation another process may be using: keys and facts to read, no lock.

        For commands beside a running server. Raises
        :class:`NoInstallation`, or ``Unavailable`` when it cannot be read.
        """
        path = path.absolute()
        try:
            keys = _read(path / "keys.json")
            facts = _read(path / "instance.json") or {}
        except OSError as error:
            raise _unavailable(f"{error.filename}: {os.strerror(error.errno or 0)}") from error
        if keys is None:
            _refuse_lost_keys(path)
            raise NoInstallation(
                DEPENDENCY, f"{path} holds no installation: run pepeunit serve there first"
            )
        return cls(path, keys, facts, None)

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def postgres_log(self) -> Path:
        return self.path / "postgres.log"

    @property
    def clickhouse(self) -> Path:
        return self.path / "clickhouse"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.sqlite"

    @property
    def firmware(self) -> Path:
        return self.path / "firmware"

    @property
    def mirrors(self) -> Path:
        return self.path / "mirrors"

    def fix(self, name: str, value: str) -> str:
        """The fact's value; ``value`` becomes it, durably, when there is none yet."""
        return self.facts.get(name) or self.change(name, value)

    def change(self, name: str, value: str) -> str:
        """Give a fact a new value, durably."""
        facts = {**self.facts, name: value}
        replace_file(self.path / "instance.json", _json(facts))
        self.facts = facts
        return value

    def adopt(self, keys: Mapping[str, str]) -> None:
        """Take over another installation's keys, durably, before anything is sealed or signed."""
        adopted = {**self.keys, **keys}
        replace_file(self.path / "keys.json", _json(adopted), mode=0o600)
        self.keys = adopted

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _refuse_foreign(path: Path) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise _unavailable(
            f"{path} belongs to user {status.st_uid} and this is user {os.geteuid()}: start as "
            "that user, or choose another --data-dir"
        )
    if status.st_mode & 0o022:
        raise _unavailable(f"{path} can be written by others: chmod 700 {path}")


def _locked(path: Path) -> int:
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise InUse(
            DEPENDENCY,
            f"{path} is used by process {holder}: stop it, or choose another --data-dir",
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _keys(path: Path) -> Mapping[str, str]:
    stored = _read(path / "keys.json")
    if stored is None:
        _refuse_lost_keys(path)
    keys = dict(stored or {})
    missing = [name for name in KEY_NAMES if name not in keys]
    for name in missing:
        keys[name] = b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    if missing:
        replace_file(path / "keys.json", _json(keys), mode=0o600)
    return keys


def _refuse_lost_keys(path: Path) -> None:
    if (path / "postgres").exists():
        raise _unavailable(
            f"{path / 'keys.json'} is missing, and new keys could not read what is stored: "
            "restore it from a backup"
        )


def _read(path: Path) -> Mapping[str, str] | None:
    """The object of texts in the file; None when there is no file."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise _unavailable(f"{path} is damaged: restore it from a backup")
    return found


def _json(texts: Mapping[str, str]) -> bytes:
    return json.dumps(texts, indent=2).encode() + b"\n"


def _unavailable(message: str) -> Unavailable:
    return Unavailable(DEPENDENCY, message)
