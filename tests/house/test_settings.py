"""Every setting: name, default, a good and a bad text, and how mistakes are told (rulings 6)."""

from __future__ import annotations

import base64
import string
from pathlib import Path
from typing import Any

import pytest

from pepeunit.domain.errors import Invalid
from pepeunit.entrypoints.settings import OTHER_NAMES, WITHOUT_USE, Settings, known_settings
from pepeunit.entrypoints.settings_operations import LOCAL_NETWORKS
from pepeunit.entrypoints.settings_page import settings_page

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()
STORED = {"PU_SECRET_KEY": KEY, "PU_ENCRYPT_KEY": KEY, "PU_STATIC_SALT": "pepper"}
ANY_TEXT = None

TABLE: list[tuple[str, str, Any, str, Any, str | None]] = [
    # name, where it is read, default, a good text, its value, a bad text
    ("PU_SECRET_KEY", "keys.secret_key", KEY, "x" * 32, "x" * 32, "x" * 31),
    (
        "PU_ENCRYPT_KEY",
        "keys.encrypt_key",
        bytes(range(32)),
        OTHER_KEY,
        bytes(range(1, 33)),
        "AA==",
    ),
    (
        "PU_ENCRYPT_KEYS",
        "keys.extra_encrypt_keys",
        (),
        f"k2:{OTHER_KEY}, k1:{KEY}",
        (("k2", bytes(range(1, 33))), ("k1", bytes(range(32)))),
        OTHER_KEY,
    ),
    ("PU_STATIC_SALT", "keys.static_salt", "pepper", "salt", "salt", ANY_TEXT),
    ("PU_DATA_DIR", "site.data_dir", "", "/var/lib/pepeunit", "/var/lib/pepeunit", ANY_TEXT),
    ("PU_HTTP_HOST", "site.http_host", "0.0.0.0", "::1", "::1", "localhost"),  # noqa: S104
    ("PU_HTTP_PORT", "site.http_port", 8555, "80", 80, "65536"),
    ("PU_SECURE", "site.secure", False, "True", True, "maybe"),
    ("PU_DOMAIN", "site.domain", None, "10.0.0.1:8555", "10.0.0.1:8555", "https://iot.example"),
    ("PU_DOMAIN_ALIASES", "site.domain_aliases", (), "a.b, c:1", ("a.b", "c:1"), "a/b"),
    ("PU_APP_PREFIX", "site.app_prefix", "/pepeunit", "/x", "/x", "/x/"),
    ("PU_API_V1_PREFIX", "site.api_v1_prefix", "/api/v1", "/rest", "/rest", "rest"),
    (
        "PU_TRUSTED_PROXIES",
        "site.trusted_proxies",
        (),
        "10.0.0.1,fd00::/8",
        ("10.0.0.1/32", "fd00::/8"),
        "proxy",
    ),
    ("PU_CORS_ORIGINS", "site.cors_origins", (), "https://a.b", ("https://a.b",), "a.b"),
    (
        "PU_DATABASE_URL",
        "site.database_url",
        None,
        "postgresql://u:p@h:5432/d?sslmode=require",
        "postgresql+asyncpg://u:p@h:5432/d?ssl=require",
        "mysql://u:p@h/d",
    ),
    (
        "PU_CLICKHOUSE_URL",
        "site.clickhouse_url",
        None,
        "clickhouse+native://u:p@h:9000/d",
        "http://u:p@h:8123/d",
        "postgresql://u:p@h/d",
    ),
    ("PU_SAVE_REPO_PATH", "site.save_repo_path", None, "repo_cache", "repo_cache", ANY_TEXT),
    ("PU_FF_TELEGRAM_BOT_ENABLE", "features.telegram_bot_enable", True, "no", False, "2"),
    (
        "PU_FF_GRAFANA_INTEGRATION_ENABLE",
        "features.grafana_integration_enable",
        True,
        "0",
        False,
        "2",
    ),
    ("PU_FF_PROMETHEUS_ENABLE", "features.prometheus_enable", True, "off", False, "2"),
    ("PU_FF_DATAPIPE_ENABLE", "features.datapipe_enable", True, "false", False, "2"),
    (
        "PU_FF_DATAPIPE_DEFAULT_LAST_VALUE_ENABLE",
        "features.datapipe_default_last_value_enable",
        True,
        "FALSE",
        False,
        "2",
    ),
    ("PU_FF_GRAPHIQL_ENABLE", "features.graphiql_enable", None, "1", True, "2"),
    ("PU_FF_FIRST_USER_ADMIN", "features.first_user_admin", False, "on", True, "2"),
    ("PU_AUTH_TOKEN_EXPIRATION", "people.auth_token_expiration_seconds", 2678400, "60", 60, "0"),
    ("PU_LOGIN_TRIES_MAX", "people.login_tries_max", 10, "3", 3, "0"),
    ("PU_LOGIN_WINDOW_SECONDS", "people.login_window_seconds", 300, "60", 60, "1m"),
    ("PU_REGISTRATION", "people.registration", "open", "invite", "invite", "Open"),
    ("PU_ARGON2_ROUNDS", "people.argon2_rounds", 3, "1", 1, "0"),
    ("PU_ARGON2_MEMORY_KIB", "people.argon2_memory_kib", 65536, "32", 32, "31"),
    ("PU_ARGON2_LANES", "people.argon2_lanes", 4, "1", 1, "65"),
    (
        "PU_AVAILABLE_NAME_ENTITY_SYMBOLS",
        "people.name_symbols",
        frozenset(string.ascii_letters + string.digits + "_.-"),
        "a-c-",
        frozenset("abc-"),
        ANY_TEXT,
    ),
    (
        "PU_AVAILABLE_PASSWORD_SYMBOLS",
        "people.password_symbols",
        frozenset(string.ascii_letters + string.digits + string.punctuation),
        string.digits + "_-.",
        frozenset(string.digits + "_-."),
        ANY_TEXT,
    ),
    (
        "PU_AVAILABLE_TOPIC_SYMBOLS",
        "people.topic_symbols",
        frozenset(string.ascii_letters + string.digits + "/_-"),
        string.ascii_letters + "/",
        frozenset(string.ascii_letters + "/"),
        ANY_TEXT,
    ),
    ("PU_AUDIT_RETENTION_DAYS", "people.audit_retention_days", 90, "1", 1, "0"),
    ("PU_QUOTA_REGISTRIES_MAX", "people.quota_registries_max", 0, "5", 5, "-1"),
    ("PU_QUOTA_REPOS_MAX", "people.quota_repos_max", 0, "5", 5, "-1"),
    ("PU_QUOTA_UNITS_MAX", "people.quota_units_max", 0, "5", 5, "-1"),
    ("PU_QUOTA_DISK_MAX", "people.quota_disk_mib", 0, "5", 5, "-1"),
    ("PU_HTTP_BODY_BYTES_MAX", "requests.http_body_bytes_max", 50 * 2**20, "2048", 2048, "1"),
    ("PU_CSV_BYTES_MAX", "requests.csv_bytes_max", 2**26, "2048", 2048, "1"),
    ("PU_MAX_PAGINATION_SIZE", "requests.max_pagination_size", 500, "5", 5, "0"),
    ("PU_TURN_SECONDS_MAX", "requests.turn_seconds_max", 30, "5", 5, "0"),
    ("PU_UNLIMITED_LISTS_MAX", "requests.unlimited_lists_max", 8, "5", 5, "0"),
    ("PU_GRAPHQL_TOKENS_MAX", "graphql.tokens_max", 5000, "100", 100, "99"),
    ("PU_GRAPHQL_DEPTH_MAX", "graphql.depth_max", 20, "5", 5, "51"),
    ("PU_GRAPHQL_FIELDS_MAX", "graphql.fields_max", 2000, "100", 100, "99"),
    ("PU_GRAPHQL_ALIASES_MAX", "graphql.aliases_max", 100, "0", 0, "-1"),
    ("PU_MAX_CIPHER_LENGTH", "requests.max_cipher_chars", 1_000_000, "5", 5, "0"),
    (
        "PU_GIT_HOST_ALLOWLIST",
        "git.git_host_allowlist",
        (),
        "127.0.0.1:8080, git.lan",
        ("127.0.0.1:8080", "git.lan"),
        "http://git.lan",
    ),
    ("PU_GITHUB_TOKEN_NAME", "git.github_token_name", "", "bot", "bot", ANY_TEXT),
    ("PU_GITHUB_TOKEN_PAT", "git.github_token_pat", "", "ghp", "ghp", ANY_TEXT),
    ("PU_MAX_EXTERNAL_REPO_SIZE", "git.max_external_repo_mib", 50, "5", 5, "50MB"),
    ("PU_MIN_INTERVAL_SYNC_REPOSITORY", "git.min_interval_sync_seconds", 10, "0", 0, "-1"),
    ("PU_SYNC_WAIT_SECONDS", "git.sync_wait_seconds", 15, "0", 0, "301"),
    ("PU_STATE_SEND_INTERVAL", "devices.state_send_interval_seconds", 60, "5", 5, "0"),
    ("PU_UNIT_LOG_EXPIRATION", "devices.unit_log_expiration_seconds", 86400, "5", 5, "0"),
    ("PU_MIN_LOG_LEVEL", "devices.min_log_level", "Debug", "Error", "Error", "error"),
    ("PU_MAX_LOG_LENGTH", "devices.max_log_length", 64, "5", 5, "0"),
    ("PU_MQTT_PING_INTERVAL", "devices.mqtt_ping_interval_seconds", 20, "5", 5, "0"),
    ("PU_MQTT_KEEPALIVE", "devices.mqtt_keepalive_seconds", 60, "5", 5, "65536"),
    ("PU_MQTT_HOST", "mqtt.host", None, "10.0.0.1", "10.0.0.1", ANY_TEXT),
    ("PU_MQTT_PORT", "mqtt.port", 1883, "1884", 1884, "0"),
    ("PU_MQTT_MAX_CLIENTS", "mqtt.max_clients", 10_000, "5", 5, "0"),
    ("PU_MQTT_MAX_CLIENT_CONNECTION_RATE", "mqtt.connection_rate", 20, "50/s", 50, "50/m"),
    ("PU_MQTT_MAX_CLIENT_ID_LEN", "mqtt.max_client_id_length", 512, "23", 23, "22"),
    ("PU_MQTT_CLIENT_MAX_MESSAGES_RATE", "mqtt.message_rate", 30, "100", 100, "0"),
    ("PU_MQTT_CLIENT_MAX_BYTES_RATE", "mqtt.byte_rate", 2**20, "512KB/s", 2**19, "1 MB"),
    ("PU_MQTT_MAX_PAYLOAD_SIZE", "mqtt.max_payload_kib", 256, "5", 5, "256KB"),
    ("PU_MQTT_MAX_QOS", "mqtt.max_qos", 2, "1", 1, "3"),
    ("PU_MQTT_MAX_TOPIC_LEVELS", "mqtt.max_topic_levels", 5, "7", 7, "4"),
    ("PU_MQTT_MAX_TOPIC_ALIAS", "mqtt.max_topic_alias", 128, "0", 0, "-1"),
    ("PU_MQTT_MAX_LEN_MESSAGE_QUEUE", "mqtt.max_queue_length", 128, "5", 5, "0"),
    ("PU_MQTT_SECURE", "mqtt.secure", False, "true", True, "2"),
    ("PU_MQTT_API_PORT", "mqtt.api_port", 18083, "5", 5, "0"),
    ("PU_MQTT_USERNAME", "mqtt.username", "", "u", "u", ANY_TEXT),
    ("PU_MQTT_PASSWORD", "mqtt.password", "", "p", "p", ANY_TEXT),
    ("PU_MQTT_BROKER_TLS", "mqtt.broker_tls", False, "on", True, "2"),
    ("PU_MQTT_BROKER_CA", "mqtt.broker_ca", None, "/tls/ca.pem", "/tls/ca.pem", ANY_TEXT),
    ("PU_FF_PIPELINE_ENABLE", "pipes.pipeline_enable", True, "off", False, "2"),
    ("PU_JOURNAL_DISK_MAX", "pipes.journal_disk_mib", 1024, "128", 128, "127"),
    ("PU_DP_BUFFER_FLUSH_INTERVAL", "pipes.buffer_flush_seconds", 0.5, "5", 5.0, "60"),
    ("PU_DP_BUFFER_MAX_SIZE", "pipes.buffer_max_size", 20_000, "5", 5, "0"),
    ("PU_DP_QUEUE_MEMORY_MAX", "pipes.queue_memory_mib", 64, "5", 5, "0"),
    ("PU_SPOOL_DISK_MAX", "pipes.spool_disk_mib", 1024, "5", 5, "0"),
    ("PU_DP_BACKLOG_SECONDS_MAX", "pipes.backlog_seconds_max", 30.0, "5", 5.0, "-1"),
    ("PU_DP_CONFIG_SYNC_INTERVAL", "pipes.config_sync_seconds", 60, "5", 5, "0"),
    ("PU_DP_NRECORDS_CLEANUP_INTERVAL", "pipes.nrecords_cleanup_seconds", 60, "5", 5, "0"),
    ("PU_TELEGRAM_TOKEN", "telegram.token", "", "1:a", "1:a", ANY_TEXT),
    ("PU_TELEGRAM_BOT_LINK", "telegram.bot_link", "", "https://t.me/b", "https://t.me/b", "t.me/b"),
    ("PU_TELEGRAM_BOT_MODE", "telegram.bot_mode", "webhook", "pooling", "pooling", "polling"),
    ("PU_TELEGRAM_DEL_OLD_WEBHOOK", "telegram.del_old_webhook", True, "no", False, "2"),
    (
        "PU_TELEGRAM_PROXY_URL",
        "telegram.proxy_url",
        "",
        "socks5://u:p@h:1",
        "socks5://u:p@h:1",
        "socks5://u:p@h:port",
    ),
    ("PU_TELEGRAM_ITEMS_PER_PAGE", "telegram.items_per_page", 7, "5", 5, "0"),
    ("PU_TELEGRAM_HEADER_ENTITY_LENGTH", "telegram.header_entity_length", 15, "5", 5, "0"),
    ("PU_TELEGRAM_GIT_HASH_LENGTH", "telegram.git_hash_length", 8, "7", 7, "3"),
    (
        "PU_GRAFANA_URL",
        "grafana.url",
        None,
        "http://grafana:3000",
        "http://grafana:3000",
        "http://",
    ),
    ("PU_GRAFANA_ADMIN_USER", "grafana.admin_user", "admin", "u", "u", ANY_TEXT),
    ("PU_GRAFANA_ADMIN_PASSWORD", "grafana.admin_password", "", "p", "p", ANY_TEXT),
    ("PU_GRAFANA_LIMIT_UNIT_NODE_PER_ONE_PANEL", "grafana.nodes_per_panel_max", 10, "5", 5, "0"),
    ("PU_LOG_FORMAT", "operations.log_format", "text", "json", "json", "xml"),
    ("PU_LOG_LEVEL", "operations.log_level", "info", "debug", "debug", "loud"),
    ("PU_PIPELINE_HTTP_PORT", "operations.pipeline_http_port", None, "8556", 8556, "x"),
    ("PU_TLS_CERT", "operations.tls_cert", None, "/tls/cert.pem", "/tls/cert.pem", ANY_TEXT),
    ("PU_TLS_KEY", "operations.tls_key", None, "/tls/key.pem", "/tls/key.pem", ANY_TEXT),
    ("PU_MQTT_TLS_PORT", "operations.mqtt_tls_port", None, "8883", 8883, "65536"),
    (
        "PU_METRICS_NETWORKS",
        "operations.metrics_networks",
        LOCAL_NETWORKS,
        "10.1.0.0/16",
        ("10.1.0.0/16",),
        "everyone",
    ),
]
WITH = {
    "PU_TLS_KEY": {"PU_TLS_CERT": "/tls/cert.pem"},
    "PU_MQTT_TLS_PORT": {"PU_TLS_CERT": "/tls/cert.pem"},
}
"""What a setting needs beside it."""
NAMES = [row[0] for row in TABLE]


