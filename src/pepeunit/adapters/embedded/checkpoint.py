"""The checkpoint in one SQLite file, written by a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar
from uuid import UUID

from attrs import define, field

from pepeunit.domain.errors import Unavailable
from pepeunit.ports.checkpoint import Commit, Quarantined, Saved, SpoolEntry

DEPENDENCY: Final = "checkpoint"
QUARANTINED_MAX: Final = 10_000
FORM: Final = 2
"""Of the file; another one is refused."""

_TABLES: Final = """
CREATE TABLE position (
    id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, journal BLOB
);
CREATE TABLE settings (
    node BLOB PRIMARY KEY, config TEXT, generation INTEGER NOT NULL, seq INTEGER NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE memories (node BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE spool (
    number INTEGER PRIMARY KEY, lane TEXT NOT NULL, row_count INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL, row BLOB NOT NULL
);
"""

T = TypeVar("T")


@define
class SqliteCheckpoint:
    """Implements :class:`~pepeunit.ports.checkpoint.Checkpoint`; get one from :meth:`open`.

    One process at a time: the data directory's lock sees to that.
    """

    _path: Path
    _connection: sqlite3.Connection
    _thread: ThreadPoolExecutor
    _quarantined_max: int = QUARANTINED_MAX
    _closed: bool = field(init=False, default=False)

    @classmethod
    async def open(cls, path: Path, *, quarantined_max: int = QUARANTINED_MAX) -> Self:
        """The checkpoint at ``path``, made when missing. Raises ``Unavailable``."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        loop = asyncio.get_running_loop()
        try:
            connection = await loop.run_in_executor(thread, _connected, path)
        except (sqlite3.Error, OSError) as error:
            thread.shutdown()
            raise Unavailable(DEPENDENCY, f"{path}: {error}") from error
        except Unavailable:
            thread.shutdown()
            raise
        return cls(path, connection, thread, quarantined_max)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise Unavailable(DEPENDENCY, "closed")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, work, self._connection)
        except sqlite3.Error as error:
            raise Unavailable(DEPENDENCY, f"{self._path}: {error}") from error

    async def load(self) -> Saved:
        return await self._run(_load)

    async def commit(self, change: Commit) -> None:
        await self._run(lambda connection: _commit(connection, change))

    async def body(self, number: int) -> bytes:
        def find(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT body FROM spool WHERE number = ?"
            row = connection.execute(query, (number,)).fetchone()
            return row and bytes(row[0])

        found = await self._run(find)
        if found is None:
            raise KeyError(number)
        return found

    async def drop(self, numbers: Collection[int]) -> None:
        rows = [(number,) for number in numbers]

        def delete(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("DELETE FROM spool WHERE number = ?", rows)

        await self._run(delete)

    async def quarantine(self, rows: Sequence[Quarantined]) -> None:
        values = [(row.lane, row.at_ms, row.reason, row.row) for row in rows]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(
                    "INSERT INTO quarantine (lane, at_ms, reason, row) VALUES (?, ?, ?, ?)", values
                )
                connection.execute(
                    "DELETE FROM quarantine WHERE number <= "
                    "(SELECT max(number) FROM quarantine) - ?",
                    (self._quarantined_max,),
                )

        await self._run(insert)

    async def quarantined(self) -> Sequence[Quarantined]:
        query = "SELECT lane, at_ms, reason, row FROM quarantine ORDER BY number DESC"
        rows = await self._run(lambda connection: connection.execute(query).fetchall())
        return [Quarantined(lane, at_ms, reason, bytes(row)) for lane, at_ms, reason, row in rows]

    async def close(self) -> None:
        """Wait for what is under way and let the file go."""
        if self._closed:
            return
        await self._run(sqlite3.Connection.close)
        self._closed = True
        self._thread.shutdown()


def copy_checkpoint(path: Path, copy: Path) -> bool:
    """A consistent copy, also while the platform writes; False when there is nothing to copy.

    It belongs to no journal: who begins with it asks the stores how far they have got.
    """
    if not path.exists():
        return False
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    try:
        source.backup(target)
        if target.execute("PRAGMA user_version").fetchone()[0] == FORM:
            # the stores go on meanwhile, and so does the journal
            with target:
                target.execute("UPDATE position SET journal = NULL")
    finally:
        source.close()
        target.close()
    return True


def _connected(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # the journal is released behind a commit: it must be on disk by then
        connection.execute("PRAGMA synchronous = FULL")
        form = connection.execute("PRAGMA user_version").fetchone()[0]
        if form == 0:
            connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {FORM}; COMMIT;")
        elif form == 1:
            steps = f"ALTER TABLE position ADD COLUMN journal BLOB; PRAGMA user_version = {FORM};"
            connection.executescript(f"BEGIN; {steps} COMMIT;")
        elif form != FORM:
            raise Unavailable(DEPENDENCY, f"{path} is of another version")
    except BaseException:
        connection.close()
        raise
    return connection


def _load(connection: sqlite3.Connection) -> Saved:
    found = connection.execute("SELECT position, journal FROM position").fetchone()
    position, journal = found or (0, None)
    settings = connection.execute("SELECT node, config, generation, seq, version FROM settings")
    memories = connection.execute("SELECT node, body FROM memories")
    spool = connection.execute(
        "SELECT number, lane, row_count, length(body) FROM spool ORDER BY number"
    )
    return Saved(
        position,
        [(UUID(bytes=node), *rest) for node, *rest in settings],
        {UUID(bytes=node): bytes(body) for node, body in memories},
        [SpoolEntry(*row) for row in spool],
        UUID(bytes=journal) if journal else None,
    )


def _commit(connection: sqlite3.Connection, change: Commit) -> None:
    # one row after the other: tens of thousands of nodes are not copied into lists first
    with connection:
        journal = change.journal and change.journal.bytes
        connection.execute(
            "INSERT OR REPLACE INTO position VALUES (1, ?, ?)", (change.position, journal)
        )
        for table in ("settings", "memories"):
            connection.executemany(
                f"DELETE FROM {table} WHERE node = ?",  # noqa: S608  two known names
                ((node.bytes,) for node in change.gone),
            )
        connection.executemany(
            "INSERT OR REPLACE INTO settings VALUES (?, ?, ?, ?, ?)",
            ((node.bytes, *rest) for node, *rest in change.settings),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO memories VALUES (?, ?)",
            ((node.bytes, body) for node, body in change.memories.items()),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO spool VALUES (?, ?, ?, ?)",
            ((entry.number, entry.lane, entry.row_count, body) for entry, body in change.spooled),
        )
