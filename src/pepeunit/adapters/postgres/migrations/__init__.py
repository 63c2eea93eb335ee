"""Bringing a database to the tables this version needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, column, func, select, table

from pepeunit.adapters.postgres.connections import advisory_key, connect, connected
from pepeunit.adapters.postgres.refusals import DEPENDENCY, border
from pepeunit.domain.errors import Unavailable

VERSION_TABLE: Final = "schema_version"
CONNECTION: Final = "connection"
"""Where the environment script finds the connection among the configuration's attributes."""
SCRIPTS: Final = Path(__file__).parent


def revisions() -> Sequence[str]:
    """All that this version knows, oldest first: a file's name begins with its revision."""
    return sorted(file.name.partition("_")[0] for file in SCRIPTS.glob("versions/r*.py"))


def _revision(connection: Connection) -> str | None:
    if connection.scalar(select(func.to_regclass(VERSION_TABLE))) is None:
        return None
    return connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))


def _upgrade(connection: Connection, revision: str | None) -> Sequence[str]:
    known = revisions()
    target = known[-1] if revision is None else revision
    before = _revision(connection)
    if before is not None and before not in known:
        raise Unavailable(
            DEPENDENCY,
            f"its schema is at revision {before}, which this version of pepeunit does not know:"
            " run the version that wrote it or a newer one",
        )
    begin = 0 if before is None else known.index(before) + 1
    missing = known[begin : known.index(target) + 1]
    if missing:
        _run(connection, target)
    return missing


def _run(connection: Connection, target: str) -> None:
    # a start that has nothing to migrate does without what takes a tenth of it to import
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes[CONNECTION] = connection
    command.upgrade(config, target)


def is_known(revision: str) -> bool:
    """Whether this version has the revision among its own."""
    return revision in revisions()


async def migrate(url: str, revision: str | None = None) -> Sequence[str]:
    """Run every revision that is missing, up to a known ``revision`` or to the newest.

    All or none; the revisions that ran, oldest first.

    Processes that start together wait for each other. Raises ``Unavailable`` when the database
    cannot be reached or was written by a newer version of this package.
    """
    engine = connect(url, is_pooled=False)
    async with connected(engine) as connection:
        with border():
            lock = func.pg_advisory_xact_lock(advisory_key("lock", "migrate"))
            await connection.execute(select(lock))
            applied = await connection.run_sync(_upgrade, revision)
            await connection.commit()
    return applied


async def current_revision(url: str) -> str | None:
    """The revision the database is at, None for an empty one. Raises ``Unavailable``."""
    async with connected(connect(url, is_pooled=False)) as connection:
        with border():
            return await connection.run_sync(_revision)