def load(**environment: str) -> tuple[Settings, list[str]]:
    return Settings.load(environment, STORED)


def at(settings: Settings, path: str) -> object:
    group, _, name = path.partition(".")
    return getattr(getattr(settings, group), name)


def test_the_table_holds_every_setting_once() -> None:
    assert sorted(NAMES) == sorted(known.name for known in known_settings())
    assert len(set(NAMES)) == len(NAMES)
    assert not set(NAMES) & {*OTHER_NAMES, *WITHOUT_USE}
    assert set(OTHER_NAMES.values()) <= set(NAMES)


@pytest.mark.parametrize("row", TABLE, ids=NAMES)
def test_a_setting_has_its_default_takes_good_texts_and_refuses_bad_ones(
    row: tuple[str, str, object, str, object, str | None],
) -> None:
    name, path, default, good, value, bad = row
    assert at(load()[0], path) == default
    extra = {"PU_ARGON2_LANES": "1"} if name == "PU_ARGON2_MEMORY_KIB" and good == "32" else {}
    beside = WITH.get(name, {})
    assert at(load(**{name: good, **extra, **beside})[0], path) == value
    assert at(load(**{name: f" {good} ", **beside})[0], path) == value
    assert at(load(**{name: "  "})[0], path) == default
    if bad is not ANY_TEXT:
        with pytest.raises(Invalid) as refusal:
            load(**{name: bad, **beside})
        assert [violated for violated, _ in refusal.value.violations] == [name]


