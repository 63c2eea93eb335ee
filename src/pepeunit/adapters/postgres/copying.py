"""Every row out to files and back in, at one moment and in one transaction.

``COPY`` rather than ``pg_dump``: it needs no program beside the driver, takes any server's
version, and what it wrote is loaded into a schema of the same revision, then migrated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from pepeunit.adapters.postgres.connections import autocommitting, connect, connected
from pepeunit.adapters.postgres.migrations import VERSION_TABLE
from pepeunit.adapters.postgres.refusals import DEPENDENCY, border
from pepeunit.adapters.postgres.tables import metadata
from pepeunit.domain.errors import Unavailable

COPY_SECONDS_MAX: Final = 3600.0
NUMBERS_LEFT_OUT: Final = 1_000_000
"""Numbers that were given after the rows were read, at most: rows of series that were copied
later, or stayed in a store of their own, bear them, and nothing new may be taken for those."""
_COLUMNS: Final = """
    SELECT a.attname AS name, pg_get_serial_sequence($1, a.attname) IS NOT NULL AS numbered
    FROM pg_attribute a
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attgenerated = ''
    ORDER BY a.attnum
"""


@frozen
class CopiedTable:
    """``columns`` as they were written; a table that points at another comes after it."""

    name: str
    columns: tuple[str, ...]
    rows: int


@frozen
class Snapshot:
    revision: str
    tables: tuple[CopiedTable, ...]


@asynccontextmanager
async def _driver(url: str) -> AsyncIterator[Any]:
    """The driver's own connection: SQLAlchemy has no words for COPY."""
    engine = connect(url, is_pooled=False)
    async with connected(autocommitting(engine)) as connection:
        with border():
            raw = await connection.get_raw_connection()
            yield raw.driver_connection


async def copy_out(url: str, folder: Path) -> Snapshot:
    """Write ``folder/<table>`` for every table, all as of one moment, beside running writers.

    Raises ``Unavailable`` when the database cannot be reached or was never migrated.
    """
    async with (
        _driver(url) as driver,
        driver.transaction(isolation="repeatable_read", readonly=True),
    ):
        if await driver.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
            raise Unavailable(DEPENDENCY, "it holds no installation: run pepeunit serve first")
        revision = await driver.fetchval(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
        tables = []
        for table in metadata.sorted_tables:
            columns = tuple(row["name"] for row in await driver.fetch(_COLUMNS, table.name))
            if not columns:
                raise Unavailable(
                    DEPENDENCY, f"its schema is at revision {revision}: run pepeunit migrate first"
                )
            told = await driver.copy_from_table(
                table.name,
                columns=columns,
                output=folder / table.name,
                timeout=COPY_SECONDS_MAX,
            )
            tables.append(CopiedTable(table.name, columns, int(told.rpartition(" ")[2])))
    return Snapshot(revision, tuple(tables))


async def copy_in(url: str, tables: Sequence[CopiedTable], folder: Path) -> None:
    """Load the files into empty tables of the revision they were written at, all or none.

    Raises ``Unavailable`` when a table is not empty, ``Invalid`` when a file does not fit.
    """
    async with _driver(url) as driver, driver.transaction():
        for table in tables:
            if await driver.fetchval(f"SELECT EXISTS (SELECT FROM {table.name})"):  # noqa: S608
                raise Unavailable(DEPENDENCY, "it holds rows already: restore into an empty one")
        for table in tables:
            await driver.copy_to_table(
                table.name,
                columns=table.columns,
                source=folder / table.name,
                timeout=COPY_SECONDS_MAX,
            )
            await _number_on(driver, table.name)


async def _number_on(driver: Any, table: str) -> None:
    """Columns the database numbers go on far behind the highest number that was loaded."""
    for row in await driver.fetch(_COLUMNS, table):
        if row["numbered"]:
            column = row["name"]
            await driver.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"  # noqa: S608
                f" coalesce(max({column}), 0) + $1) FROM {table}",
                NUMBERS_LEFT_OUT,
            )
