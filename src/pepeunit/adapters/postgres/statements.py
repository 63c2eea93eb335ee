"""Running statements on one connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field
from sqlalchemy import CursorResult, Delete, Executable, Select, Table, func, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pepeunit.adapters.postgres.counts import Counts
from pepeunit.adapters.postgres.refusals import border

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@define(eq=False)
class Statements:
    """A connection as the collections use it; ``is_writable`` inside a transaction alone."""

    connection: AsyncConnection
    is_writable: bool
    counts: Counts = field(factory=Counts)
    changes_lists: bool = False
    is_broken: bool = False
    """A statement failed: PostgreSQL would turn a commit into a roll back without a word."""

    async def _run(
        self, statement: Executable, parameters: Parameters | None, *, deleting: bool = False
    ) -> CursorResult[Any]:
        if self.is_broken:
            raise RuntimeError("the transaction met a conflict and can only roll back")
        try:
            with border(deleting=deleting):
                return await self.connection.execute(statement, parameters)
        except BaseException:  # a cancelled statement breaks the transaction too
            self.is_broken = self.is_writable
            raise

    async def read(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        return await self._run(statement, parameters)

    def _require_writable(self) -> None:
        if not self.is_writable:
            raise RuntimeError("writing and locking need a transaction: use begin()")

    async def write(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        self._require_writable()
        # an UPDATE touches states and presence alone: what puts a row inserts or replaces it
        self.changes_lists |= isinstance(statement, Insert | Delete)
        return await self._run(statement, parameters)

    async def delete(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        """Like :meth:`write`; a broken foreign key means that the row is still used."""
        self._require_writable()
        self.changes_lists = True
        return await self._run(statement, parameters, deleting=True)

    async def get(self, statement: Select[Any], uuid: object, *, for_update: bool) -> Any:
        """The row that ``statement`` finds for ``:uuid``, or None."""
        if for_update:
            self._require_writable()
            statement = statement.with_for_update()
        return (await self.read(statement, {"uuid": uuid})).one_or_none()

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
