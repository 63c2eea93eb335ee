"""Running statements: those of a transaction on its connection, prepared ones outside of any on
whichever connection is free."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import define
from sqlalchemy import CursorResult, Delete, Executable, Table, Update, func, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pepeunit.adapters.postgres.prepared import Prepared, Values
from pepeunit.adapters.postgres.readers import Readers
from pepeunit.adapters.postgres.recent import Recent
from pepeunit.adapters.postgres.refusals import border
from pepeunit.adapters.postgres.tables import users

Parameters = Values | Sequence[Values]
Open = Callable[[], Awaitable[AsyncConnection]]


@define(eq=False)
class Statements:
    """A connection as the collections use it; ``is_writable`` inside a transaction alone.

    ``open`` gives the connection, ``readers`` run what is prepared outside a transaction,
    where there are any.
    """

    open: Open
    is_writable: bool
    readers: Readers | None
    recent: Recent | None = None
    changes_lists: bool = False
    changes_users: bool = False
    is_broken: bool = False
    """A statement failed: PostgreSQL would turn a commit into a roll back without a word."""

    async def _run(
        self, statement: Executable, parameters: Parameters | None, *, deleting: bool = False
    ) -> CursorResult[Any]:
        if self.is_broken:
            raise RuntimeError("the transaction met a conflict and can only roll back")
        try:
            with border(deleting=deleting):
                return await (await self.open()).execute(statement, parameters)
        except BaseException:  # a cancelled statement breaks the transaction too
            self.is_broken = self.is_writable
            raise

    async def read(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        return await self._run(statement, parameters)

    async def rows(self, prepared: Prepared, values: Values) -> list[Any]:
        """What a prepared statement finds, as named tuples."""
        if self.is_writable or self.readers is None:
            return prepared.rows(await self._run(prepared.statement, values))
        arguments = prepared.arguments(values)
        return prepared.rows(await self.readers.fetch(prepared.text, arguments))

    def _require_writable(self) -> None:
        if not self.is_writable:
            raise RuntimeError("writing and locking need a transaction: use begin()")

    async def write(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        self._require_writable()
        # an UPDATE touches states and presence alone: what puts a row inserts or replaces it
        self.changes_lists |= isinstance(statement, Insert | Delete)
        self._note_users(statement)
        return await self._run(statement, parameters)

    def _note_users(self, statement: Executable) -> None:
        if isinstance(statement, Insert | Update | Delete):
            self.changes_users |= statement.table is users

    async def delete(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        """Like :meth:`write`; a broken foreign key means that the row is still used."""
        self._require_writable()
        self.changes_lists = True
        self._note_users(statement)
        return await self._run(statement, parameters, deleting=True)

    async def get(self, prepared: Prepared, uuid: object, *, for_update: bool) -> Any:
        """The row that it finds for ``:uuid``, or None."""
        if for_update:
            self._require_writable()
            locking = prepared.statement.with_for_update()
            return (await self._run(locking, {"uuid": uuid})).one_or_none()
        return next(iter(await self.rows(prepared, {"uuid": uuid})), None)

    def forget(self) -> None:
        """Whatever became of the transaction: what it may have changed is asked anew."""
        if self.recent is None:
            return
        if self.changes_lists:
            self.recent.counts.forget()
        if self.changes_users:
            self.recent.users.forget()

    async def count(self, table: Table) -> int:
        return int((await self.read(select(func.count()).select_from(table))).scalar_one())


def upsert(table: Table, *keys: str) -> Insert:
    """Insert or replace by the key columns; columns that the database fills are left alone."""
    statement = insert(table)
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and column.server_default is None
    }
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)
