"""Settings about people really reach the use cases (access.md W25, rulings section 6)."""

from __future__ import annotations

import base64
from typing import Any

import attrs
import pytest
from dependency_injector import providers

from pepeunit.domain.units.env import InstanceFacts
from pepeunit.domain.users.registration import Registration
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.settings import Settings
from pepeunit.usecases.access.quotas import Quotas
from pepeunit.usecases.audit.recording import RecordingDatabase

KEY = base64.b64encode(bytes(range(32))).decode()
GIVEN = {
    "PU_REGISTRATION": "invite",
    "PU_AVAILABLE_NAME_ENTITY_SYMBOLS": "abc",
    "PU_AVAILABLE_PASSWORD_SYMBOLS": "xyz",
    "PU_QUOTA_REGISTRIES_MAX": "1",
    "PU_QUOTA_REPOS_MAX": "2",
    "PU_QUOTA_UNITS_MAX": "3",
    "PU_QUOTA_DISK_MAX": "4",
}
EXPECTED = {
    "registration": Registration.INVITE,
    "name_symbols": frozenset("abc"),
    "password_symbols": frozenset("xyz"),
    "quotas": Quotas(1, 2, 3, 4),
}


@pytest.fixture
def built() -> list[Any]:
    """Every use case, over ports that nothing calls."""
    settings, _ = Settings.load(
        GIVEN, {"PU_SECRET_KEY": KEY, "PU_ENCRYPT_KEY": KEY, "PU_STATIC_SALT": KEY}
    )
    facts = InstanceFacts("iot.example", is_secure=False, mqtt_host="h", mqtt_port=1883)
    ports = {name: providers.Object(object()) for name in UseCases.ports.providers}
    use = UseCases(
        settings=providers.Object(settings),
        facts=providers.Object(facts),
        ports=providers.DependenciesContainer(**ports),
    )
    return [one() for one in use.providers.values() if isinstance(one, providers.Singleton)]


@pytest.mark.parametrize(
    ("field", "users"),
    [
        ("registration", 1),
        ("name_symbols", 5),
        ("password_symbols", 2),
        ("quotas", 3),
    ],
)
def test_w25_the_settings_about_people_reach_every_use_case(
    built: list[Any], field: str, users: int
) -> None:
    holders = [
        one for one in built if attrs.has(type(one)) and field in attrs.fields_dict(type(one))
    ]
    assert len(holders) >= users
    assert all(getattr(one, field) == EXPECTED[field] for one in holders)


def test_rulings_8_every_use_case_works_on_the_recording_database(built: list[Any]) -> None:
    databases = [one.database for one in built if hasattr(one, "database")]
    assert len(databases) > 40
    assert all(isinstance(one, RecordingDatabase) for one in databases)
