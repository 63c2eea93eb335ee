"""Who runs the pipes: one row."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from attrs import frozen
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.connections import autocommitting, connected
from pepeunit.adapters.postgres.refusals import border
from pepeunit.adapters.postgres.tables import PIPELINE_SEAT_KEY, SEAT, pipeline_seat

_SIT: Final = (
    insert(pipeline_seat)
    .values(number=SEAT, journal=bindparam("journal"))
    .on_conflict_do_nothing(constraint=PIPELINE_SEAT_KEY)
)
_SITTER: Final = select(pipeline_seat.c.journal)
_APPLIED: Final = select(pipeline_seat.c.applied_version)
_NOTE: Final = update(pipeline_seat).values(
    applied_version=func.greatest(pipeline_seat.c.applied_version, bindparam("version"))
)


@frozen
class PostgresPipelineSeat:
    """Implements :class:`~pepeunit.ports.pipeline_seat.PipelineSeat`."""

    engine: AsyncEngine

    async def take(self, journal: UUID) -> bool:
        async with connected(autocommitting(self.engine)) as connection:
            with border():
                await connection.execute(_SIT, {"journal": journal})
                sitter: UUID = (await connection.execute(_SITTER)).scalar_one()
        return sitter == journal

    async def applied(self) -> int:
        async with connected(autocommitting(self.engine)) as connection:
            with border():
                version: int | None = (await connection.execute(_APPLIED)).scalar_one_or_none()
        return version or 0

    async def note(self, version: int) -> None:
        async with connected(autocommitting(self.engine)) as connection:
            with border():
                await connection.execute(_NOTE, {"version": version})
