"""The topic grammar and the commands (devices.md 7 and 11, access.md 6.2)."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.command import CommandKind, Firmware, command_payload, command_topic
from pepeunit.domain.messaging.topic import (
    BaseDirection,
    BaseTopic,
    NodeTopic,
    base_topic,
    node_topic,
    parse_topic,
)
from tests.domain.making import uuids

DOMAIN = "iot.example.com:8555"
ONE = "0b0e7ab2-5d1e-4c9c-9a39-1f2d3c4b5a69"
DOMAINS = {DOMAIN, "old.example.com"}

words = st.text("abcdefghijklmnopqrstuvwxyz_-0123456789", min_size=1, max_size=12)


@given(uuids, words, st.booleans())
def test_a_node_topic_reads_back_as_its_node(uuid: UUID, word: str, has_suffix: bool) -> None:
    name = f"deep/er/{word}/pepeunit" if has_suffix else f"deep/er/{word}"
    topic = node_topic(DOMAIN, NodeId(uuid), name)
    assert parse_topic(topic, DOMAINS) == NodeTopic(NodeId(uuid), has_suffix)
    assert topic.count("/") == (2 if has_suffix else 1)


@given(uuids, words, st.sampled_from(BaseDirection))
def test_a_base_topic_reads_back_as_its_unit(
    uuid: UUID, word: str, direction: BaseDirection
) -> None:
    topic = base_topic(DOMAIN, direction, UnitId(uuid), f"{word}/pepeunit")
    assert parse_topic(topic, DOMAINS) == BaseTopic(direction, UnitId(uuid), word)


@given(st.text(max_size=60) | st.from_regex(r"[a-f0-9/+#$-]{0,60}", fullmatch=True))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert parse_topic(text, DOMAINS) is None
    parse_topic(f"{DOMAIN}/{text}", DOMAINS)


def test_an_alias_of_the_domain_is_accepted() -> None:
    assert parse_topic(f"old.example.com/{ONE}", DOMAINS) == NodeTopic(NodeId(UUID(ONE)), False)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        DOMAIN,
        f"{DOMAIN}/",
        f"/{ONE}/pepeunit",
        f"other.example.com/{ONE}/pepeunit",
        f"{DOMAIN.upper()}/{ONE}/pepeunit",
        f"$SYS/{ONE}",
        f"$share/group/{DOMAIN}/{ONE}/pepeunit",
        f"{DOMAIN}/{ONE.upper()}/pepeunit",
        f"{DOMAIN}/{ONE.replace('-', '')}/pepeunit",
        f"{DOMAIN}/{{{ONE}}}/pepeunit",
        f"{DOMAIN}/urn:uuid:{ONE}/pepeunit",
        f"{DOMAIN}/{ONE[:-1]}/pepeunit",
        f"{DOMAIN}/{ONE}x/pepeunit",
        f"{DOMAIN}/+/pepeunit",
        f"{DOMAIN}/#",
        f"{DOMAIN}/{ONE}/",
        f"{DOMAIN}/{ONE}/+",
        f"{DOMAIN}/{ONE}/#",
        f"{DOMAIN}/{ONE}/other",
        f"{DOMAIN}/{ONE}/pepeunit/",
        f"{DOMAIN}/{ONE}/temp/pepeunit",
        f"{DOMAIN}/input_base_topic/{ONE}/update",
        f"{DOMAIN}/input_base_topic/{ONE}//pepeunit",
        f"{DOMAIN}/input_base_topic/{ONE}/+/pepeunit",
        f"{DOMAIN}/input_base_topic/{ONE}/#/pepeunit",
        f"{DOMAIN}/input_base_topic/+/update/pepeunit",
        f"{DOMAIN}/input_base_topic/{ONE}/update/other",
        f"{DOMAIN}/input_base_topic/{ONE}/up/date/pepeunit",
        f"{DOMAIN}/input_topic/{ONE}/update/pepeunit",
        f"{DOMAIN}/+/+/+/pepeunit",
    ],
)
def test_every_shape_outside_the_grammar_is_no_topic(topic: str) -> None:
    assert parse_topic(topic, DOMAINS) is None


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (CommandKind.UPDATE, "update"),
        (CommandKind.ENV_UPDATE, "env_update"),
        (CommandKind.SCHEMA_UPDATE, "schema_update"),
        (CommandKind.LOG_SYNC, "log_sync"),
    ],
)
def test_each_command_has_its_topic(kind: CommandKind, word: str) -> None:
    unit = UnitId(UUID(ONE))
    wanted = f"{DOMAIN}/input_base_topic/{ONE}/{word}/pepeunit"
    assert command_topic(DOMAIN, unit, kind) == wanted


def test_update_alone_carries_the_commit_and_the_firmware() -> None:
    assert command_payload(CommandKind.UPDATE, "c" * 40) == (
        '{"COMMAND":"Update","PU_COMMIT_VERSION":"' + "c" * 40 + '"}'
    )
    compiled = json.loads(
        command_payload(CommandKind.UPDATE, "c" * 40, Firmware("https://host/fw"))
    )
    assert compiled["COMPILED_FIRMWARE_LINK"] == "https://host/fw"
    assert (
        command_payload(CommandKind.ENV_UPDATE, "c" * 40, Firmware("x"))
        == '{"COMMAND":"EnvUpdate"}'
    )
    assert command_payload(CommandKind.SCHEMA_UPDATE) == '{"COMMAND":"SchemaUpdate"}'
    assert command_payload(CommandKind.LOG_SYNC) == '{"COMMAND":"LogSync"}'


def test_an_update_without_a_commit_is_a_bug() -> None:
    with pytest.raises(ValueError, match="names its commit"):
        command_payload(CommandKind.UPDATE)
