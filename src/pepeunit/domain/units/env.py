"""A device's env.json: what is generated, what the user sets, how they merge (devices.md 9).

Weakest first: ``env_example.json`` of the commit, generated values, stored overrides. What a
user stores is kept apart from what the platform generates, so that a moved instance or a rotated
token reaches the device (rulings 18).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from pepeunit.domain.errors import Invalid, Topic

COMMIT_KEY: Final = "PU_COMMIT_VERSION"
TOKEN_KEY: Final = "PU_AUTH_TOKEN"  # noqa: S105 the name of a variable, not a secret
GENERATED_KEYS: Final = (
    "PU_DOMAIN",
    "PU_HTTP_TYPE",
    "PU_APP_PREFIX",
    "PU_API_ACTUAL_PREFIX",
    "PU_MQTT_HOST",
    "PU_MQTT_PORT",
    TOKEN_KEY,
    "PU_SECRET_KEY",
    "PU_ENCRYPT_KEY",
    "PU_MQTT_PING_INTERVAL",
    "PU_MQTT_KEEPALIVE",
    "PU_STATE_SEND_INTERVAL",
    "PU_MIN_LOG_LEVEL",
    "PU_MAX_LOG_LENGTH",
)
RESERVED_KEYS: Final = frozenset((*GENERATED_KEYS, COMMIT_KEY))
NEVER_STORED: Final = frozenset((TOKEN_KEY, COMMIT_KEY))

Env = Mapping[str, Any]


@frozen
class InstanceFacts:
    """What every device of this instance is told. Intervals in seconds."""

    domain: str
    is_secure: bool
    mqtt_host: str
    mqtt_port: int
    app_prefix: str = "/pepeunit"
    api_prefix: str = "/api/v1"
    state_send_interval: int = 60
    mqtt_ping_interval: int = 20
    mqtt_keepalive: int = 60
    min_log_level: str = "Debug"
    max_log_length: int = 64

    @property
    def http_type(self) -> str:
        return "https" if self.is_secure else "http"

    @property
    def base_url(self) -> str:
        return f"{self.http_type}://{self.domain}"

    @property
    def api_url(self) -> str:
        return f"{self.base_url}{self.app_prefix}{self.api_prefix}"


@frozen
class DeviceSecrets:
    """Base64 texts of 32 random bytes each, made at unit creation, kept by every reset."""

    secret_key: str = field(repr=False)
    encrypt_key: str = field(repr=False)


@frozen
class StoredEnv:
    """What is kept (sealed) per unit: the two secrets and the user's own values."""

    secrets: DeviceSecrets
    overrides: Env = field(factory=dict, repr=False)


def generated_env(facts: InstanceFacts, token: str, secrets: DeviceSecrets) -> dict[str, Any]:
    """The fourteen generated values, in the contract's order."""
    return {
        "PU_DOMAIN": facts.domain,
        "PU_HTTP_TYPE": facts.http_type,
        "PU_APP_PREFIX": facts.app_prefix,
        "PU_API_ACTUAL_PREFIX": facts.api_prefix,
        "PU_MQTT_HOST": facts.mqtt_host,
        "PU_MQTT_PORT": facts.mqtt_port,
        TOKEN_KEY: token,
        "PU_SECRET_KEY": secrets.secret_key,
        "PU_ENCRYPT_KEY": secrets.encrypt_key,
        "PU_MQTT_PING_INTERVAL": facts.mqtt_ping_interval,
        "PU_MQTT_KEEPALIVE": facts.mqtt_keepalive,
        "PU_STATE_SEND_INTERVAL": facts.state_send_interval,
        "PU_MIN_LOG_LEVEL": facts.min_log_level,
        "PU_MAX_LOG_LENGTH": facts.max_log_length,
    }


def read_env_example(text: str | bytes) -> dict[str, Any]:
    """``env_example.json`` of a commit. Raises ``Invalid`` (topic json)."""
    return _read_object("env_example.json", text)


def read_manual_env(text: str) -> dict[str, Any]:
    """What a user sends as ``env_json_string``. Raises ``Invalid`` (topic json)."""
    return _read_object("env_json_string", text)


def _read_object(path: str, text: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8 JSON"
        raise Invalid([(path, f"is not JSON: {reason}")], Topic.JSON) from None
    if not isinstance(document, dict):
        raise Invalid([(path, "must be a JSON object")], Topic.JSON)
    return document


def _refuse_constant(name: str) -> None:
    """NaN and the infinities, which Python reads and no device does."""
    raise ValueError(name)


def overrides(example: Env, generated: Env, manual: Env) -> dict[str, Any]:
    """The part of a user's env worth storing (rulings 18).

    Keys of the example, and generated keys whose value the user changed; never the token or the
    commit; unknown keys are dropped.
    """
    return {
        key: value
        for key, value in manual.items()
        if key not in NEVER_STORED
        and (value != generated[key] if key in generated else key in example)
    }


ADDRESS_KEYS: Final = frozenset(GENERATED_KEYS[:6]) | {"PU_SECRET_KEY", "PU_ENCRYPT_KEY"}
"""Where the platform is and the device's own keys: never a choice of a person."""


def imported_overrides(generated: Env, imported: Env) -> dict[str, Any]:
    """The part of an env saved on the reference platform that its owner chose.

    There every generated value was saved with the rest, so addresses and keys are left out, and
    other generated values kept only where they differ from ours.
    """
    return {
        key: value
        for key, value in imported.items()
        if key not in NEVER_STORED | ADDRESS_KEYS
        and (key not in generated or value != generated[key])
    }


def merge_env(example: Env, generated: Env, stored: Env, commit: str) -> dict[str, Any]:
    """The env a device gets: example keys and generated keys, then the commit."""
    merged: dict[str, Any] = {
        key: value for key, value in example.items() if key not in RESERVED_KEYS
    }
    merged.update(generated)
    merged.update({k: v for k, v in stored.items() if k in merged and k not in NEVER_STORED})
    merged[COMMIT_KEY] = commit
    return merged
