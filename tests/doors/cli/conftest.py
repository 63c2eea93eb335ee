"""The command line over the real use cases of accounts, on memory."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from attrs import define, field

from pepeunit.adapters.crypto.passwords import Argon2Cost, Argon2Passwords
from pepeunit.adapters.memory.broker import MemoryBroker
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.domain.errors import Invalid, Unavailable
from pepeunit.entrypoints.cli.accounts import StoredAccounts
from pepeunit.entrypoints.cli.platform import (
    Accounts,
    Finding,
    Platform,
    ReferenceSecrets,
    Running,
    ServeOptions,
)
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.audit.recording import RecordingDatabase
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.settle_commands import SettleCommands
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.first_admin import ResetPassword
from pepeunit.usecases.users.read_users import ListUsers
from pepeunit.usecases.users.sign_up import SignUp


def new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def accounts() -> Iterator[StoredAccounts]:
    clock = lambda: datetime.now(UTC)  # noqa: E731
    broker, logs = MemoryBroker(), MemoryLogs()
    database = RecordingDatabase(MemoryDatabase(), clock, uuid4)
    passwords = Argon2Passwords("salt", Argon2Cost(1, 64, 1))
    drain = DrainOutbox(database, broker, clock, "iot.example", SettleCommands(database, clock))
    yield StoredAccounts(
        SignUp(database, passwords, clock, uuid4),
        ResetPassword(database, passwords, new_secret),
        ListUsers(database),
        ChangeRole(database),
        BlockUser(database, broker),
        UnblockUser(database),
        DeleteUser(database, Builder(clock, uuid4), drain, broker, logs),
        RecordActs(database),
        new_secret,
    )
    passwords.close()


@define
class Served:
    """A platform that comes up at once, and fails where it is told to."""

    accounts: Accounts
    failure: BaseException | None = None
    when_up: Callable[[], None] | None = None
    seen: list[ServeOptions] = field(factory=list)
    stopped: int = 0
    findings: Sequence[Finding] = ()
    secrets: ReferenceSecrets | None = None

    @asynccontextmanager
    async def serve(self, options: ServeOptions) -> AsyncIterator[Running]:
        self.seen.append(options)
        if self.failure is not None:
            raise self.failure
        if self.when_up is not None:
            asyncio.get_running_loop().call_later(0.1, self.when_up)
        try:
            yield Running(
                "http://127.0.0.1:1/pepeunit",
                "http://127.0.0.1:1/pepeunit/api/v1",
                "127.0.0.1",
                2,
                "admin",
                "only-once",
            )
        finally:
            self.stopped += 1

    async def migrate(self, data_dir: Path) -> str:
        if self.failure is not None:
            raise self.failure
        return "0001"

    @asynccontextmanager
    async def open_accounts(self, data_dir: Path) -> AsyncIterator[Accounts]:
        if self.failure is not None:
            raise self.failure
        yield self.accounts

    def config(self, data_dir: Path) -> str:
        if isinstance(self.failure, Invalid | Unavailable):
            raise self.failure
        return f"data {data_dir}"

    async def examine(self, data_dir: Path) -> AsyncIterator[Finding]:
        for finding in self.findings:
            yield finding

    async def backup(
        self, data_dir: Path, file: Path, *, with_keys: bool, with_mirrors: bool
    ) -> Sequence[str]:
        return [f"backup {file} {with_keys} {with_mirrors}"]

    async def restore(self, data_dir: Path, file: Path, keys: Path | None) -> Sequence[str]:
        return [f"restore {file} {keys}"]

    async def import_reference(
        self, data_dir: Path, database_url: str, secrets: ReferenceSecrets, *, is_dry_run: bool
    ) -> Sequence[str]:
        self.secrets = secrets
        return [f"import {database_url} {is_dry_run}"]

    def platform(self) -> Platform:
        return Platform(
            "9.8.7",
            self.serve,
            self.migrate,
            self.open_accounts,
            self.config,
            self,
            self.pipelining,
        )

    @asynccontextmanager
    async def pipelining(self, data_dir: Path) -> AsyncIterator[str]:
        yield "broker.example.com:1883"


@pytest.fixture
def served(accounts: StoredAccounts) -> Served:
    return Served(accounts)
