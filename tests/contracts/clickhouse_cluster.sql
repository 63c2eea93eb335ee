CREATE TABLE IF NOT EXISTS n_last_entry ON CLUSTER `main` (
    unit_node_uuid UUID,
    state String,
    state_type Enum8('Number' = 1, 'Text' = 2),
    create_datetime DateTime64(3, 'UTC'),
    max_count UInt32,
    size UInt32,
    generation UInt64,
    seq UInt64,
    slot UInt16 MATERIALIZED seq % 1024
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', seq)
ORDER BY (unit_node_uuid, generation, slot)
SETTINGS index_granularity = 128,
    replicated_deduplication_window = 1000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    enable_block_number_column = 1,
    enable_block_offset_column = 1;

CREATE TABLE IF NOT EXISTS window_entry ON CLUSTER `main` (
    unit_node_uuid UUID,
    state String,
    state_type Enum8('Number' = 1, 'Text' = 2),
    create_datetime DateTime64(3, 'UTC'),
    expiration_datetime DateTime64(3, 'UTC'),
    size UInt32,
    generation UInt64,
    seq UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (unit_node_uuid, generation, create_datetime, seq)
TTL toDateTime(expiration_datetime)
SETTINGS index_granularity = 128,
    replicated_deduplication_window = 1000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    enable_block_number_column = 1,
    enable_block_offset_column = 1,
    merge_with_ttl_timeout = 600;

CREATE TABLE IF NOT EXISTS aggregation_entry ON CLUSTER `main` (
    unit_node_uuid UUID,
    state Float64,
    aggregation_type Enum8('Avg' = 1, 'Min' = 2, 'Max' = 3, 'Sum' = 4),
    time_window_size UInt32,
    create_datetime DateTime64(3, 'UTC'),
    start_window_datetime DateTime64(3, 'UTC'),
    end_window_datetime DateTime64(3, 'UTC'),
    generation UInt64,
    samples UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', samples)
ORDER BY (unit_node_uuid, generation, start_window_datetime, time_window_size, aggregation_type)
SETTINGS index_granularity = 128,
    replicated_deduplication_window = 1000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    enable_block_number_column = 1,
    enable_block_offset_column = 1;

CREATE TABLE IF NOT EXISTS unit_logs ON CLUSTER `main` (
    uuid UUID,
    level Enum8('Debug' = 1, 'Info' = 2, 'Warning' = 3, 'Error' = 4, 'Critical' = 5),
    unit_uuid UUID,
    text String,
    create_datetime DateTime64(3, 'UTC'),
    expiration_datetime DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', expiration_datetime)
ORDER BY (unit_uuid, create_datetime, uuid)
TTL toDateTime(expiration_datetime)
SETTINGS index_granularity = 128,
    replicated_deduplication_window = 1000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    enable_block_number_column = 1,
    enable_block_offset_column = 1,
    merge_with_ttl_timeout = 600;