def test_all_mistakes_are_told_at_once() -> None:
    mistakes = {name: bad for name, *_, bad in TABLE if bad is not ANY_TEXT}
    with pytest.raises(Invalid) as refusal:
        load(**mistakes)
    assert {name for name, _ in refusal.value.violations} >= set(mistakes)


def test_missing_keys_are_told() -> None:
    with pytest.raises(Invalid) as refusal:
        Settings.load({}, {})
    assert [name for name, _ in refusal.value.violations] == list(STORED)


def test_no_message_and_no_repr_holds_a_secret() -> None:
    secrets = [known.name for known in known_settings() if known.secret]
    assert set(STORED) <= set(secrets)
    with pytest.raises(Invalid) as refusal:
        load(
            PU_SECRET_KEY="hunter2",
            PU_ENCRYPT_KEY="hunter2",
            PU_ENCRYPT_KEYS="k2:hunter2",
            PU_DATABASE_URL="postgresql://user:hunter2@[h/d",
            PU_TELEGRAM_PROXY_URL="socks5://user:hunter2@h:hunter2",
        )
    assert len(refusal.value.violations) == 5
    assert "hunter2" not in str(refusal.value)
    good = {name: text for name, _, _, text, *_ in TABLE if name in secrets}
    good["PU_ENCRYPT_KEY"] = KEY
    settings, warnings = load(**good)
    for text in (KEY, *good.values()):
        if len(text) > 4:
            assert text not in repr(settings)
            assert text not in " ".join(warnings)
    assert str(bytes(range(32))) not in repr(settings)
    assert "'***'" in repr(settings)


