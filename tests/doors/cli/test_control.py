"""``pepeunit user`` while the platform runs (design.md 1)."""

from __future__ import annotations

import argparse
import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from pepeunit.domain.errors import Conflict, Invalid, NotFound, Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.config import PolicyType
from pepeunit.domain.users.user import UserRole, UserStatus
from pepeunit.entrypoints.cli.accounts import StoredAccounts
from pepeunit.entrypoints.cli.control import (
    SOCKET,
    RemoteAccounts,
    backtest_running,
    copy_running_series,
    serve_control,
)
from pepeunit.entrypoints.cli.pipes import _backtest
from pepeunit.entrypoints.cli.platform import AccountChange, Platform
from pepeunit.ports.audit import AuditQuery
from pepeunit.usecases.pipes.backtest import Backtest


async def backtests_nothing(node: NodeId, config: bytes) -> Backtest:
    if config == b"unknown":
        raise NotFound("node not found")
    dropped = {"rate": 2, "size": 0}
    kinds = (PolicyType.TIME_WINDOW, PolicyType.N_RECORDS)
    return Backtest(*kinds, 5, 3, 3, dropped, is_exact=False, first_ms=0, last_ms=60_000)


def listening(folder: Path, accounts: StoredAccounts) -> AbstractAsyncContextManager[None]:
    return serve_control(folder, accounts, copied, backtests_nothing)


async def copied(folder: Path) -> dict[str, int]:
    if folder.name == "down":
        raise Unavailable("ClickHouse", "does not answer")
    return {"n_last_entry": len(folder.name)}


@pytest.fixture(params=["short", "long"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path if request.param == "short" else tmp_path / ("d" * 90) / ("e" * 90)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def test_accounts_are_reached_over_the_socket(folder: Path, accounts: StoredAccounts) -> None:
    async with listening(folder, accounts):
        remote = RemoteAccounts(folder)
        assert remote.is_there()
        password = await remote.create("somebody", UserRole.ADMIN)
        assert len(password) >= 16
        assert await remote.reset_password("somebody") != password
        (row,) = await remote.everyone()
        assert (row.login, row.role, row.status) == (
            "somebody",
            UserRole.ADMIN,
            UserStatus.UNVERIFIED,
        )
    assert not remote.is_there()
    assert not (folder / SOCKET).exists()


async def test_only_the_owner_may_connect(tmp_path: Path, accounts: StoredAccounts) -> None:
    async with listening(tmp_path, accounts):
        assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600


async def test_refusals_arrive_as_what_they_are(tmp_path: Path, accounts: StoredAccounts) -> None:
    async with listening(tmp_path, accounts):
        remote = RemoteAccounts(tmp_path)
        await remote.create("somebody", UserRole.USER)
        with pytest.raises(Conflict, match="login"):
            await remote.create("somebody", UserRole.USER)
        with pytest.raises(NotFound, match="nobody"):
            await remote.reset_password("nobody")
        with pytest.raises(Invalid) as refusal:
            await remote.create("é", UserRole.USER)
        assert [path for path, _ in refusal.value.violations] == ["login", "login"]


async def test_logins_cannot_lead_elsewhere(tmp_path: Path, accounts: StoredAccounts) -> None:
    async with listening(tmp_path, accounts):
        with pytest.raises(NotFound):
            await RemoteAccounts(tmp_path).reset_password("a/../b?c#d")


async def test_the_socket_of_a_killed_process_is_replaced(
    tmp_path: Path, accounts: StoredAccounts
) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / SOCKET))
    left.close()
    assert not RemoteAccounts(tmp_path).is_there()
    async with listening(tmp_path, accounts):
        assert RemoteAccounts(tmp_path).is_there()


async def test_the_running_platform_copies_its_series(
    tmp_path: Path, accounts: StoredAccounts
) -> None:
    """The embedded engine lets in one process alone."""
    async with listening(tmp_path, accounts):
        assert await copy_running_series(tmp_path, Path("/some/folder")) == {"n_last_entry": 6}
        with pytest.raises(Unavailable, match="ClickHouse: does not answer"):
            await copy_running_series(tmp_path, Path("/some/down"))


async def test_without_a_platform_the_client_says_where_it_asked(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"control\.sock"):
        await RemoteAccounts(tmp_path).everyone()


async def test_changes_reach_the_running_platform_and_leave_audit_rows(
    tmp_path: Path, accounts: StoredAccounts
) -> None:
    async with listening(tmp_path, accounts):
        remote = RemoteAccounts(tmp_path)
        for login in ("anna", "bert"):
            await remote.create(login, UserRole.USER)
        await remote.change("anna", AccountChange.PROMOTE)
        await remote.change("BERT", AccountChange.BLOCK)
        found = {row.login: (row.role, row.status) for row in await remote.everyone()}
        assert found == {
            "anna": (UserRole.ADMIN, UserStatus.UNVERIFIED),
            "bert": (UserRole.USER, UserStatus.BLOCKED),
        }
        with pytest.raises(Conflict, match="last administrator"):
            await remote.change("anna", AccountChange.DELETE)
        with pytest.raises(NotFound):
            await remote.change("nobody", AccountChange.UNBLOCK)
        await remote.change("bert", AccountChange.DELETE, "anna")
        assert [row.login for row in await remote.everyone()] == ["anna"]
    async with accounts.acts.database.read() as rows:
        entries = (await rows.audit.find(AuditQuery())).items
    assert sorted((entry.verb, entry.subject.name) for entry in entries) == [
        ("cli.block", "bert"),
        ("cli.create", "anna"),
        ("cli.create", "bert"),
        ("cli.delete", "bert"),
        ("cli.promote", "anna"),
    ]
    assert {(entry.agent_name, entry.address) for entry in entries} == {
        ("operator", "this machine")
    }


async def test_a_backtest_is_asked_over_the_socket(
    tmp_path: Path, accounts: StoredAccounts
) -> None:
    async with listening(tmp_path, accounts):
        told = await backtest_running(tmp_path, uuid4(), "x" * 65_536)
        assert (told["source"], told["policy"]) == ("TimeWindow", "NRecords")
        assert (told["read"], told["accepted"], told["dropped"]["rate"]) == (5, 3, 2)
        with pytest.raises(NotFound):
            await backtest_running(tmp_path, uuid4(), "unknown")


async def test_the_command_tells_what_a_config_would_keep(
    tmp_path: Path, accounts: StoredAccounts, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pipe.yml"
    file.write_text("active_period: {type: Permanent}")
    asked = argparse.Namespace(data_dir=tmp_path, node=uuid4(), file=file)
    async with listening(tmp_path, accounts):
        assert await _backtest(cast(Platform, None), asked) == 0
    assert capsys.readouterr().out.splitlines() == [
        "5 rows of TimeWindow from 1970-01-01 00:00:00 to 1970-01-01 00:01:00 UTC",
        "  their values are not what the device sent: the pipe changed them",
        "  accepted 3",
        "  dropped  2 rate",
        "3 rows of NRecords would be there now",
    ]
    with pytest.raises(Unavailable, match="serve"):
        await _backtest(cast(Platform, None), asked)
