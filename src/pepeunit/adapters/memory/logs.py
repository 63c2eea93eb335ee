"""Unit logs in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from attrs import define, field

from pepeunit.adapters.memory.selecting import Keys, page, wanted
from pepeunit.adapters.memory.world import require_storable_row
from pepeunit.domain.ids import UnitId
from pepeunit.domain.units.log import UnitLog
from pepeunit.ports.logs import LogQuery
from pepeunit.ports.paging import Order, OrderKey, Page

_KEYS: Final[Keys[UnitLog]] = {OrderKey.CREATE_DATETIME: lambda entry: entry.create_datetime}


@define(eq=False)
class MemoryLogs:
    """Implements :class:`~pepeunit.ports.logs.Logs`; nothing survives the process."""

    _entries: dict[UUID, UnitLog] = field(factory=dict, init=False)

    async def append(self, entries: Sequence[UnitLog]) -> None:
        for entry in entries:
            require_storable_row(entry)
        for entry in entries:
            known = self._entries.get(entry.uuid, entry)
            if entry.expiration_datetime >= known.expiration_datetime:
                self._entries[entry.uuid] = entry

    async def find(self, query: LogQuery) -> Page[UnitLog]:
        rows = (
            entry
            for entry in self._entries.values()
            if entry.unit_uuid == query.unit
            and entry.expiration_datetime > query.now
            and wanted(entry.level, query.levels)
        )
        order = (Order(OrderKey.CREATE_DATETIME, descending=query.newest_first),)
        return page(rows, order, query.slice, _KEYS)

    async def delete_unit(self, unit: UnitId) -> None:
        self._entries = {k: entry for k, entry in self._entries.items() if entry.unit_uuid != unit}
