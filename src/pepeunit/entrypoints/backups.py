"""``pepeunit backup`` and ``restore``: one file, taken while the platform runs (issue 3 part 7).

The journal is copied before the rows are read: what was acknowledged until then is in one or in
both, and storing it twice changes nothing. Mirrors can be fetched again, so they are optional.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pepeunit import __version__
from pepeunit.adapters.clickhouse.copying import copy_series_in, copy_series_out, latest_step
from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.adapters.embedded.bundle import BundleWriter, new_bundle, unpack_bundle
from pepeunit.adapters.embedded.checkpoint import copy_checkpoint
from pepeunit.adapters.embedded.installation import Installation
from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.postgres.copying import CopiedTable, Snapshot, copy_in, copy_out
from pepeunit.adapters.postgres.migrations import is_known, migrate
from pepeunit.domain.errors import Invalid, Refused, Topic, Unavailable
from pepeunit.entrypoints.cli.control import RemoteAccounts, copy_running_series
from pepeunit.entrypoints.parts import database_url, load_settings, series_store
from pepeunit.entrypoints.settings import REQUIRED, Settings

KEYS: Final = "keys.json"
FACTS: Final = "instance.json"
TABLES: Final = "tables"
SERIES: Final = "series"
JOURNAL: Final = "journal"
CHECKPOINT: Final = "checkpoint.sqlite"
MIRRORS: Final = "mirrors"
LOCK: Final = "lock"
CHECK_TEXT: Final = "pepeunit"
CHECK_ENTITY: Final = UUID(int=0)
"""What is sealed into a backup, so that a restore knows the right key when it sees it."""
PASSING: Final = ("*.lock", "tmp_*", ".tmp-*", "*.incoming-*", "*.removing-*")


async def backup(
    data_dir: Path, file: Path, *, with_keys: bool, with_mirrors: bool
) -> Sequence[str]:
    """Write ``file`` and tell what is in it, a line each. The platform may run meanwhile."""
    async with opened_or_running(data_dir) as (installation, settings, url):
        with new_bundle(file) as bundle:
            await asyncio.to_thread(_add_folder, bundle, JOURNAL, installation.journal)
            with tempfile.TemporaryDirectory(dir=file.absolute().parent) as folder:
                copy = Path(folder) / CHECKPOINT
                if await asyncio.to_thread(copy_checkpoint, installation.checkpoint, copy):
                    bundle.add(CHECKPOINT, copy)
            with tempfile.TemporaryDirectory(dir=file.absolute().parent) as folder:
                snapshot = await copy_out(url, Path(folder))
                await asyncio.to_thread(_add_folder, bundle, TABLES, Path(folder))
            with tempfile.TemporaryDirectory(dir=file.absolute().parent) as folder:
                series = await _copy_series(settings, installation, Path(folder))
                await asyncio.to_thread(_add_folder, bundle, SERIES, Path(folder))
            bundle.add(FACTS, installation.path / FACTS)
            if with_keys:
                bundle.add(KEYS, installation.path / KEYS)
            if with_mirrors:
                mirrors = Path(settings.site.save_repo_path or installation.mirrors)
                await asyncio.to_thread(_add_folder, bundle, MIRRORS, mirrors)
            bundle.finish({**_facts(snapshot, settings), "series": _series_facts(series)})
    return [
        *(f"{table.rows:>8} {table.name}" for table in snapshot.tables if table.rows),
        *(f"{rows:>8} {name}" for name, rows in series.items() if rows),
        f"schema {snapshot.revision}, {file.stat().st_size:,} bytes in {file}",
        "the keys are in it: keep it as safe as the data directory"
        if with_keys
        else f"the keys are not in it: keep {installation.path / KEYS} too, in another place",
    ]


def _facts(snapshot: Snapshot, settings: Settings) -> Mapping[str, Any]:
    return {
        "version": __version__,
        "revision": snapshot.revision,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "key_check": AesGcmCipher(settings.keys.cipher_keys).seal(CHECK_TEXT, CHECK_ENTITY),
        "tables": [
            {"name": table.name, "columns": table.columns, "rows": table.rows}
            for table in snapshot.tables
        ],
    }


def _series_facts(rows: Mapping[str, int]) -> Mapping[str, Any]:
    return {"step": latest_step(), "rows": rows}


async def _copy_series(
    settings: Settings, installation: Installation, folder: Path
) -> Mapping[str, int]:
    """The embedded engine belongs to one process: while the platform runs, it makes the copy."""
    is_running = RemoteAccounts(installation.path).is_there()
    if settings.site.clickhouse_url is None and is_running:
        return await copy_running_series(installation.path, folder)
    async with series_store(settings, installation) as store:
        return await copy_series_out(store, folder)


@asynccontextmanager
async def opened_or_running(data_dir: Path) -> AsyncIterator[tuple[Installation, Settings, str]]:
    """The installation with its database: the running one, or started for the while.

    Raises ``Unavailable`` when there is no installation.
    """
    installation = Installation.look(data_dir)
    try:
        installation = Installation.open(data_dir)
    except Unavailable:
        settings, _, _ = load_settings(installation, os.environ)
        server = EmbeddedPostgres(
            installation.postgres, installation.keys["postgres_password"], installation.postgres_log
        )
        try:
            yield installation, settings, settings.site.database_url or server.url
        finally:
            await server.stop()  # it was not started here: this lets its descriptor go
        return
    try:
        settings, _, _ = load_settings(installation, os.environ)
        async with database_url(settings, installation) as url:
            yield installation, settings, url
    finally:
        installation.close()


def _add_folder(bundle: BundleWriter, prefix: str, folder: Path) -> None:
    """Every file below, references of mirrors before the objects they name."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in sorted(found, key=lambda path: ("objects" in path.parts, path)):
        inside = path.relative_to(folder)
        if not any(Path(part).match(pattern) for part in inside.parts for pattern in PASSING):
            bundle.add(f"{prefix}/{inside.as_posix()}", path)


