"""How ``pepeunit user`` reaches a running platform: a Unix socket in the data directory.

The data directory lets in its owner alone, and so does the socket: whoever can connect could read
the keys beside it as well, so there is no token. Paths longer than the kernel takes for a socket
are reached through the directory's descriptor.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import asdict, frozen

from pepeunit.domain.errors import Conflict, Invalid, NotFound, Refused, Topic, Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.users.user import UserRole, UserStatus
from pepeunit.entrypoints.cli.platform import Account, AccountChange, Accounts
from pepeunit.usecases.pipes.backtest import Backtest

SOCKET: Final = "control.sock"
SOCKET_PATH_BYTES_MAX: Final = 107
REQUEST_SECONDS_MAX: Final = 30.0
COPY_SECONDS_MAX: Final = 7_200.0
BACKTEST_SECONDS_MAX: Final = 3_600.0
REQUEST_BYTES_MAX: Final = 256 * 1024
"""A config of a pipe has 64 KiB, and JSON may double it."""
STOP_SECONDS_MAX: Final = 1.0
DEPENDENCY: Final = "the running platform"
CopySeries = Callable[[Path], Awaitable[Mapping[str, int]]]
"""Copies the stored series into files of a folder; rows by table."""
Backtesting = Callable[[NodeId, bytes], Awaitable[Backtest]]
LEAVES: Final = {leaf.__name__: leaf for leaf in (Invalid, Conflict, NotFound)}


@asynccontextmanager
async def serve_control(
    data_dir: Path, accounts: Accounts, copy_series: CopySeries, backtest: Backtesting
) -> AsyncIterator[None]:
    """Listen on ``control.sock`` (0600) until the context ends; call it with the directory held.

    A socket left by a killed process is replaced. Raises ``OSError`` when the folder cannot hold
    a socket.
    """
    door = ControlDoor(accounts, copy_series, backtest)
    app = web.Application(client_max_size=REQUEST_BYTES_MAX, middlewares=[_tell_refusals])
    app.add_routes(door.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS_MAX)
    await runner.setup()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = data_dir / SOCKET
    try:
        path.unlink(missing_ok=True)
        with _short(data_dir) as name:
            listener.bind(name)
        path.chmod(0o600)
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
        listener.close()
        path.unlink(missing_ok=True)


@frozen
class ControlDoor:
    accounts: Accounts
    copy_series: CopySeries
    backtest: Backtesting

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.get("/accounts", self.everyone),
            web.post("/accounts", self.create),
            web.post("/passwords", self.reset_password),
            web.post("/changes", self.change),
            web.post("/series", self.series),
            web.post("/backtest", self.backtested),
        )

    async def everyone(self, _: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "login": account.login,
                    "role": account.role.value,
                    "status": account.status.value,
                    "create_datetime": account.create_datetime.isoformat(),
                }
                for account in await self.accounts.everyone()
            ]
        )

    async def create(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        password = await self.accounts.create(wanted["login"], UserRole(wanted["role"]))
        return web.json_response({"password": password})

    async def reset_password(self, request: web.Request) -> web.Response:
        password = await self.accounts.reset_password((await request.json())["login"])
        return web.json_response({"password": password})

    async def change(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        change = AccountChange(wanted["change"])
        await self.accounts.change(wanted["login"], change, wanted["transfer_to"])
        return web.json_response({})

    async def series(self, request: web.Request) -> web.Response:
        """Copy the stored series into a folder, for a backup; rows by table."""
        folder = Path((await request.json())["folder"])
        return web.json_response(dict(await self.copy_series(folder)))

    async def backtested(self, request: web.Request) -> web.Response:
        """What a config would keep of a node's stored rows."""
        wanted = await request.json()
        report = await self.backtest(NodeId(UUID(wanted["node"])), wanted["config"].encode())
        told = asdict(report, value_serializer=_plain)
        return web.json_response(told)


def _plain(_instance: object, _attribute: object, value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


@web.middleware
async def _tell_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refusal:
        leaf = next((name for name, leaf in LEAVES.items() if isinstance(refusal, leaf)), "")
        told: dict[str, Any] = {"leaf": leaf, "message": refusal.message}
        if isinstance(refusal, Invalid):
            told["violations"] = refusal.violations
        return web.json_response(told, status=422)
    except Unavailable as outage:
        return web.json_response({"message": str(outage)}, status=503)


@frozen
class RemoteAccounts:
    """Implements :class:`~pepeunit.entrypoints.cli.platform.Accounts` over the socket."""

    data_dir: Path

    def is_there(self) -> bool:
        """Whether something listens."""
        with (
            contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe,
            contextlib.suppress(OSError),
            _short(self.data_dir) as name,
        ):
            probe.connect(name)
            return True
        return False

    async def create(self, login: str, role: UserRole) -> str:
        told = await _ask(self.data_dir, "POST", "/accounts", {"login": login, "role": role.value})
        return str(told["password"])

    async def reset_password(self, login: str) -> str:
        return str((await _ask(self.data_dir, "POST", "/passwords", {"login": login}))["password"])

    async def change(
        self, login: str, change: AccountChange, transfer_to: str | None = None
    ) -> None:
        wanted = {"login": login, "change": change.value, "transfer_to": transfer_to}
        await _ask(self.data_dir, "POST", "/changes", wanted)

    async def everyone(self) -> Sequence[Account]:
        return [
            Account(
                row["login"],
                UserRole(row["role"]),
                UserStatus(row["status"]),
                datetime.fromisoformat(row["create_datetime"]),
            )
            for row in await _ask(self.data_dir, "GET", "/accounts")
        ]


async def backtest_running(data_dir: Path, node: UUID, config: str) -> Mapping[str, Any]:
    """What the config would keep of the rows that the running platform stores of a node."""
    body = {"node": str(node), "config": config}
    told: Mapping[str, Any] = await _ask(data_dir, "POST", "/backtest", body, BACKTEST_SECONDS_MAX)
    return told


async def copy_running_series(data_dir: Path, folder: Path) -> Mapping[str, int]:
    """What the running platform stores of series, into files of a folder; rows by table."""
    told: Mapping[str, int] = await _ask(
        data_dir, "POST", "/series", {"folder": str(folder)}, COPY_SECONDS_MAX
    )
    return told


async def _ask(
    data_dir: Path,
    method: str,
    path: str,
    body: object = None,
    seconds: float = REQUEST_SECONDS_MAX,
) -> Any:
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        with _short(data_dir) as name:
            connector = aiohttp.UnixConnector(name)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.request(method, f"http://control{path}", json=body) as answer,
            ):
                if answer.status == 200:
                    return await answer.json()
                told = await answer.json() if answer.status in (422, 503) else {}
    except (OSError, aiohttp.ClientError, TimeoutError):
        raise Unavailable(DEPENDENCY, f"does not answer on {data_dir / SOCKET}") from None
    raise _refusal(told)


def _refusal(told: dict[str, Any]) -> Exception:
    leaf = LEAVES.get(told.get("leaf", ""))
    if leaf is None:
        return Unavailable(DEPENDENCY, told.get("message", "failed; its log says why"))
    if leaf is Invalid:
        return Invalid([(path, text) for path, text in told["violations"]], Topic.USER)
    return leaf(told["message"], Topic.USER)


@contextmanager
def _short(data_dir: Path) -> Iterator[str]:
    """A name of the socket that the kernel takes, valid inside the context."""
    path = data_dir / SOCKET
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)
