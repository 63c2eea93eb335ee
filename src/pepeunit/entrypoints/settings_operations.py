"""Settings of running the platform: its log, its certificate, who may read its metrics."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from pepeunit.entrypoints.setting_values import choice, listed, network, port_number, setting, text

LOCAL_NETWORKS: Final = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
)


@frozen
class OperationSettings:
    """What an operator chooses."""

    log_format: str = setting(
        "PU_LOG_FORMAT",
        "text",
        choice("text", "json"),
        "How the log is written: lines to read, or one JSON object a line.",
    )
    log_level: str = setting(
        "PU_LOG_LEVEL",
        "info",
        choice("debug", "info", "warning", "error"),
        "The least level that is logged.",
    )
    tls_cert: str | None = setting(
        "PU_TLS_CERT",
        None,
        text,
        "The file of the certificate and its chain (PEM). With it HTTP is served over TLS alone.",
    )
    tls_key: str | None = setting(
        "PU_TLS_KEY",
        None,
        text,
        "The file of the certificate's key (PEM).",
        shown="in `PU_TLS_CERT`",
    )
    mqtt_tls_port: int | None = setting(
        "PU_MQTT_TLS_PORT",
        None,
        port_number,
        "A second port of the broker, over TLS with the same certificate; 8883 is usual.",
        shown="no such port",
    )
    pipeline_http_port: int | None = setting(
        "PU_PIPELINE_HTTP_PORT",
        None,
        port_number,
        "Where `pepeunit pipeline` tells that it is alive and ready, and its metrics.",
        shown="no such port",
    )
    metrics_networks: tuple[str, ...] = setting(
        "PU_METRICS_NETWORKS",
        LOCAL_NETWORKS,
        listed(network),
        "Networks whose callers are told the metrics of Prometheus.",
        shown="loopback and private networks",
    )