async def restore(data_dir: Path, file: Path, keys: Path | None) -> Sequence[str]:
    """Fill an empty data directory from ``file``; a failure leaves the directory as it was.

    ``keys`` is the ``keys.json`` of the installation, when the backup has none. An external
    database (``PU_DATABASE_URL``) must be empty. Raises ``Invalid`` for a damaged file, a newer
    schema and wrong keys.
    """
    was_there = data_dir.exists()
    if was_there and any(data_dir.iterdir()):
        raise Unavailable("data directory", f"{data_dir} is not empty: choose another --data-dir")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".restoring-", dir=data_dir))
    try:
        manifest = await asyncio.to_thread(unpack_bundle, file, work / "bundle")
        if not is_known(manifest["revision"]) or manifest["series"]["step"] > latest_step():
            raise Invalid(
                [
                    (
                        str(file),
                        f"was written by version {manifest['version']} at schema "
                        f"{manifest['revision']}, which version {__version__} does not know: "
                        "restore it with that version or a newer one",
                    )
                ],
                Topic.PLATFORM,
            )
        await _rebuild(work, manifest, keys)
        _move_up(work / "new", data_dir)
        shutil.rmtree(work)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if not was_there:
            data_dir.rmdir()
        raise
    rows = sum(table["rows"] for table in manifest["tables"])
    rows += sum(manifest["series"]["rows"].values())
    return [f"restored {rows} rows of {manifest['made']} into {data_dir}"]


async def _rebuild(work: Path, manifest: Mapping[str, Any], keys: Path | None) -> None:
    """The new data directory in ``work/new``, complete and closed."""
    new, bundle = work / "new", work / "bundle"
    new.mkdir(mode=0o700)
    for name in (JOURNAL, CHECKPOINT, MIRRORS, FACTS, KEYS):
        if (bundle / name).exists():
            (bundle / name).rename(new / name)
    if keys is not None:
        shutil.copyfile(keys, new / KEYS)
        (new / KEYS).chmod(0o600)
    elif not (new / KEYS).exists() and not all(os.environ.get(name) for name in REQUIRED):
        raise Invalid(
            [
                (
                    "--keys",
                    f"the backup has no keys: give its keys.json, or set {', '.join(REQUIRED)}",
                )
            ],
            Topic.PLATFORM,
        )
    installation = Installation.open(new)
    try:
        settings, _, _ = load_settings(installation, os.environ)
        _check_key(settings, manifest["key_check"])
        tables = [
            CopiedTable(table["name"], tuple(table["columns"]), table["rows"])
            for table in manifest["tables"]
        ]
        async with database_url(settings, installation) as url:
            await migrate(url, manifest["revision"])
            await copy_in(url, tables, bundle / TABLES)
            await migrate(url)
        async with series_store(settings, installation) as store:
            await copy_series_in(store, [*manifest["series"]["rows"]], bundle / SERIES)
    finally:
        installation.close()
    (new / LOCK).unlink()


def _check_key(settings: Settings, sealed: str) -> None:
    try:
        AesGcmCipher(settings.keys.cipher_keys).open(sealed, CHECK_ENTITY)
    except Refused:
        raise Invalid(
            [("--keys", "these keys cannot read the backup: they belong to another installation")],
            Topic.PLATFORM,
        ) from None


def _move_up(new: Path, data_dir: Path) -> None:
    """Everything or nothing; the keys come last, nothing starts on rows without them."""
    moved: list[Path] = []
    try:
        for path in sorted(new.iterdir(), key=lambda path: path.name == KEYS):
            path.rename(data_dir / path.name)
            moved.append(path)
    except OSError:
        for path in moved:
            (data_dir / path.name).rename(path)
        raise
