"""``pepeunit pipe``: check a config, and try it on recorded data, before a device meets it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from pepeunit.codecs.pipe import read_pipe_document
from pepeunit.codecs.pipe_stream import dump_replayed, read_streams
from pepeunit.domain.errors import Invalid
from pepeunit.domain.pipes.replay import replay
from pepeunit.domain.pipes.validation import violations
from pepeunit.entrypoints.cli.operations import Add
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


async def _check(_: Platform, arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    try:
        document = read_pipe_document(file.read_bytes())
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
    for entry in read_streams(arguments.file.read_bytes()):
        print(dump_replayed(entry, replay(entry.stream)))
    return VALID
