"""Which series ClickHouse has, and ridding it of those nobody can read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, Final
from uuid import UUID

from attrs import frozen

from pepeunit.adapters.clickhouse.connections import ClickHouse
from pepeunit.adapters.clickhouse.series_reader import moment
from pepeunit.adapters.clickhouse.tables import N_LAST_ENTRY, SERIES_TABLES, WINDOW_ENTRY

DELETE_SERIES_MAX: Final = 200
"""Series named in one statement."""
SCAN_SECONDS_MAX: Final = 900
"""Of a statement that looks at every row: 30 million took 4 s on two busy cores."""
SCAN: Final = {"max_execution_time": SCAN_SECONDS_MAX}


@frozen
class ClickHouseSeriesAdmin:
    """Implements :class:`~pepeunit.ports.series_admin.SeriesAdmin`."""

    store: ClickHouse

    async def known(self) -> Set[tuple[UUID, int]]:
        tables = " UNION DISTINCT ".join(
            f"SELECT DISTINCT unit_node_uuid, generation FROM {table.name}"
            for table in SERIES_TABLES
        )

        def work(client: Any) -> Set[tuple[UUID, int]]:
            return set(map(tuple, client.query(tables, settings=SCAN).result_rows))

        return await self.store.read(work)

    async def numbers(
        self, before_ms: int | None = None
    ) -> Mapping[tuple[UUID, int], tuple[int, int]]:
        condition, values = "", {}
        if before_ms is not None:
            condition = "WHERE create_datetime < fromUnixTimestamp64Milli({before:Int64}, 'UTC')"
            values["before"] = moment(before_ms)
        sources = " UNION ALL ".join(
            f"SELECT unit_node_uuid, generation, {columns} FROM {table.name} {condition}"
            for table, columns in (
                (N_LAST_ENTRY, "seq AS record, 0 AS windowed"),
                (WINDOW_ENTRY, "0 AS record, seq AS windowed"),
            )
        )
        statement = (
            "SELECT unit_node_uuid, generation, max(record), max(windowed) "
            f"FROM ({sources}) GROUP BY unit_node_uuid, generation"  # values are bound
        )

        def work(client: Any) -> Mapping[tuple[UUID, int], tuple[int, int]]:
            rows = client.query(statement, parameters=values, settings=SCAN).result_rows
            return {(node, generation): (seq, window) for node, generation, seq, window in rows}

        return await self.store.read(work)

    async def delete(self, series: Collection[tuple[UUID, int]]) -> None:
        """Marks the rows; merges free the space."""
        chosen = sorted(series)
        for start in range(0, len(chosen), DELETE_SERIES_MAX):
            await self._delete(chosen[start : start + DELETE_SERIES_MAX])

    async def _delete(self, series: Sequence[tuple[UUID, int]]) -> None:
        condition = " OR ".join(
            f"(unit_node_uuid = {{node_{n}:UUID}} AND generation = {{generation_{n}:UInt64}})"
            for n in range(len(series))
        )
        values: dict[str, Any] = {}
        for number, (node, generation) in enumerate(series):
            values |= {f"node_{number}": str(node), f"generation_{number}": generation}

        def work(client: Any) -> None:
            for table in SERIES_TABLES:
                statement = f"DELETE FROM {table.name} WHERE {condition}"
                client.command(statement, parameters=values)

        await self.store.write(work)

    async def check(self) -> None:
        await self.store.read(lambda client: client.command("SELECT 1"))
