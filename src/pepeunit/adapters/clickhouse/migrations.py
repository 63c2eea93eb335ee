"""Bringing a ClickHouse database to the tables this version needs.

Every step is one statement that may run twice, recorded after it ran: a crash between the two
runs it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client

from pepeunit.adapters.clickhouse.refusals import DEPENDENCY
from pepeunit.adapters.clickhouse.tables import (
    AGGREGATION_ENTRY,
    N_LAST_ENTRY,
    UNIT_LOGS,
    WINDOW_ENTRY,
)
from pepeunit.domain.errors import Unavailable

SCHEMA_TABLE: Final = "pepeunit_schema"
SERVER_LEAST: Final = (25, 8)
"""Deletes by marking rows came with this version."""


def steps(cluster: str | None = None) -> Sequence[str]:
    """The statements in their order; the number of a step is its place, from 1.

    A step that was released is never changed: later versions append.
    """
    tables = (N_LAST_ENTRY, WINDOW_ENTRY, AGGREGATION_ENTRY, UNIT_LOGS)
    return [table.creation(cluster) for table in tables]


def _record(cluster: str | None) -> str:
    on_cluster, engine = "", "MergeTree"
    if cluster is not None:
        on_cluster = f" ON CLUSTER `{cluster}`"
        path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        engine = f"ReplicatedMergeTree({path})"
    return (
        f"CREATE TABLE IF NOT EXISTS {SCHEMA_TABLE}{on_cluster} "
        "(step UInt32, applied DateTime DEFAULT now())\n"
        f"ENGINE = {engine} ORDER BY step SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    )


def current_step(client: Client) -> int:
    """The last step that ran, 0 in an empty database."""
    known = client.command(f"EXISTS TABLE {SCHEMA_TABLE}")
    return int(str(client.command(f"SELECT max(step) FROM {SCHEMA_TABLE}"))) if known else 0


def migrate(client: Client, cluster: str | None = None) -> int:
    """Run the missing steps; how many there were.

    Raises ``Unavailable`` for a server that is too old and for a schema newer than this version.
    """
    version = tuple(int(part) for part in str(client.server_version).split(".")[:2])
    if version < SERVER_LEAST:
        raise Unavailable(
            DEPENDENCY,
            f"version {client.server_version} is too old: {'.'.join(map(str, SERVER_LEAST))} or "
            "newer is needed",
        )
    statements = steps(cluster)
    done = current_step(client)
    if done > len(statements):
        raise Unavailable(
            DEPENDENCY,
            f"its schema is at step {done}, which this version of pepeunit does not know: run the "
            "version that wrote it or a newer one",
        )
    if done == 0:
        client.command(_record(cluster))
    for number in range(done + 1, len(statements) + 1):
        client.command(statements[number - 1])
        client.insert(SCHEMA_TABLE, [[number]], column_names=["step"], column_type_names=["UInt32"])
    return len(statements) - done
