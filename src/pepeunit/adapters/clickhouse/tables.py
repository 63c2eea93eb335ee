"""The tables of the column store, and what every statement about them needs to know.

The columns of the contract (spec datapipe.md 6) come first and in its order; ours are appended.
Every table replaces rows of equal identity (decision 0016), so that a batch written again changes
nothing for readers.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

RING_SLOTS: Final = 1024
"""The most an NRecords limit may ask for; row number ``seq`` takes the place of ``seq - 1024``."""
DEDUPLICATION_BLOCKS: Final = 1_000
"""Of the last so many inserted blocks the token is remembered."""
ROWS_A_MARK: Final = 128
TTL_SECONDS: Final = 600

TIME: Final = "DateTime64(3, 'UTC')"
STATE_TYPE: Final = "Enum8('Number' = 1, 'Text' = 2)"
FUNCTION: Final = "Enum8('Avg' = 1, 'Min' = 2, 'Max' = 3, 'Sum' = 4)"
LEVEL: Final = "Enum8('Debug' = 1, 'Info' = 2, 'Warning' = 3, 'Error' = 4, 'Critical' = 5)"


@frozen
class Table:
    """``columns`` are name and type; ``version`` is the column whose greatest value stays among
    rows of equal ``identity``, without one the last inserted row does."""

    name: str
    columns: tuple[tuple[str, str], ...]
    identity: str
    version: str = ""
    derived: str = ""
    expiry: str | None = None

    def creation(self, cluster: str | None = None) -> str:
        """The statement that makes the table, on every replica of a cluster if one is named."""
        lines = [f"    {name} {kind}" for name, kind in self.columns]
        if self.derived:
            lines.append(f"    {self.derived}")
        on_cluster, engine = "", f"ReplacingMergeTree({self.version})"
        window = "non_replicated_deduplication_window"
        if cluster is not None:
            on_cluster = f" ON CLUSTER `{cluster}`"
            path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
            version = f", {self.version}" if self.version else ""
            engine = f"ReplicatedReplacingMergeTree({path}{version})"
            window = "replicated_deduplication_window"
        settings = [
            f"index_granularity = {ROWS_A_MARK}",
            f"{window} = {DEDUPLICATION_BLOCKS}",
            # what is answered as stored outlives a power cut
            "fsync_after_insert = 1",
            "fsync_part_directory = 1",
            # deleting one series marks its rows instead of writing parts anew
            "enable_block_number_column = 1",
            "enable_block_offset_column = 1",
        ]
        parts = [
            f"CREATE TABLE IF NOT EXISTS {self.name}{on_cluster} (",
            ",\n".join(lines),
            f")\nENGINE = {engine}\nORDER BY ({self.identity})",
        ]
        if self.expiry is not None:
            parts.append(f"TTL {self.expiry}")
            settings.append(f"merge_with_ttl_timeout = {TTL_SECONDS}")
        parts.append("SETTINGS " + ",\n    ".join(settings))
        return "\n".join(parts)


N_LAST_ENTRY: Final = Table(
    "n_last_entry",
    (
        ("unit_node_uuid", "UUID"),
        ("state", "String"),
        ("state_type", STATE_TYPE),
        ("create_datetime", TIME),
        ("max_count", "UInt32"),
        ("size", "UInt32"),
        ("generation", "UInt64"),
        ("seq", "UInt64"),
    ),
    identity="unit_node_uuid, generation, slot",
    version="seq",
    derived=f"slot UInt16 MATERIALIZED seq % {RING_SLOTS}",
)
WINDOW_ENTRY: Final = Table(
    "window_entry",
    (
        ("unit_node_uuid", "UUID"),
        ("state", "String"),
        ("state_type", STATE_TYPE),
        ("create_datetime", TIME),
        ("expiration_datetime", TIME),
        ("size", "UInt32"),
        ("generation", "UInt64"),
        ("seq", "UInt64"),
    ),
    identity="unit_node_uuid, generation, create_datetime, seq",
    expiry="toDateTime(expiration_datetime)",
)
AGGREGATION_ENTRY: Final = Table(
    "aggregation_entry",
    (
        ("unit_node_uuid", "UUID"),
        ("state", "Float64"),
        ("aggregation_type", FUNCTION),
        ("time_window_size", "UInt32"),
        ("create_datetime", TIME),
        ("start_window_datetime", TIME),
        ("end_window_datetime", TIME),
        ("generation", "UInt64"),
        ("samples", "UInt64"),
    ),
    identity="unit_node_uuid, generation, start_window_datetime, time_window_size, "
    "aggregation_type",
    version="samples",
)
UNIT_LOGS: Final = Table(
    "unit_logs",
    (
        ("uuid", "UUID"),
        ("level", LEVEL),
        ("unit_uuid", "UUID"),
        ("text", "String"),
        ("create_datetime", TIME),
        ("expiration_datetime", TIME),
    ),
    identity="unit_uuid, create_datetime, uuid",
    version="expiration_datetime",
    expiry="toDateTime(expiration_datetime)",
)
SERIES_TABLES: Final = (N_LAST_ENTRY, WINDOW_ENTRY, AGGREGATION_ENTRY)
TABLES: Final = (*SERIES_TABLES, UNIT_LOGS)
