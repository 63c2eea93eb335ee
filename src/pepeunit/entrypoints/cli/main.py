"""The command ``pepeunit``: what it accepts, what it prints, how it ends.

Exit codes::

    0    done; also after SIGTERM or Ctrl-C while serving
    1    refused, or a step of the demo failed; the reason is on stderr
    2    the command line or a setting is wrong; stderr lists everything
    3    the world's part: port taken, data directory in use, disk full
    130  interrupted before it was done
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from pepeunit.domain.errors import Invalid, Refused, Unavailable
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.cli.control import RemoteAccounts
from pepeunit.entrypoints.cli.demo import demo
from pepeunit.entrypoints.cli.narrator import Narrator
from pepeunit.entrypoints.cli.operations import add_operations, chosen_data_dir, port
from pepeunit.entrypoints.cli.pipeline import TEXT, pipeline
from pepeunit.entrypoints.cli.pipes import add_pipes
from pepeunit.entrypoints.cli.platform import (
    AccountChange,
    Accounts,
    Platform,
    Running,
    ServeOptions,
)

DONE: Final = 0
REFUSED: Final = 1
WRONG_INPUT: Final = 2
UNAVAILABLE: Final = 3
INTERRUPTED: Final = 130
STOP_SECONDS_MAX: Final = 9.5

CHANGES: Final = {
    AccountChange.PROMOTE: "make an account an administrator",
    AccountChange.DEMOTE: "make an administrator a plain user",
    AccountChange.BLOCK: "lock an account out, with its tokens and devices",
    AccountChange.UNBLOCK: "let a blocked account in again",
    AccountChange.DELETE: "delete an account with its repos and units, or hand them over",
}

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Command = Callable[[Platform, argparse.Namespace], Awaitable[int]]


def run(argv: Sequence[str], platform: Platform) -> int:
    """Obey one command line (without the program's name); the exit code."""
    arguments = parser(platform.version).parse_args(argv)
    command: Command = arguments.command
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_until_signalled(command(platform, arguments), arguments))
    except Invalid as refusal:
        lines = [f"{path}: {text}" if path else text for path, text in refusal.violations]
        return _complain(WRONG_INPUT, *lines)
    except Refused as refusal:
        return _complain(REFUSED, refusal.message)
    except Unavailable as outage:
        return _complain(UNAVAILABLE, str(outage))
    except OSError as error:
        return _complain(UNAVAILABLE, _explained(error))


def parser(version: str) -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="pepeunit", description="Git repositories become programs for IoT devices."
    )
    top.add_argument("--version", action="version", version=f"pepeunit {version}")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where all state is kept (default: $XDG_DATA_HOME/pepeunit, "
        "which is ~/.local/share/pepeunit unless set; PU_DATA_DIR names another; "
        "pepeunit-demo for the demo)",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(
        to: Commands, name: str, obey: Command, text: str, on_signal: int = INTERRUPTED
    ) -> argparse.ArgumentParser:
        made = to.add_parser(name, help=text, description=text, parents=[shared])
        made.set_defaults(command=obey, on_signal=on_signal)
        return made

    serve = add(commands, "serve", _serve, "run the whole platform in this process", DONE)
    serve.add_argument("--host", metavar="H", help="address to listen on")
    serve.add_argument("--http-port", type=port, metavar="N")
    serve.add_argument("--mqtt-port", type=port, metavar="N")
    add(commands, "pipeline", pipeline, TEXT, DONE)
    show = add(commands, "demo", _demo, "show a device's whole life on this machine", DONE)
    show.add_argument(
        "--once", action="store_true", help="end after the last step instead of staying up"
    )
    add(commands, "migrate", _migrate, "bring the stores to this version's schema")
    add(commands, "config", _config, "print the settings as this shell gives them, secrets masked")
    add_operations(lambda name, obey, text: add(commands, name, obey, text))
    pipe = commands.add_parser("pipe", help="check a pipe's config, and try it on recorded data")
    add_pipes(partial(add, pipe.add_subparsers(required=True, metavar="ACTION")))
    user = commands.add_parser("user", help="manage accounts, also while the platform runs")
    actions = user.add_subparsers(required=True, metavar="ACTION")
    create = add(actions, "create", _create, "open an account and print its password")
    create.add_argument("login")
    create.add_argument("--admin", action="store_true", help="make it an administrator")
    reset = add(actions, "reset-password", _reset_password, "print a new password, end sessions")
    reset.add_argument("login")
    for change, text in CHANGES.items():
        made = add(actions, change.value, _change, text)
        made.add_argument("login")
        made.set_defaults(change=change, transfer_to=None)
        if change is AccountChange.DELETE:
            made.add_argument("--transfer-to", metavar="LOGIN", help="who takes all its things")
    add(actions, "list", _everyone, "print all accounts")
    return top


async def _serve(platform: Platform, arguments: argparse.Namespace) -> int:
    data_dir = chosen_data_dir(arguments)
    options = ServeOptions(
        data_dir, arguments.host, arguments.http_port, arguments.mqtt_port, is_logging=True
    )
    async with platform.serve(options) as running:
        _announce(platform.version, data_dir, running)
        await asyncio.Event().wait()
    return DONE


def _announce(version: str, data_dir: Path, running: Running) -> None:
    rows = {
        "web": running.base_url,
        "API": running.base_url + "/docs",
        "MQTT": f"{running.mqtt_host}:{running.mqtt_port}",
        "data": str(data_dir),
    }
    if running.login and running.one_time_password:
        rows["login"] = running.login
        rows["password"] = f"{running.one_time_password}   (shown this once; change it)"
    rows["stop"] = "Ctrl-C"
    Narrator().closing(f"Pepeunit {version} is up", rows)


async def _demo(platform: Platform, arguments: argparse.Namespace) -> int:
    data_dir = chosen_data_dir(arguments, "pepeunit-demo")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / "demo").mkdir(mode=0o700, exist_ok=True)
    logging.basicConfig(filename=data_dir / "demo" / "platform.log", level=logging.INFO)
    try:
        await demo(platform, data_dir, once=arguments.once, tell=Narrator())
    except Unavailable as outage:
        return _complain(
            REFUSED, f"the demo stopped: {outage}", f"log: {data_dir}/demo/platform.log"
        )
    return DONE


