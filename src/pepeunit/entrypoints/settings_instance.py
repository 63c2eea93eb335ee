"""Settings of the instance itself: keys, address, features, people, requests."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from pepeunit.entrypoints.setting_values import (
    address,
    choice,
    clickhouse_url,
    database_url,
    encrypt_key,
    encrypt_keys,
    flag,
    host_name,
    listed,
    network,
    origin,
    port_number,
    prefix,
    secret_key,
    setting,
    symbols,
    text,
    whole,
)

FIRST_KEY_ID: Final = "k1"
"""The id of the key in ``PU_ENCRYPT_KEY``."""
EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104  # a platform for devices on the network


@frozen
class KeySettings:
    """Secrets. They are made at first start and kept in the data directory."""

    secret_key: str = setting(
        "PU_SECRET_KEY",
        "",
        secret_key,
        "Signs tokens, at least 32 bytes of text. A new one ends every token.",
        shown="made at first start",
        secret=True,
    )
    encrypt_key: bytes = setting(
        "PU_ENCRYPT_KEY",
        b"",
        encrypt_key,
        "Encrypts what is stored: base64 of 32 bytes. It is the key `k1`.",
        shown="made at first start",
        secret=True,
    )
    extra_encrypt_keys: tuple[tuple[str, bytes], ...] = setting(
        "PU_ENCRYPT_KEYS",
        (),
        encrypt_keys,
        "Further keys, `k2:<base64>,k3:<base64>`. The first one encrypts, all of them decrypt.",
        secret=True,
    )
    static_salt: str = setting(
        "PU_STATIC_SALT",
        "",
        text,
        "The fixed part of the salts of passwords taken over from the reference platform.",
        shown="made at first start",
        secret=True,
    )

    @property
    def cipher_keys(self) -> Mapping[str, bytes]:
        """Key id to key, for encryption at rest; the first one encrypts."""
        return {**dict(self.extra_encrypt_keys), FIRST_KEY_ID: self.encrypt_key}


@frozen
class SiteSettings:
    """Where this instance is found and where it keeps what it has."""

    data_dir: str = setting(
        "PU_DATA_DIR",
        "",
        text,
        "The folder that holds all state. `--data-dir`",
        shown="`~/.local/share/pepeunit`",
    )
    http_host: str = setting(
        "PU_HTTP_HOST", EVERY_ADDRESS, address, "The address listened on. `--host`"
    )
    http_port: int = setting("PU_HTTP_PORT", 8555, port_number, "The port of HTTP. `--http-port`")
    secure: bool = setting(
        "PU_SECURE",
        False,
        flag,
        "Whether people and devices reach this instance over TLS: links begin with https.",
    )
    domain: str | None = setting(
        "PU_DOMAIN",
        None,
        host_name,
        "The public host (and port), and first level of every topic. Kept in the data directory.",
        shown="this machine's address and HTTP port at first start",
    )
    domain_aliases: tuple[str, ...] = setting(
        "PU_DOMAIN_ALIASES",
        (),
        listed(host_name),
        "Earlier domains that devices may still use in topics.",
    )
    app_prefix: str = setting(
        "PU_APP_PREFIX", "/pepeunit", prefix, "The path all routes begin with."
    )
    api_v1_prefix: str = setting(
        "PU_API_V1_PREFIX", "/api/v1", prefix, "The path of REST below the former."
    )
    trusted_proxies: tuple[str, ...] = setting(
        "PU_TRUSTED_PROXIES",
        (),
        listed(network),
        "Proxies whose word about the caller's address is taken.",
    )
    cors_origins: tuple[str, ...] = setting(
        "PU_CORS_ORIGINS", (), listed(origin), "Other origins whose pages may call the API."
    )
    database_url: str | None = setting(
        "PU_DATABASE_URL",
        None,
        database_url,
        "A PostgreSQL server of your own.",
        shown="the embedded server",
        secret=True,
    )
    clickhouse_url: str | None = setting(
        "PU_CLICKHOUSE_URL",
        None,
        clickhouse_url,
        "A ClickHouse server of your own, 25.8 or newer: `http://user:password@host:8123/database`.",
        shown="the embedded engine",
        secret=True,
    )
    save_repo_path: str | None = setting(
        "PU_SAVE_REPO_PATH",
        None,
        text,
        "The folder of git mirrors.",
        shown="`mirrors` in the data directory",
    )


@frozen
class FeatureSettings:
    """What is switched on."""

    telegram_bot_enable: bool = setting(
        "PU_FF_TELEGRAM_BOT_ENABLE",
        True,
        flag,
        "The Telegram bot, when its token is set.",
        built=False,
    )
    grafana_integration_enable: bool = setting(
        "PU_FF_GRAFANA_INTEGRATION_ENABLE",
        True,
        flag,
        "Grafana dashboards, when its administrator's password is set.",
        built=False,
    )
    prometheus_enable: bool = setting(
        "PU_FF_PROMETHEUS_ENABLE", True, flag, "The route of metrics."
    )
    datapipe_enable: bool = setting("PU_FF_DATAPIPE_ENABLE", True, flag, "The pipes of nodes.")
    datapipe_default_last_value_enable: bool = setting(
        "PU_FF_DATAPIPE_DEFAULT_LAST_VALUE_ENABLE",
        True,
        flag,
        "Whether a new node keeps its last value without being asked.",
    )
    graphiql_enable: bool | None = setting(
        "PU_FF_GRAPHIQL_ENABLE",
        None,
        flag,
        "The GraphQL page in the browser.",
        shown="the opposite of `PU_SECURE`",
    )
    first_user_admin: bool = setting(
        "PU_FF_FIRST_USER_ADMIN",
        False,
        flag,
        "Whether the first person to register becomes the administrator.",
    )


@frozen
class PeopleSettings:
    """Accounts, passwords, names and quotas."""

    auth_token_expiration_seconds: int = setting(
        "PU_AUTH_TOKEN_EXPIRATION",
        2_678_400,
        whole(1),
        "How long a person's token is valid, in seconds.",
    )
    login_tries_max: int = setting(
        "PU_LOGIN_TRIES_MAX",
        10,
        whole(1),
        "Failed logins allowed for an account and for an address within the window.",
    )
    login_window_seconds: int = setting(
        "PU_LOGIN_WINDOW_SECONDS", 300, whole(1), "The window, in seconds."
    )
    registration: str = setting(
        "PU_REGISTRATION",
        "open",
        choice("open", "invite", "closed"),
        "Who may register: everybody (`open`), who has an administrator's `invite`, or nobody"
        " (`closed`).",
    )
    argon2_rounds: int = setting(
        "PU_ARGON2_ROUNDS", 3, whole(1, 100), "The cost of a password hash: passes."
    )
    argon2_memory_kib: int = setting(
        "PU_ARGON2_MEMORY_KIB",
        65_536,
        whole(8, 4_194_304),
        "The cost of a password hash: memory in KiB, at least 8 for each lane.",
    )
    argon2_lanes: int = setting(
        "PU_ARGON2_LANES", 4, whole(1, 64), "The cost of a password hash: lanes."
    )
    name_symbols: frozenset[str] = setting(
        "PU_AVAILABLE_NAME_ENTITY_SYMBOLS",
        symbols("A-Za-z0-9_.-"),
        symbols,
        "Characters of logins and of names of repos, units, dashboards.",
        shown="`A-Za-z0-9_.-`",
    )
    password_symbols: frozenset[str] = setting(
        "PU_AVAILABLE_PASSWORD_SYMBOLS",
        frozenset(string.ascii_letters + string.digits + string.punctuation),
        symbols,
        "Characters of passwords.",
        shown="letters, digits, punctuation of ASCII",
    )
    topic_symbols: frozenset[str] = setting(
        "PU_AVAILABLE_TOPIC_SYMBOLS",
        symbols("a-zA-Z0-9/_-"),
        symbols,
        "Characters of topic names in `schema_example.json`.",
        shown="`a-zA-Z0-9/_-`",
    )
    audit_retention_days: int = setting(
        "PU_AUDIT_RETENTION_DAYS", 90, whole(1), "How long the audit trail is kept, in days."
    )
    quota_registries_max: int = setting(
        "PU_QUOTA_REGISTRIES_MAX", 0, whole(0), "Registries a person may make; 0 is no limit."
    )
    quota_repos_max: int = setting(
        "PU_QUOTA_REPOS_MAX", 0, whole(0), "Repos a person may make; 0 is no limit."
    )
    quota_units_max: int = setting(
        "PU_QUOTA_UNITS_MAX", 0, whole(0), "Units a person may make; 0 is no limit."
    )
    quota_disk_mib: int = setting(
        "PU_QUOTA_DISK_MAX", 0, whole(0), "MiB a person's registries may take; 0 is no limit."
    )


@frozen
class RequestSettings:
    """Limits of requests."""

    http_body_bytes_max: int = setting(
        "PU_HTTP_BODY_BYTES_MAX",
        50 * 2**20,
        whole(1024),
        "The longest body of a request, in bytes.",
    )
    csv_bytes_max: int = setting(
        "PU_CSV_BYTES_MAX", 2**26, whole(1024), "The longest CSV of a node's data, in bytes."
    )
    turn_seconds_max: int = setting(
        "PU_TURN_SECONDS_MAX", 30, whole(1), "Seconds an upload or an export waits for its turn."
    )
    max_pagination_size: int = setting(
        "PU_MAX_PAGINATION_SIZE", 500, whole(1), "The largest `limit` of a list."
    )
    unlimited_lists_max: int = setting(
        "PU_UNLIMITED_LISTS_MAX", 8, whole(1), "Lists without `limit` in flight for an address."
    )
    max_cipher_chars: int = setting(
        "PU_MAX_CIPHER_LENGTH",
        1_000_000,
        whole(1),
        "The longest text that is encrypted (env, storage, credentials), in characters.",
    )
