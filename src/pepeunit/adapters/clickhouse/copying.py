"""Whole tables out of ClickHouse into files, and back, for backups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pepeunit.adapters.clickhouse.connections import ClickHouse
from pepeunit.adapters.clickhouse.migrations import steps
from pepeunit.adapters.clickhouse.tables import TABLES, Table

CHUNK_BYTES: Final = 1 << 20
FORMAT: Final = "Native"


def latest_step() -> int:
    """The step of the schema this version writes."""
    return len(steps())


async def copy_series_out(store: ClickHouse, folder: Path) -> Mapping[str, int]:
    """Each table into a file of its name, as it was when its copy began; rows by table, counted
    just before. Others read and write meanwhile."""
    counts = {}
    for table in TABLES:
        count = await store.read(_counting(table))
        columns = ", ".join(name for name, _ in table.columns)
        statement = f"SELECT {columns} FROM {table.name} FINAL FORMAT {FORMAT}"
        await store.apart(_writing(statement, folder / table.name))
        counts[table.name] = count
    return counts


def _counting(table: Table) -> Callable[[Any], int]:
    return lambda client: int(client.command(f"SELECT count() FROM {table.name} FINAL"))


def _writing(statement: str, path: Path) -> Callable[[Any], None]:
    def work(client: Any) -> None:
        with path.open("wb") as file:
            stream = client.raw_stream(statement)
            while chunk := stream.read(CHUNK_BYTES):
                file.write(chunk)
            stream.close()

    return work


async def copy_series_in(
    store: ClickHouse, tables: Sequence[str], folder: Path
) -> Mapping[str, int]:
    """Add the rows of the files to the tables; a row that is there already is replaced by its
    equal. Rows by table, as they are then."""
    known = {table.name: table for table in TABLES}
    counts = {}
    for name in tables:
        await store.write(_reading(known[name], folder / name))
        counts[name] = await store.read(_counting(known[name]))
    return counts


def _reading(table: Table, path: Path) -> Callable[[Any], None]:
    def work(client: Any) -> None:
        if not path.stat().st_size:
            return
        with path.open("rb") as file:
            client.raw_insert(
                table.name,
                column_names=[name for name, _ in table.columns],
                insert_block=file,
                fmt=FORMAT,
                # equal blocks are equal rows here, and rows replace their equals
                settings={"insert_deduplicate": 0},
            )

    return work