def test_the_environment_wins_over_the_data_directory() -> None:
    stored = {**STORED, "PU_DOMAIN": "old.example", "postgres_password": "x"}
    assert Settings.load({}, stored)[0].site.domain == "old.example"
    assert Settings.load({"PU_DOMAIN": "new.example"}, stored)[0].site.domain == "new.example"


def test_names_of_the_reference_platform_are_mapped_and_told() -> None:
    settings, warnings = load(
        PU_DP_SQLALCHEMY_DATABASE_URL="postgresql+psycopg2://u:p@h/d",
        PU_DP_DOMAIN="iot.example",
        PU_REDIS_URL="redis://redis:6379/0",
    )
    assert settings.site.database_url == "postgresql+asyncpg://u:p@h/d"
    assert settings.site.domain == "iot.example"
    assert [warning.partition(":")[0] for warning in warnings] == [
        "PU_DP_DOMAIN",
        "PU_DP_SQLALCHEMY_DATABASE_URL",
        "PU_REDIS_URL",
    ]
    ours, _ = load(PU_DOMAIN="ours.example", PU_DP_DOMAIN="theirs.example")
    assert ours.site.domain == "ours.example"


def test_unknown_names_warn_and_others_are_none_of_our_business() -> None:
    assert load(PU_HTP_PORT="1", HOME="/root", PUC_WIFI_SSID="x")[1] == [
        "PU_HTP_PORT: no such setting"
    ]


