"""Bringing a database to the tables this version needs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from pepeunit.adapters.postgres.connections import advisory_key, connect, connected
from pepeunit.adapters.postgres.refusals import DEPENDENCY, border
from pepeunit.domain.errors import Unavailable

VERSION_TABLE: Final = "schema_version"
CONNECTION: Final = "connection"
"""Where the environment script finds the connection among the configuration's attributes."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def _upgrade(connection: Connection, revision: str | None) -> list[str]:
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in scripts.walk_revisions()][::-1]
    target = known[-1] if revision is None else revision
    before = _revision(connection)
    if before is not None and before not in known:
        raise Unavailable(
            DEPENDENCY,
            f"its schema is at revision {before}, which this version of pepeunit does not know:"
            " run the version that wrote it or a newer one",
        )
    config.attributes[CONNECTION] = connection
    command.upgrade(config, target)
    applied = known[: known.index(target) + 1]
    return applied if before is None else applied[applied.index(before) + 1 :]


def is_known(revision: str) -> bool:
    """Whether this version has the revision among its own."""
    scripts = ScriptDirectory.from_config(_config())
    return revision in {script.revision for script in scripts.walk_revisions()}


async def migrate(url: str, revision: str | None = None) -> list[str]:
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
