"""Settings of repositories, devices, the broker and pipes."""

from __future__ import annotations

from attrs import frozen

from pepeunit.entrypoints.setting_values import (
    byte_rate,
    choice,
    flag,
    host_name,
    listed,
    port_number,
    rate,
    seconds_below,
    setting,
    text,
    whole,
)


@frozen
class GitSettings:
    """Remotes and mirrors."""

    git_host_allowlist: tuple[str, ...] = setting(
        "PU_GIT_HOST_ALLOWLIST",
        (),
        listed(host_name),
        "Hosts (`host` or `host:port`) that may be private, loopback or plain http.",
    )
    github_token_name: str = setting(
        "PU_GITHUB_TOKEN_NAME",
        "",
        text,
        "The user of the token for public repositories on github.com.",
    )
    github_token_pat: str = setting(
        "PU_GITHUB_TOKEN_PAT",
        "",
        text,
        "A token for public repositories on github.com.",
        secret=True,
    )
    max_external_repo_mib: int = setting(
        "PU_MAX_EXTERNAL_REPO_SIZE", 50, whole(1), "The largest mirror, in MiB."
    )
    min_interval_sync_seconds: int = setting(
        "PU_MIN_INTERVAL_SYNC_REPOSITORY",
        10,
        whole(0),
        "The shortest time between two syncs of a registry, in seconds.",
    )
    sync_wait_seconds: int = setting(
        "PU_SYNC_WAIT_SECONDS",
        15,
        whole(0, 300),
        "How long a request waits for its first sync, in seconds.",
    )


@frozen
class DeviceSettings:
    """What devices are told and what is kept of them."""

    state_send_interval_seconds: int = setting(
        "PU_STATE_SEND_INTERVAL",
        60,
        whole(1),
        "How often devices tell their state, in seconds; half of the time an update may take.",
    )
    unit_log_expiration_seconds: int = setting(
        "PU_UNIT_LOG_EXPIRATION",
        86_400,
        whole(1),
        "How long log entries of devices are kept, in seconds.",
    )
    min_log_level: str = setting(
        "PU_MIN_LOG_LEVEL",
        "Debug",
        choice("Debug", "Info", "Warning", "Error", "Critical"),
        "Given to devices: the least level they log.",
    )
    max_log_length: int = setting(
        "PU_MAX_LOG_LENGTH", 64, whole(1), "Given to devices: entries their log keeps."
    )
    mqtt_ping_interval_seconds: int = setting(
        "PU_MQTT_PING_INTERVAL", 20, whole(1), "Given to devices: seconds between pings."
    )
    mqtt_keepalive_seconds: int = setting(
        "PU_MQTT_KEEPALIVE", 60, whole(1, 65_535), "Given to devices: the keepalive in seconds."
    )


