"""``pepeunit pipe``: check a config, and try it on recorded data, before a device meets it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final
from uuid import UUID

from pepeunit.codecs.pipe import read_pipe_document
from pepeunit.codecs.pipe_stream import dump_replayed, read_streams
from pepeunit.domain.errors import Invalid, Topic, Unavailable
from pepeunit.domain.pipes.moments import from_ms
from pepeunit.domain.pipes.replay import replay
from pepeunit.domain.pipes.validation import violations
from pepeunit.entrypoints.cli.control import RemoteAccounts, backtest_running
from pepeunit.entrypoints.cli.operations import Add, chosen_data_dir
from pepeunit.entrypoints.cli.platform import Platform

VALID: Final = 0
BROKEN: Final = 1


def add_pipes(add: Add) -> None:
    check = add("check", _check, "tell what keeps a YAML file from being the config of a pipe")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument(
        "--all",
        action="store_true",
        help="tell every rule that is broken, not only what the platform tells",
    )
    again = add("replay", _replay, "run recorded streams through their pipes: a line of JSON each")
    again.add_argument("file", type=Path, metavar="FILE.yaml")

    back = add("backtest", _backtest, "tell what a config would keep of a node's stored rows")
    back.add_argument("--node", type=UUID, required=True, metavar="UUID")
    back.add_argument("file", type=Path, metavar="FILE")


async def _check(_: Platform, arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    content = _given(file)
    try:
        document = read_pipe_document(content)
        found = violations(document.root, every=arguments.all)
    except Invalid as refusal:
        print(f"{file}: {refusal.message}")
        return BROKEN
    for violation in found:
        line = document.line(violation.path)
        print(f"{file}:{line}: {violation.stage.value} {violation.path}: {violation.message}")
    if not found:
        print(f"{file}: a valid pipe")
    return BROKEN if found else VALID


async def _replay(_: Platform, arguments: argparse.Namespace) -> int:
    content = _given(arguments.file)
    try:
        entries = read_streams(content)
    except Invalid as refusal:
        raise _about(arguments.file, refusal) from None
    for entry in entries:
        print(dump_replayed(entry, replay(entry.stream)))
    return VALID


async def _backtest(_: Platform, arguments: argparse.Namespace) -> int:
    """Asks the running platform, which alone can read the rows; changes nothing."""
    data_dir = chosen_data_dir(arguments)
    if not RemoteAccounts(data_dir).is_there():
        raise Unavailable("the platform", f"does not run in {data_dir}: start it with serve")
    try:
        config = _given(arguments.file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{arguments.file} is not UTF-8", Topic.PIPE) from None
    try:
        told = await backtest_running(data_dir, arguments.node, config)
    except Invalid as refusal:
        raise _about(arguments.file, refusal) from None
    print(f"{told['read']} rows of {told['source']}{_between(told['first_ms'], told['last_ms'])}")
    if not told["is_exact"]:
        print("  their values are not what the device sent: the pipe changed them")
    print(f"  accepted {told['accepted']}")
    for reason, count in told["dropped"].items():
        if count:
            print(f"  dropped  {count} {reason}")
    print(f"{told['rows']} rows of {told['policy']} would be there now")
    return VALID


def _given(file: Path) -> bytes:
    """Raises ``Invalid`` when the user named what cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Invalid([(str(file), error.strerror or str(error))], Topic.PIPE) from None


def _about(file: Path, refusal: Invalid) -> Invalid:
    told = [(f"{file}: {path}" if path else str(file), text) for path, text in refusal.violations]
    return Invalid(told, Topic.PIPE)


def _between(first_ms: int | None, last_ms: int | None) -> str:
    if first_ms is None or last_ms is None:
        return ""
    first, last = (from_ms(ms).isoformat(" ", "seconds")[:19] for ms in (first_ms, last_ms))
    return f" from {first} to {last} UTC"
