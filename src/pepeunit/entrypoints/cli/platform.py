"""What the command line asks of the composition root; it builds none of it itself."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from pepeunit.domain.users.user import UserRole, UserStatus


@frozen
class ServeOptions:
    """``None`` leaves a choice to the settings; ``settings`` are ``PU_*`` texts that win over the
    environment."""

    data_dir: Path
    host: str | None = None
    http_port: int | None = None
    mqtt_port: int | None = None
    settings: Mapping[str, str] = field(factory=dict)
    is_logging: bool = False
    """Write the log to stderr as the settings say; else logging is left as it is."""


@frozen
class Running:
    """A platform that answers.

    ``base_url`` ends with the application's prefix (``http://host:port/pepeunit``), ``api_url``
    with that of REST. ``one_time_password`` belongs to ``login`` and is known on the first start
    only.
    """

    base_url: str
    api_url: str
    mqtt_host: str
    mqtt_port: int
    login: str | None = None
    one_time_password: str | None = field(default=None, repr=False)


@frozen
class Account:
    login: str
    role: UserRole
    status: UserStatus
    create_datetime: datetime


class AccountChange(enum.Enum):
    """What the machine's holder may do to an account; the value is the command's word."""

    PROMOTE = "promote"
    DEMOTE = "demote"
    BLOCK = "block"
    UNBLOCK = "unblock"
    DELETE = "delete"


class Accounts(Protocol):
    """The accounts, for whoever holds the machine. Passwords are one-time texts to hand over."""

    async def create(self, login: str, role: UserRole) -> str:
        """The new account's password. Raises ``Invalid`` and ``Conflict`` (topic user)."""
        ...

    async def reset_password(self, login: str) -> str:
        """A new password; every token of the account ends. Raises ``NotFound``."""
        ...

    async def change(
        self, login: str, change: AccountChange, transfer_to: str | None = None
    ) -> None:
        """``transfer_to`` is the login that takes a deleted account's things. Raises ``NotFound``
        and ``Conflict`` (topics user, entity)."""
        ...

    async def everyone(self) -> Sequence[Account]: ...


class Serve(Protocol):
    def __call__(self, options: ServeOptions) -> AbstractAsyncContextManager[Running]:
        """Everything in this process, from the first start to a clean stop on exit.

        Raises ``Invalid`` with every bad setting and ``Unavailable`` for the world's part: port
        taken, data directory in use, disk full.
        """
        ...


class Pipelining(Protocol):
    def __call__(self, data_dir: Path) -> AbstractAsyncContextManager[str]:
        """The pipeline of an external broker in this process; the broker's address.

        Waits while another process uses the data directory, to take over from it. Raises
        ``Invalid`` with every setting that is missing.
        """
        ...


class Migrate(Protocol):
    async def __call__(self, data_dir: Path) -> str:
        """Bring the stores to this version's schema; the revision reached."""
        ...


class OpenAccounts(Protocol):
    def __call__(self, data_dir: Path) -> AbstractAsyncContextManager[Accounts]:
        """Open the stores for a moment; refused with ``Unavailable`` while something runs."""
        ...


class Config(Protocol):
    def __call__(self, data_dir: Path) -> str:
        """The effective settings as a table of text, secrets masked. Raises ``Invalid``."""
        ...


class Verdict(enum.Enum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@frozen
class Finding:
    """One thing looked at; ``text`` says what to do unless all is well."""

    name: str
    verdict: Verdict
    text: str


@frozen
class ReferenceSecrets:
    """The three secrets of the reference installation, and its domain when it is to be kept."""

    secret_key: str = field(repr=False)
    encrypt_key: str = field(repr=False)
    static_salt: str = field(repr=False)
    domain: str | None = None


class Operations(Protocol):
    """What an operator does with the data directory; each tells what was done, a line each.

    Raises ``Invalid`` and ``Unavailable`` with what to do.
    """

    def examine(self, data_dir: Path) -> AsyncIterator[Finding]: ...

    async def backup(
        self, data_dir: Path, file: Path, *, with_keys: bool, with_mirrors: bool
    ) -> Sequence[str]: ...

    async def restore(self, data_dir: Path, file: Path, keys: Path | None) -> Sequence[str]:
        """Into an empty directory; a failure leaves it as it was."""
        ...

    async def import_reference(
        self, data_dir: Path, database_url: str, secrets: ReferenceSecrets, *, is_dry_run: bool
    ) -> Sequence[str]:
        """All or nothing; what is there already is left alone."""
        ...


@frozen
class Platform:
    """The whole of it, as the command line sees it."""

    version: str
    serve: Serve
    migrate: Migrate
    open_accounts: OpenAccounts
    config: Config
    operations: Operations
    pipelining: Pipelining