async def _migrate(platform: Platform, arguments: argparse.Namespace) -> int:
    print(f"the stores are at revision {await platform.migrate(chosen_data_dir(arguments))}")
    return DONE


async def _config(platform: Platform, arguments: argparse.Namespace) -> int:
    print(platform.config(chosen_data_dir(arguments)))
    return DONE


async def _create(platform: Platform, arguments: argparse.Namespace) -> int:
    role = UserRole.ADMIN if arguments.admin else UserRole.USER

    async def create(accounts: Accounts) -> None:
        print(f"{arguments.login}: password {await accounts.create(arguments.login, role)}")

    return await _with_accounts(platform, arguments, create)


async def _reset_password(platform: Platform, arguments: argparse.Namespace) -> int:
    async def reset(accounts: Accounts) -> None:
        print(f"{arguments.login}: password {await accounts.reset_password(arguments.login)}")

    return await _with_accounts(platform, arguments, reset)


async def _change(platform: Platform, arguments: argparse.Namespace) -> int:
    change: AccountChange = arguments.change

    async def apply(accounts: Accounts) -> None:
        await accounts.change(arguments.login, change, arguments.transfer_to)
        print(f"{arguments.login}: {change.value} done")

    return await _with_accounts(platform, arguments, apply)


async def _everyone(platform: Platform, arguments: argparse.Namespace) -> int:
    async def everyone(accounts: Accounts) -> None:
        for account in await accounts.everyone():
            print(
                f"{account.login:<20} {account.role.value:<6} {account.status.value:<10} "
                f"{account.create_datetime:%Y-%m-%d %H:%M}"
            )

    return await _with_accounts(platform, arguments, everyone)


async def _with_accounts(
    platform: Platform, arguments: argparse.Namespace, act: Callable[[Accounts], Awaitable[None]]
) -> int:
    """Through the running platform where there is one, else by opening the stores."""
    data_dir = chosen_data_dir(arguments)
    remote = RemoteAccounts(data_dir)
    if remote.is_there():
        await act(remote)
    else:
        async with platform.open_accounts(data_dir) as accounts:
            await act(accounts)
    return DONE


async def _until_signalled(work: Awaitable[int], arguments: argparse.Namespace) -> int:
    """Run the work; SIGTERM and SIGINT cancel it, and after ``STOP_SECONDS_MAX`` end us hard.

    The database ends with its parent, and what was acknowledged is stored, so nothing is lost.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    signalled = False

    def stop() -> None:
        nonlocal signalled
        if not signalled:
            signalled = True
            loop.call_later(STOP_SECONDS_MAX, _end_hard)
            task.cancel()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not signalled:
            raise
        return INTERRUPTED if getattr(arguments, "once", False) else int(arguments.on_signal)


def _end_hard() -> NoReturn:
    print(f"pepeunit: did not stop within {STOP_SECONDS_MAX} s, ended hard", file=sys.stderr)
    logging.shutdown()
    os._exit(REFUSED)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _explained(error: OSError) -> str:
    reason = error.strerror or str(error)
    advice = {
        errno.EADDRINUSE: "choose another port with --http-port or --mqtt-port",
        errno.EACCES: "ports below 1024 and foreign folders need more rights: choose others",
        errno.EADDRNOTAVAIL: "choose an address of this machine with --host",
        errno.ENOSPC: "the disk is full: make room, or choose another --data-dir",
        errno.EROFS: "the disk cannot be written: choose another --data-dir",
    }.get(error.errno or 0, "")
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{reason}" + (f": {advice}" if advice else "")


def _complain(code: int, *lines: str) -> int:
    for line in lines:
        print(f"pepeunit: {line}", file=sys.stderr)
    return code
