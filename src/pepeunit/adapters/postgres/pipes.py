"""The pipes of nodes in PostgreSQL; versions are numbered by triggers of the schema."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from typing import Any, Final
from uuid import UUID

from attrs import frozen
from sqlalchemy import bindparam, func, or_, select, update

from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.selecting import one_of
from pepeunit.adapters.postgres.statements import Statements
from pepeunit.adapters.postgres.tables import SERIES_GENERATIONS, nodes
from pepeunit.codecs.stored_pipe import record_limit
from pepeunit.codecs.text import require_storable
from pepeunit.domain.errors import NotFound, Topic
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.topic import PIPE_SUFFIX
from pepeunit.domain.nodes.node import PipeStatus
from pepeunit.domain.pipes.series import Series, Trim, trimmed
from pepeunit.ports.pipes import PipeSetting

_SETTINGS: Final = select(
    nodes.c.uuid,
    nodes.c.data_pipe_yml,
    nodes.c.is_data_pipe_active,
    nodes.c.series_generation,
    nodes.c.series_seq,
    nodes.c.pipe_version,
)
_CHANGED: Final = _SETTINGS.where(nodes.c.pipe_version > bindparam("after")).order_by(
    nodes.c.pipe_version
)
_SETTING: Final = Prepared.of(_SETTINGS.where(nodes.c.uuid == bindparam("uuid")))
_COUNT: Final = select(func.count()).where(nodes.c.pipe_version <= bindparam("version"))
_LIVING: Final = select(nodes.c.uuid, nodes.c.series_generation).where(
    nodes.c.topic_name.endswith(PIPE_SUFFIX, autoescape=True)
)
_SERIES: Final = Prepared.of(
    select(
        nodes.c.uuid, nodes.c.data_pipe_yml, nodes.c.series_generation, nodes.c.series_trims
    ).where(nodes.c.uuid == bindparam("uuid"))
)
_ONE: Final = nodes.c.uuid == bindparam("node")
_RENEW: Final = (
    update(nodes)
    .where(_ONE)
    .values(series_generation=bindparam("generation"), series_seq=bindparam("seq"), series_trims=[])
)
_TRIM: Final = update(nodes).where(_ONE).values(series_trims=bindparam("trims"))
_RESERVE: Final = select(func.nextval(SERIES_GENERATIONS.name))


def to_setting(row: Any) -> PipeSetting:
    return PipeSetting(
        node=row.uuid,
        config=row.data_pipe_yml if row.is_data_pipe_active else None,
        generation=row.series_generation,
        seq=row.series_seq,
        version=row.pipe_version or 0,
    )


def to_trims(flat: Sequence[int]) -> tuple[Trim, ...]:
    return tuple(Trim(at, count) for at, count in zip(flat[::2], flat[1::2], strict=True))


@frozen
class PostgresPipes:
    """Implements :class:`~pepeunit.ports.pipes.Pipes`."""

    statements: Statements

    async def changed(self, after_version: int) -> Sequence[PipeSetting]:
        return tuple(
            map(to_setting, await self.statements.read(_CHANGED, {"after": after_version}))
        )

    async def setting(self, node: NodeId) -> PipeSetting | None:
        row = await self.statements.get(_SETTING, node, for_update=False)
        return row and to_setting(row)

    async def newest(self, units: Collection[UnitId]) -> int:
        of_units = one_of(nodes.c.unit_uuid, units)
        found = await self.statements.read(select(func.max(nodes.c.pipe_version)).where(of_units))
        return next(iter(found))[0] or 0

    async def count(self, up_to_version: int) -> int:
        ((found,),) = await self.statements.read(_COUNT, {"version": up_to_version})
        return int(found)

    async def living(self, among: Collection[NodeId]) -> Set[tuple[NodeId, int]]:
        found = await self.statements.read(_LIVING.where(one_of(nodes.c.uuid, among)))
        return {(row.uuid, row.series_generation) for row in found}

    async def series(self, node: NodeId) -> Series | None:
        row = await self.statements.get(_SERIES, node, for_update=False)
        return row and Series(
            node=row.uuid,
            generation=row.series_generation,
            limit=record_limit(row.data_pipe_yml),
            trims=to_trims(row.series_trims),
        )

    async def renew(self, node: NodeId, *, seq: int = 0, generation: int | None = None) -> int:
        if generation is None:
            generation = await self.reserve()
        changed = await self.statements.write(
            _RENEW, {"node": node, "generation": generation, "seq": seq}
        )
        _require_one(changed.rowcount)
        return generation

    async def reserve(self) -> int:
        return int((await self.statements.write(_RESERVE)).scalar_one())

    async def trim(self, node: NodeId, trim: Trim) -> None:
        row = await self.statements.get(_SERIES, node, for_update=True)
        _require_one(int(row is not None))
        flat = [
            number
            for kept in trimmed(to_trims(row.series_trims), trim)
            for number in (kept.at_ms, kept.count)
        ]
        await self.statements.write(_TRIM, {"node": node, "trims": flat})

    async def report(
        self, nodes_: Collection[NodeId], status: PipeStatus, error: str | None
    ) -> None:
        require_storable([("error", error)])
        uuids: Collection[UUID] = nodes_
        await self.statements.write(
            update(nodes)
            .where(
                one_of(nodes.c.uuid, uuids),
                or_(
                    nodes.c.data_pipe_status.is_distinct_from(status.value),
                    nodes.c.data_pipe_error.is_distinct_from(error),
                ),
            )
            .values(data_pipe_status=status.value, data_pipe_error=error)
        )


def _require_one(found: int) -> None:
    if not found:
        raise NotFound(topic=Topic.NODE)