def test_what_has_no_effect_yet_is_told_when_set() -> None:
    assert load()[1] == []
    assert load(PU_TELEGRAM_TOKEN="1:a")[1] == ["PU_TELEGRAM_TOKEN: accepted, has no effect yet"]


def test_a_socket_url_keeps_its_empty_host() -> None:
    settings, _ = load(PU_DATABASE_URL="postgresql://u:p@/d?host=%2Frun%2Fpg")
    assert settings.site.database_url == "postgresql+asyncpg://u:p@/d?host=%2Frun%2Fpg"


def test_the_first_listed_key_encrypts() -> None:
    assert list(load()[0].keys.cipher_keys) == ["k1"]
    assert list(load(PU_ENCRYPT_KEYS=f"k2:{OTHER_KEY}")[0].keys.cipher_keys) == ["k2", "k1"]
    with pytest.raises(Invalid, match="k1 is another key"):
        load(PU_ENCRYPT_KEYS=f"k1:{OTHER_KEY}")
    with pytest.raises(Invalid, match="twice"):
        load(PU_ENCRYPT_KEYS=f"k2:{OTHER_KEY},k2:{KEY}")


def test_features_need_their_configuration() -> None:
    bare, _ = load()
    assert (bare.telegram_enabled, bare.grafana_enabled, bare.graphiql_enabled) == (
        False,
        False,
        True,
    )
    full, _ = load(PU_TELEGRAM_TOKEN="1:a", PU_GRAFANA_ADMIN_PASSWORD="p", PU_SECURE="true")
    assert (full.telegram_enabled, full.grafana_enabled, full.graphiql_enabled) == (
        True,
        True,
        False,
    )


def test_the_page_of_settings_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text() == settings_page(), (
        "run: python -m pepeunit.entrypoints.settings_page > docs/settings.md"
    )
    assert all(known.description.strip() for known in known_settings())