@frozen
class MqttSettings:
    """The broker and its limits for devices."""

    host: str | None = setting(
        "PU_MQTT_HOST",
        None,
        text,
        "The broker's host as devices reach it.",
        shown="this machine's address",
    )
    port: int = setting("PU_MQTT_PORT", 1883, port_number, "The broker's port. `--mqtt-port`")
    max_clients: int = setting("PU_MQTT_MAX_CLIENTS", 10_000, whole(1), "Connected clients.")
    connection_rate: int = setting(
        "PU_MQTT_MAX_CLIENT_CONNECTION_RATE", 20, rate, "Connections a second.", shown="20/s"
    )
    max_client_id_length: int = setting(
        "PU_MQTT_MAX_CLIENT_ID_LEN", 512, whole(23, 65_535), "The longest client id."
    )
    message_rate: int = setting(
        "PU_MQTT_CLIENT_MAX_MESSAGES_RATE",
        30,
        rate,
        "Messages a second from one client.",
        shown="30/s",
    )
    byte_rate: int = setting(
        "PU_MQTT_CLIENT_MAX_BYTES_RATE",
        2**20,
        byte_rate,
        "Bytes a second from one client.",
        shown="1MB/s",
    )
    max_payload_kib: int = setting(
        "PU_MQTT_MAX_PAYLOAD_SIZE", 256, whole(1, 262_144), "The largest packet, in KiB."
    )
    max_qos: int = setting("PU_MQTT_MAX_QOS", 2, whole(0, 2), "The highest quality of service.")
    max_topic_levels: int = setting(
        "PU_MQTT_MAX_TOPIC_LEVELS", 5, whole(5, 65_535), "Levels of a topic."
    )
    max_topic_alias: int = setting(
        "PU_MQTT_MAX_TOPIC_ALIAS", 128, whole(0, 65_535), "Topic aliases of a client (MQTT 5)."
    )
    max_queue_length: int = setting(
        "PU_MQTT_MAX_LEN_MESSAGE_QUEUE",
        128,
        whole(1),
        "Messages kept for a client that is away or slow.",
    )
    broker_tls: bool = setting(
        "PU_MQTT_BROKER_TLS",
        False,
        flag,
        "Whether `pepeunit pipeline` reaches the broker over TLS; then `PU_MQTT_PORT` is that of"
        " TLS, and the broker's certificate must be valid for `PU_MQTT_HOST`.",
    )
    broker_ca: str | None = setting(
        "PU_MQTT_BROKER_CA",
        None,
        text,
        "The file of the authority (PEM) that signed the broker's certificate.",
        shown="those this machine trusts",
    )
    secure: bool = setting(
        "PU_MQTT_SECURE",
        False,
        flag,
        "Whether the API of an external broker is reached over TLS.",
        built=False,
    )
    api_port: int = setting(
        "PU_MQTT_API_PORT", 18_083, port_number, "The port of that API.", built=False
    )
    username: str = setting("PU_MQTT_USERNAME", "", text, "The user of that API.", built=False)
    password: str = setting(
        "PU_MQTT_PASSWORD", "", text, "The password of that API.", secret=True, built=False
    )


@frozen
class PipeSettings:
    """From an acknowledged message to a stored row."""

    pipeline_enable: bool = setting(
        "PU_FF_PIPELINE_ENABLE",
        True,
        flag,
        "Whether `pepeunit serve` runs the pipes itself; false where `pepeunit pipeline` does,"
        " behind an external broker.",
    )
    journal_disk_mib: int = setting(
        "PU_JOURNAL_DISK_MAX",
        1024,
        whole(128),
        "Disk that acknowledged messages may take until they are stored, in MiB.",
    )
    buffer_flush_seconds: float = setting(
        "PU_DP_BUFFER_FLUSH_INTERVAL",
        0.5,
        seconds_below(60),
        "How long samples are gathered before they are stored, in seconds.",
    )
    buffer_max_size: int = setting(
        "PU_DP_BUFFER_MAX_SIZE",
        20_000,
        whole(1),
        "Rows that are stored at once without waiting, at most twenty times a second.",
    )
    queue_memory_mib: int = setting(
        "PU_DP_QUEUE_MEMORY_MAX",
        64,
        whole(1),
        "Memory for messages that wait for their pipe, and for the rows of each store, in MiB.",
    )
    spool_disk_mib: int = setting(
        "PU_SPOOL_DISK_MAX",
        1024,
        whole(1),
        "Disk for rows that a store could not take yet, in MiB.",
    )
    backlog_seconds_max: float = setting(
        "PU_DP_BACKLOG_SECONDS_MAX",
        30.0,
        seconds_below(86_400),
        "QoS 0 is dropped while what waits would take longer than this to store, in seconds.",
    )
    config_sync_seconds: int = setting(
        "PU_DP_CONFIG_SYNC_INTERVAL",
        60,
        whole(1),
        "How often all pipes are read again, in seconds; changes are seen at once.",
    )
    nrecords_cleanup_seconds: int = setting(
        "PU_DP_NRECORDS_CLEANUP_INTERVAL",
        60,
        whole(1),
        "How often rows beyond the last N are removed, in seconds.",
        built=False,
    )
