"""The operator's commands: doctor, backup, restore, import-reference (issue 3 parts 6 and 7)."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.entrypoints.cli.platform import Platform, ReferenceSecrets, Verdict

PORT_MAX: Final = 65535
SECRET_NAMES: Final = ("PU_SECRET_KEY", "PU_ENCRYPT_KEY", "PU_STATIC_SALT")
FINDING_EXIT: Final = {Verdict.OK: 0, Verdict.WARN: 0, Verdict.FAIL: 1}

Command = Callable[[Platform, argparse.Namespace], Awaitable[int]]


class Add(Protocol):
    def __call__(self, name: str, obey: Command, text: str) -> argparse.ArgumentParser: ...


def add_operations(add: Add) -> None:
    add("doctor", _doctor, "look for what stands in the way, and say what to do about it")
    keep = add("backup", _backup, "write everything to one file, also while the platform runs")
    keep.add_argument("file", type=Path, metavar="FILE")
    keep.add_argument("--with-keys", action="store_true", help="put the keys in as well")
    keep.add_argument("--with-mirrors", action="store_true", help="put the git mirrors in as well")
    back = add("restore", _restore, "fill an empty data directory from a backup")
    back.add_argument("file", type=Path, metavar="FILE")
    back.add_argument(
        "--keys", type=Path, metavar="FILE", help="the keys.json, when the backup has none"
    )
    move = add(
        "import-reference",
        _import_reference,
        "take over a running installation of the reference platform; its keys come from "
        + ", ".join(SECRET_NAMES),
    )
    move.add_argument(
        "--database-url",
        metavar="URL",
        help="its PostgreSQL; better as REFERENCE_DATABASE_URL, which no other user sees",
    )
    move.add_argument(
        "--secrets",
        type=Path,
        metavar="FILE",
        help="its .env file, for the keys and PU_DOMAIN; the environment wins",
    )
    move.add_argument("--domain", metavar="HOST", help="its PU_DOMAIN, the first level of topics")
    move.add_argument("--dry-run", action="store_true", help="tell, and change nothing")


def chosen_data_dir(arguments: argparse.Namespace, name: str = "pepeunit") -> Path:
    chosen: Path | None = arguments.data_dir
    if chosen is not None:
        return chosen.expanduser().absolute()
    if name == "pepeunit" and (folder := os.environ.get("PU_DATA_DIR")):
        return Path(folder).expanduser().absolute()
    shared = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(shared).expanduser().absolute() / name


def port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 1..{PORT_MAX}")
    return int(text)


async def _doctor(platform: Platform, arguments: argparse.Namespace) -> int:
    code = 0
    async for finding in platform.operations.examine(chosen_data_dir(arguments)):
        print(f"{finding.verdict.value:<5} {finding.name}: {finding.text}")
        code = max(code, FINDING_EXIT[finding.verdict])
    return code


async def _backup(platform: Platform, arguments: argparse.Namespace) -> int:
    return _told(
        await platform.operations.backup(
            chosen_data_dir(arguments),
            arguments.file,
            with_keys=arguments.with_keys,
            with_mirrors=arguments.with_mirrors,
        )
    )


async def _restore(platform: Platform, arguments: argparse.Namespace) -> int:
    data_dir = chosen_data_dir(arguments)
    return _told(await platform.operations.restore(data_dir, arguments.file, arguments.keys))


async def _import_reference(platform: Platform, arguments: argparse.Namespace) -> int:
    given = {**_texts(arguments.secrets), **{k: v for k, v in os.environ.items() if v.strip()}}
    url = arguments.database_url or given.get("REFERENCE_DATABASE_URL", "")
    missing = [(name, "is needed: the reference installation has it") for name in SECRET_NAMES]
    missing = [(name, text) for name, text in missing if not given.get(name)]
    if not url:
        missing.append(("--database-url", "is needed, or REFERENCE_DATABASE_URL"))
    if missing:
        raise Invalid(missing, Topic.PLATFORM)
    secret_key, encrypt_key, static_salt = (given[name] for name in SECRET_NAMES)
    secrets = ReferenceSecrets(
        secret_key, encrypt_key, static_salt, arguments.domain or given.get("PU_DOMAIN")
    )
    return _told(
        await platform.operations.import_reference(
            chosen_data_dir(arguments), url, secrets, is_dry_run=arguments.dry_run
        )
    )


def _texts(path: Path | None) -> Mapping[str, str]:
    """The names and texts of a ``.env`` file, or of a JSON object such as ``keys.json``."""
    if path is None:
        return {}
    content = path.read_text()
    if content.lstrip().startswith("{"):
        return {str(name): str(value) for name, value in json.loads(content).items()}
    lines = (line.strip().removeprefix("export ") for line in content.splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}


def _told(lines: Sequence[str]) -> int:
    for line in lines:
        print(line)
    return 0
