"""What the command line asks of the composition root; it builds none of it itself."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
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


@frozen
class Platform:
    """The whole of it, as the command line sees it."""

    version: str
    serve: Serve
    migrate: Migrate
    open_accounts: OpenAccounts
    config: Config
