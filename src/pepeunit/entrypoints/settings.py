"""All settings of an installation, read from ``PU_*`` variables (rulings 6).

Numbers and names of the reference platform: access.md 6.4, 7, devices.md 1, datapipe.md 7,
grafana.md, telegram.md. The page ``docs/settings.md`` is rendered from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import attrs
from attrs import field, frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.entrypoints.setting_values import METADATA_KEY, NATIVE_SCHEMES, Setting
from pepeunit.entrypoints.settings_devices import (
    DeviceSettings,
    GitSettings,
    MqttSettings,
    PipeSettings,
)
from pepeunit.entrypoints.settings_graphql import GraphqlSettings
from pepeunit.entrypoints.settings_instance import (
    FIRST_KEY_ID,
    FeatureSettings,
    KeySettings,
    PeopleSettings,
    RequestSettings,
    SiteSettings,
)
from pepeunit.entrypoints.settings_integrations import (
    GrafanaSettings,
    TelegramSettings,
)
from pepeunit.entrypoints.settings_operations import OperationSettings

REQUIRED: Final = ("PU_SECRET_KEY", "PU_ENCRYPT_KEY", "PU_STATIC_SALT")
"""Made at the first start and kept in the data directory."""

OTHER_NAMES: Final = {
    "PU_SQLALCHEMY_DATABASE_URL": "PU_DATABASE_URL",
    "PU_DP_SQLALCHEMY_DATABASE_URL": "PU_DATABASE_URL",
    "PU_CLICKHOUSE_DATABASE_URL": "PU_CLICKHOUSE_URL",
    "PU_DP_CLICKHOUSE_DATABASE_URL": "PU_CLICKHOUSE_URL",
    "PU_DP_DOMAIN": "PU_DOMAIN",
    "PU_DP_SECRET_KEY": "PU_SECRET_KEY",
    "PU_DP_MQTT_HOST": "PU_MQTT_HOST",
    "PU_DP_MQTT_PORT": "PU_MQTT_PORT",
    "PU_DP_MQTT_KEEPALIVE": "PU_MQTT_KEEPALIVE",
}
"""Names of the reference platform that mean a setting of ours."""

WITHOUT_USE: Final = {
    "PU_REDIS_URL": "there is no Redis",
    "PU_DP_REDIS_URL": "there is no Redis",
    "PU_MQTT_REDIS_AUTH_URL": "there is no Redis",
    "PU_PROMETHEUS_MULTIPROC_DIR": "metrics need no directory",
    "PU_MIN_TOPIC_UPDATE_TIME": "the reference platform never read it",
}
"""Names of the reference platform whose part does not exist here, and why."""


@frozen
class Settings:
    """All settings, in groups; get them from :meth:`load`. Secrets are masked in ``repr``."""

    keys: KeySettings = field(factory=KeySettings)
    site: SiteSettings = field(factory=SiteSettings)
    features: FeatureSettings = field(factory=FeatureSettings)
    people: PeopleSettings = field(factory=PeopleSettings)
    requests: RequestSettings = field(factory=RequestSettings)
    graphql: GraphqlSettings = field(factory=GraphqlSettings)
    git: GitSettings = field(factory=GitSettings)
    devices: DeviceSettings = field(factory=DeviceSettings)
    mqtt: MqttSettings = field(factory=MqttSettings)
    pipes: PipeSettings = field(factory=PipeSettings)
    telegram: TelegramSettings = field(factory=TelegramSettings)
    grafana: GrafanaSettings = field(factory=GrafanaSettings)
    operations: OperationSettings = field(factory=OperationSettings)

    @classmethod
    def load(
        cls, environment: Mapping[str, str], stored: Mapping[str, str]
    ) -> tuple[Self, list[str]]:
        """Read the settings, and what the operator should know about them.

        ``stored`` are the texts kept in the data directory (keys, domain); ``environment`` wins.
        An empty text counts as not set. Raises ``Invalid`` with every ``(name, message)``; no
        message holds a value.
        """
        given, warnings = _given(environment, stored)
        violations = [
            (name, "is needed: it is made at first start and kept in the data directory")
            for name in REQUIRED
            if name not in given
        ]
        groups: dict[str, Any] = {}
        for name, group in GROUPS.items():
            values = {}
            for one in attrs.fields(group):
                known: Setting = one.metadata[METADATA_KEY]
                if known.name in given:
                    try:
                        values[one.name] = known.parse(given[known.name])
                    except ValueError as error:
                        violations.append((known.name, str(error)))
            groups[name] = group(**values)
        settings = cls(**groups)
        violations += _clashes(settings)
        if violations:
            raise Invalid(violations, Topic.PLATFORM)
        return settings, warnings

    @property
    def telegram_enabled(self) -> bool:
        return self.features.telegram_bot_enable and bool(self.telegram.token)

    @property
    def grafana_enabled(self) -> bool:
        return self.features.grafana_integration_enable and bool(self.grafana.admin_password)

    @property
    def graphiql_enabled(self) -> bool:
        enabled = self.features.graphiql_enable
        return not self.site.secure if enabled is None else enabled


GROUPS: Final[Mapping[str, Any]] = {
    one.name: one.type for one in attrs.fields(attrs.resolve_types(Settings))
}
"""Group name to the class that holds its settings."""


def known_settings() -> tuple[Setting, ...]:
    """Every setting, in the order of the groups."""
    return tuple(
        one.metadata[METADATA_KEY] for group in GROUPS.values() for one in attrs.fields(group)
    )


def _given(
    environment: Mapping[str, str], stored: Mapping[str, str]
) -> tuple[Mapping[str, str], list[str]]:
    """The texts under our names, and warnings about the names used."""
    by_name = {known.name: known for known in known_settings()}
    given = {name: value for name, value in stored.items() if name in by_name and value}
    warnings: list[str] = []
    ours = {n: v.strip() for n, v in environment.items() if n.startswith("PU_") and v.strip()}
    for name, value in sorted(ours.items()):
        if name in OTHER_NAMES:
            meant = OTHER_NAMES[name]
            if meant not in ours:
                given[meant] = value
            warnings.append(f"{name}: the name here is {meant}")
        elif name in WITHOUT_USE:
            warnings.append(f"{name}: has no use here, {WITHOUT_USE[name]}")
        elif name not in by_name:
            warnings.append(f"{name}: no such setting")
        else:
            given[name] = value
            if name == "PU_CLICKHOUSE_URL" and value.startswith(NATIVE_SCHEMES):
                warnings.append(f"{name}: the HTTP interface is used, not the native protocol")
            if not by_name[name].built:
                warnings.append(f"{name}: accepted, has no effect yet")
    return given, warnings


def _clashes(settings: Settings) -> list[tuple[str, str]]:
    """Rules between settings."""
    found = []
    listed_first_key = dict(settings.keys.extra_encrypt_keys).get(FIRST_KEY_ID)
    if listed_first_key is not None and listed_first_key != settings.keys.encrypt_key:
        found.append(("PU_ENCRYPT_KEYS", f"{FIRST_KEY_ID} is another key than PU_ENCRYPT_KEY"))
    if settings.people.argon2_memory_kib < 8 * settings.people.argon2_lanes:
        found.append(("PU_ARGON2_MEMORY_KIB", "at least 8 for each of PU_ARGON2_LANES"))
    operations = settings.operations
    if operations.tls_cert is None:
        for name, value in (
            ("PU_TLS_KEY", operations.tls_key),
            ("PU_MQTT_TLS_PORT", operations.mqtt_tls_port),
        ):
            if value is not None:
                found.append((name, "needs a certificate: set PU_TLS_CERT"))
    elif operations.mqtt_tls_port == settings.mqtt.port:
        found.append(("PU_MQTT_TLS_PORT", "must be another port than PU_MQTT_PORT"))
    return found
