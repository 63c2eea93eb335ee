"""env.json: the merge, what is stored and what never is (devices.md 9, rulings 18)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.units.env import (
    COMMIT_KEY,
    GENERATED_KEYS,
    NEVER_STORED,
    RESERVED_KEYS,
    TOKEN_KEY,
    DeviceSecrets,
    InstanceFacts,
    generated_env,
    merge_env,
    overrides,
    read_env_example,
    read_manual_env,
)

FACTS = InstanceFacts("iot.example.com", True, "mqtt.example.com", 1883)
SECRETS = DeviceSecrets("c2VjcmV0", "ZW5jcnlwdA==")
COMMIT = "a" * 40
GENERATED = generated_env(FACTS, "token", SECRETS)

own_keys = st.sampled_from(["WIFI", "LED", "NAME", "LEVEL"])
keys = own_keys | st.sampled_from(sorted(RESERVED_KEYS))
values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([1, {"a": 2}])
envs = st.dictionaries(keys, values, max_size=8)


def got(example: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    return merge_env(example, GENERATED, stored, COMMIT)


def test_the_generated_values_are_the_fourteen_of_the_contract() -> None:
    assert tuple(GENERATED) == GENERATED_KEYS
    assert len(GENERATED) == 14
    assert GENERATED == {
        "PU_DOMAIN": "iot.example.com",
        "PU_HTTP_TYPE": "https",
        "PU_APP_PREFIX": "/pepeunit",
        "PU_API_ACTUAL_PREFIX": "/api/v1",
        "PU_MQTT_HOST": "mqtt.example.com",
        "PU_MQTT_PORT": 1883,
        "PU_AUTH_TOKEN": "token",
        "PU_SECRET_KEY": "c2VjcmV0",
        "PU_ENCRYPT_KEY": "ZW5jcnlwdA==",
        "PU_MQTT_PING_INTERVAL": 20,
        "PU_MQTT_KEEPALIVE": 60,
        "PU_STATE_SEND_INTERVAL": 60,
        "PU_MIN_LOG_LEVEL": "Debug",
        "PU_MAX_LOG_LENGTH": 64,
    }


def test_without_tls_devices_are_told_http() -> None:
    assert InstanceFacts("d", False, "h", 1).http_type == "http"


@given(envs, envs)
def test_a_device_gets_the_example_keys_and_all_fourteen_and_the_commit(
    example: dict[str, Any], stored: dict[str, Any]
) -> None:
    env = got(example, stored)
    assert set(env) == set(example) - RESERVED_KEYS | RESERVED_KEYS
    assert env[COMMIT_KEY] == COMMIT
    assert env[TOKEN_KEY] == "token"


@given(envs, envs, envs)
def test_stored_beats_generated_and_generated_beats_the_example(
    example: dict[str, Any], manual: dict[str, Any], other: dict[str, Any]
) -> None:
    env = got(example, overrides(example, GENERATED, manual))
    for key, value in env.items():
        if key in NEVER_STORED:
            continue
        if key in manual:
            assert value == manual[key]
        elif key in GENERATED:
            assert value == GENERATED[key]
        else:
            assert value == example[key]


@given(envs, envs)
def test_the_token_and_the_commit_are_never_stored(
    example: dict[str, Any], manual: dict[str, Any]
) -> None:
    stored = overrides(example, GENERATED, manual | {TOKEN_KEY: "mine", COMMIT_KEY: "b" * 40})
    assert not NEVER_STORED & set(stored)
    assert set(stored) <= set(example) | set(GENERATED)


@given(envs, envs)
def test_saving_what_was_read_changes_nothing(
    example: dict[str, Any], manual: dict[str, Any]
) -> None:
    stored = overrides(example, GENERATED, manual)
    env = got(example, stored)
    again = overrides(example, GENERATED, env)
    assert got(example, again) == env
    assert overrides(example, GENERATED, got(example, again)) == again
    assert not (set(again) - set(stored)) & set(GENERATED)


@given(envs)
def test_after_a_reset_the_env_is_what_a_new_unit_gets(example: dict[str, Any]) -> None:
    assert got(example, {}) == {
        **{key: value for key, value in example.items() if key not in RESERVED_KEYS},
        **GENERATED,
        COMMIT_KEY: COMMIT,
    }


@given(envs, envs)
def test_o27_a_moved_instance_reaches_a_unit_whose_env_was_saved_as_read(
    example: dict[str, Any], manual: dict[str, Any]
) -> None:
    stored = overrides(example, GENERATED, got(example, {}))
    moved = generated_env(InstanceFacts("new.example.com", True, "new", 1), "token2", SECRETS)
    env = merge_env(example, moved, stored, COMMIT)
    assert {key: env[key] for key in GENERATED_KEYS} == moved


def test_o25_an_example_that_lists_the_commit_can_be_saved() -> None:
    example = {COMMIT_KEY: "", "LED": 1}
    assert overrides(example, GENERATED, got(example, {})) == {"LED": 1}


def test_values_stored_for_keys_a_new_version_dropped_are_not_delivered() -> None:
    assert "OLD" not in got({"LED": 1}, {"OLD": 5, "LED": 2})


@pytest.mark.parametrize("read", [read_env_example, read_manual_env])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "5",
        "null",
        '"x"',
        "[" * 100_000,
        "1" * 5000,
        '{"a": NaN}',
        '{"a":-Infinity}',
    ],
)
def test_an_env_that_is_no_json_object_is_refused(read: Any, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.topic is Topic.JSON


def test_an_example_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Invalid):
        read_env_example(b'{"a": "\xff"}')


def test_secrets_and_values_are_not_in_a_repr() -> None:
    assert "c2VjcmV0" not in repr(SECRETS)
