"""What arrives over MQTT: admission, topics, state, logs, presence (access.md 6, rulings 27-29)."""

from __future__ import annotations

import json
from base64 import b64encode
from uuid import UUID

import pytest
from attrs import evolve

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Forbidden, Topic, Unauthenticated, Unavailable
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.topic import parse_topic
from pepeunit.domain.nodes.node import Node
from pepeunit.entrypoints.settings import Settings
from pepeunit.ports.logs import LogQuery
from pepeunit.usecases.messages.authorize_topic import MqttAction
from pepeunit.usecases.messages.log_share import LogShare
from pepeunit.usecases.messages.receive import Inbound
from tests.usecases.platform import ALIAS, DOMAIN, INTERVAL, PASSWORD, Platform, program

PRIVATE = Visibility.PRIVATE
LED, TEMP = "led/pepeunit", "temp/pepeunit"


async def two_units(platform: Platform, owner: Agent) -> tuple[UnitId, UnitId]:
    repo = await platform.repo(owner)
    return await platform.unit(owner, repo, "one-"), await platform.unit(owner, repo, "two-")


async def test_w5_a_unit_is_admitted_by_its_token_alone(platform: Platform, owner: Agent) -> None:
    unit, _ = await two_units(platform, owner)
    token = await platform.token_of(unit, owner)
    assert await platform.admit(token, str(unit)) == Agent.unit(unit)
    with pytest.raises(Unauthenticated):
        await platform.admit("made up", str(unit))
    with pytest.raises(Unauthenticated):
        await platform.admit(token[:-2], str(unit))
    with pytest.raises(Forbidden):
        await platform.admit("", str(unit))
    person = await platform.sign_in(ANONYMOUS, "owner", PASSWORD, "here")
    with pytest.raises(Forbidden):
        await platform.admit(person, "anything")


async def test_w5_a_client_id_of_another_subject_is_refused(
    platform: Platform, owner: Agent
) -> None:
    unit, other = await two_units(platform, owner)
    token = await platform.token_of(unit, owner)
    for client_id in (str(other), str(other).upper(), DOMAIN, "pepeunit-", "pepeunit-pipeline"):
        with pytest.raises(Conflict) as refused:
            await platform.admit(token, client_id)
        assert refused.value.topic is Topic.MQTT


@pytest.mark.parametrize(
    "client_id", ["", "esp32", "pepeunit", "x" * 512, str(UUID(int=2**100)), f"{DOMAIN}-2"]
)
async def test_rulings_29_any_other_client_id_is_accepted(
    platform: Platform, owner: Agent, client_id: str
) -> None:
    unit, _ = await two_units(platform, owner)
    assert await platform.admit(await platform.token_of(unit, owner), client_id)


async def test_the_platform_itself_takes_its_own_client_ids(platform: Platform) -> None:
    token = platform.tokens.sign({"domain": DOMAIN, "type": "Backend"})
    assert await platform.admit(token, "pepeunit-pipeline") == BACKEND
    assert await platform.admit(token, DOMAIN) == BACKEND


# Rule to build, access.md 6.2: topic (of unit one), may it publish / subscribe
#   as: one itself · two (no edge) · backend · user · bot
TOPICS = [
    ("{d}/input_base_topic/{one}/update/pepeunit", "-s -- p- -- --"),
    ("{d}/input_base_topic/{one}/reboot/pepeunit", "-s -- p- -- --"),
    ("{d}/output_base_topic/{one}/state/pepeunit", "p- -- -s -- --"),
    ("{d}/output_base_topic/{one}/log/pepeunit", "p- -- -s -- --"),
    ("{d}/{out}/pepeunit", "ps -s -s -- --"),  # C7: a unit alone publishes to its outputs
    ("{d}/{in}/pepeunit", "ps -s ps -- --"),  # rulings 12: its own input always
    ("{d}/{rewritable}/pepeunit", "ps ps ps -- --"),  # C6
    ("{d}/{private}/pepeunit", "ps -- ps -- --"),
    ("{d}/{plain}", "ps -s -s -- --"),
    ("{alias}/{out}/pepeunit", "ps -s -s -- --"),
    # the suffix must be the node's own
    ("{d}/{out}", "-- -- -- -- --"),
    ("{d}/{plain}/pepeunit", "-- -- -- -- --"),
    ("{d}/{out}/other", "-- -- -- -- --"),
    # another domain, unknown nodes, wildcards, wrong shapes
    ("elsewhere/{out}/pepeunit", "-- -- -- -- --"),
    ("elsewhere/output_base_topic/{one}/state/pepeunit", "-- -- -- -- --"),
    ("{d}/00000000-0000-0000-0000-0000000000ff/pepeunit", "-- -- -- -- --"),
    ("{d}/{one}/pepeunit", "-- -- -- -- --"),
    ("{d}/+/pepeunit", "-- -- -- -- --"),
    ("{d}/#", "-- -- -- -- --"),
    ("{d}/{out}/+", "-- -- -- -- --"),
    ("{d}/{out}/#", "-- -- -- -- --"),
    ("{d}/input_base_topic/+/update/pepeunit", "-- -- -- -- --"),
    ("{d}/input_base_topic/{one}/+/pepeunit", "-- -- -- -- --"),
    ("{d}/input_base_topic/{one}/update", "-- -- -- -- --"),
    ("#", "-- -- -- -- --"),
    ("$SYS/broker/uptime", "-- -- -- -- --"),
    ("$share/g/{d}/{out}/pepeunit", "-- -- -- -- --"),
]


@pytest.mark.parametrize(("form", "row"), TOPICS)
async def test_c6_c7_o22_the_rule_to_build_topic_by_topic(
    platform: Platform, owner: Agent, stranger: Agent, form: str, row: str
) -> None:
    platform.remote.push(
        program(
            {
                "input_topic": ["in/pepeunit", "rewritable/pepeunit", "private/pepeunit"],
                "output_topic": ["out/pepeunit", "plain"],
            }
        ),
        tag="v2",
    )
    repo = await platform.repo(owner)
    one, two = (
        await platform.unit(owner, repo, "one-"),
        await platform.unit(stranger, repo, "two-"),
    )
    await platform.change_node(
        owner, await platform.node(one, "rewritable/pepeunit"), is_rewritable_input=True
    )
    await platform.change_node(
        owner, await platform.node(one, "private/pepeunit"), visibility_level=PRIVATE
    )
    words: dict[str, str] = {"d": DOMAIN, "alias": ALIAS, "one": str(one)}
    for name in ("in", "rewritable", "private", "out"):
        words[name] = str((await platform.node(one, f"{name}/pepeunit")).uuid)
    words["plain"] = str((await platform.node(one, "plain")).uuid)
    topic = form.format(**words)
    found = ""
    for agent in (Agent.unit(one), Agent.unit(two), BACKEND, owner, ANONYMOUS):
        published = await platform.authorize(agent, MqttAction.PUBLISH, topic)
        subscribed = await platform.authorize(agent, MqttAction.SUBSCRIBE, topic)
        found += f"{'p' if published else '-'}{'s' if subscribed else '-'} "
    assert found.strip() == row


async def test_the_callback_of_an_external_broker_answers_by_token(
    platform: Platform, owner: Agent
) -> None:
    one, two = await two_units(platform, owner)
    token = await platform.token_of(one, owner)
    answer = platform.answer_broker
    own, other = (f"{DOMAIN}/input_base_topic/{unit}/update/pepeunit" for unit in (one, two))
    assert await answer(token, own)
    assert await answer(token, own, MqttAction.SUBSCRIBE)
    assert not await answer(token, own, MqttAction.PUBLISH)
    assert not await answer(token, other)
    for bad in ("", "made up"):
        assert not await answer(bad, own)


async def test_the_platform_subscribes_its_two_wildcards_through_an_external_broker(
    platform: Platform, owner: Agent
) -> None:
    one, _ = await two_units(platform, owner)
    backend = platform.tokens.sign({"domain": DOMAIN, "type": "Backend"})
    unit = await platform.token_of(one, owner)
    answer = platform.answer_broker
    for topic in (f"{DOMAIN}/+/+/+/pepeunit", f"{DOMAIN}/+/pepeunit"):
        assert await answer(backend, topic)
        assert await answer(backend, topic, MqttAction.SUBSCRIBE)
        assert not await answer(backend, topic, MqttAction.PUBLISH)
        assert not await answer(unit, topic)
    for topic in ("#", f"{DOMAIN}/#", f"{DOMAIN}/+", "elsewhere/+/pepeunit"):
        assert not await answer(backend, topic)


def inbound(unit: UnitId, topic: str, payload: bytes, qos: int = 1) -> Inbound:
    parsed = parse_topic(f"{DOMAIN}/{topic}", {DOMAIN})
    assert parsed is not None
    return (parsed, payload, qos, Agent.unit(unit))


async def send(platform: Platform, unit: UnitId, word: str, payload: bytes) -> None:
    await platform.receive([inbound(unit, f"output_base_topic/{unit}/{word}/pepeunit", payload)])


async def test_values_of_nodes_without_the_suffix_and_unknown_words_are_not_stored(
    platform: Platform, owner: Agent
) -> None:
    unit, _ = await two_units(platform, owner)
    before = await platform.row(unit)
    await platform.receive(
        [
            inbound(unit, str(UUID(int=77)), b"1"),
            inbound(unit, f"output_base_topic/{unit}/other/pepeunit", b'{"millis": 1}'),
        ]
    )
    assert platform.ingest.counters.received == 0
    assert [record async for record in platform.journal.read(0)] == []
    assert await platform.row(unit) == before


async def test_o34_a_state_without_a_version_keeps_the_known_one(
    platform: Platform, owner: Agent
) -> None:
    unit, _ = await two_units(platform, owner)
    await send(platform, unit, "state", b'{"pu_commit_version": "abc", "millis": 1}')
    platform.clock.move(INTERVAL)
    await send(platform, unit, "state", b'{"millis": 2}')
    row = await platform.row(unit)
    assert row.current_commit_version == "abc"
    assert row.unit_state is not None and row.unit_state.millis == 2


async def test_o33_states_sent_too_soon_are_passed_over_but_not_a_new_version(
    platform: Platform, owner: Agent
) -> None:
    unit, _ = await two_units(platform, owner)
    await send(platform, unit, "state", b'{"pu_commit_version": "a", "millis": 1}')
    platform.clock.move(INTERVAL / 2 - 1)
    await send(platform, unit, "state", b'{"pu_commit_version": "a", "millis": 2}')
    row = await platform.row(unit)
    assert row.unit_state is not None and row.unit_state.millis == 1
    await send(platform, unit, "state", b'{"pu_commit_version": "b", "millis": 3}')
    row = await platform.row(unit)
    assert (row.current_commit_version, row.unit_state and row.unit_state.millis) == ("b", 3)


async def test_o37_a_floor_stands_under_stored_states(platform: Platform, owner: Agent) -> None:
    unit, _ = await two_units(platform, owner)
    stored = set()
    for tenth in range(21):
        await send(platform, unit, "state", b'{"pu_commit_version": "a", "millis": %d}' % tenth)
        row = await platform.row(unit)
        stored.add(row.unit_state and row.unit_state.millis)
        platform.clock.move(INTERVAL / 10)
    assert stored == {0, 5, 10, 15, 20}


def test_o37_the_setting_that_nothing_ever_read_is_told_to_have_no_use() -> None:
    key = b64encode(bytes(32)).decode()
    keys = dict.fromkeys(("PU_SECRET_KEY", "PU_ENCRYPT_KEY", "PU_STATIC_SALT"), key)
    stored = keys | {"PU_DOMAIN": DOMAIN}
    (warning,) = Settings.load({"PU_MIN_TOPIC_UPDATE_TIME": "30"}, stored)[1]
    assert warning.startswith("PU_MIN_TOPIC_UPDATE_TIME: has no use here")


HOSTILE = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b"[" * 50_000,
    b'{"millis": ' + b"9" * 400 + b"}",
    b'{"pu_commit_version": "a\\u0000b"}',
    b'{"pu_commit_version": "\\ud800"}',
    b'{"ifconfig": [NaN, {"a": ["\\u0000"]}, "\\ud800", ' + b"9" * 400 + b"]}",
    b'[{"level": "Info", "text": "\\ud800\\u0000"}]',
    b'[{"level": "Info", "text": "x", "create_datetime": ' + b"9" * 400 + b"}]",
    b'{"level": "Info", "text": "x", "create_datetime": "0001-01-01T00:00:00+14:00"}',
]


@pytest.mark.parametrize("word", ["state", "log", "other"])
@pytest.mark.parametrize("payload", HOSTILE)
async def test_no_payload_of_a_device_makes_the_receiver_fail(
    platform: Platform, owner: Agent, word: str, payload: bytes
) -> None:
    unit, _ = await two_units(platform, owner)
    await send(platform, unit, word, payload)


async def test_o35_logs_are_stored_entry_by_entry_and_once(
    platform: Platform, owner: Agent
) -> None:
    unit, _ = await two_units(platform, owner)
    good = {"level": "info", "text": "x", "create_datetime": platform.clock.now.timestamp()}
    payload = json.dumps([good, {"level": "Loud"}, good | {"text": "y"}]).encode()
    await send(platform, unit, "log", payload)
    await send(platform, unit, "log", payload)
    await platform.run_pipes()
    page = await platform.logs.find(LogQuery(unit, platform.clock.now))
    assert sorted(entry.text for entry in page.items) == ["x", "y"]


async def test_w45_a_unit_logs_no_more_than_its_share(platform: Platform, owner: Agent) -> None:
    one, other = await two_units(platform, owner)
    platform.receive = evolve(platform.receive, log_share=LogShare(per_second=2, burst=5))
    many = json.dumps([{"level": "info", "text": "x"}] * 4).encode()

    async def stored(unit: UnitId) -> int:
        await platform.run_pipes()
        return (await platform.logs.find(LogQuery(unit, platform.clock.now))).count

    for passed, taken in ((0, 4), (0.125, 5), (0.125, 5), (1, 7), (10, 11), (10, 15)):
        platform.clock.move(passed)
        await send(platform, one, "log", many)
        assert await stored(one) == taken
    assert await stored(other) == 0
    await send(platform, other, "log", many)
    assert await stored(other) == 4


async def test_w45_what_a_full_journal_refuses_is_not_counted(
    platform: Platform, owner: Agent
) -> None:
    unit, _ = await two_units(platform, owner)
    share = LogShare(per_second=0, burst=1)
    platform.receive = evolve(platform.receive, log_share=share)
    room, platform.journal.bytes_max = platform.journal.bytes_max, 1
    entry = b'{"level": "info", "text": "x"}'
    with pytest.raises(Unavailable):
        await send(platform, unit, "log", entry)
    platform.journal.bytes_max = room
    assert share.left(unit, platform.clock.now) == 1
    await send(platform, unit, "log", entry)
    assert share.left(unit, platform.clock.now) == 0


async def test_w45_what_is_remembered_of_units_that_log_is_bounded(platform: Platform) -> None:
    now = platform.clock.now
    share, units = (
        LogShare(per_second=0, burst=3, units_max=2),
        [UnitId(UUID(int=n)) for n in (1, 2, 3)],
    )
    for unit in units:
        share.spend(unit, 1, now)
    assert [share.left(unit, now) for unit in units] == [3, 2, 2]


async def test_a_report_of_a_unit_that_is_gone_is_dropped(platform: Platform) -> None:
    await send(platform, UnitId(UUID(int=999)), "state", b"{}")


async def test_presence_follows_the_broker_and_starts_from_nobody(
    platform: Platform, owner: Agent
) -> None:
    unit, _ = await two_units(platform, owner)
    me, before = Agent.unit(unit), await platform.row(unit)
    await platform.presence.connected(me)
    seen = platform.clock.now
    assert await platform.row(unit) == evolve(before, is_online=True, last_seen_datetime=seen)
    platform.clock.move(5)
    await platform.presence.disconnected(me)
    row = await platform.row(unit)
    assert (row.is_online, row.last_seen_datetime) == (False, platform.clock.now)
    await platform.presence.connected(me)
    await platform.presence.reset()
    assert not (await platform.row(unit)).is_online
    for nobody in (BACKEND, Agent.unit(UnitId(UUID(int=999)))):
        await platform.presence.connected(nobody)


async def test_a_units_samples_and_reports_in_one_batch_are_all_kept(
    platform: Platform, owner: Agent
) -> None:
    unit, _ = await two_units(platform, owner)
    temp = await platform.node(unit, TEMP)
    await keep_values(platform, temp)
    node = f"{temp.uuid}/pepeunit"
    await platform.receive(
        [
            inbound(unit, node, b"1"),
            inbound(
                unit, f"output_base_topic/{unit}/state/pepeunit", b'{"pu_commit_version": "abc"}'
            ),
            inbound(unit, node, b"2"),
        ]
    )
    await platform.run_pipes()
    row = await platform.node_row(NodeId(temp.uuid))
    assert row is not None and row.state == "2"
    assert (await platform.row(unit)).current_commit_version == "abc"


async def keep_values(platform: Platform, node: Node) -> None:
    """Give the node a pipe that keeps the newest value, and have the pipeline know it."""
    async with platform.database.begin() as tx:
        text = json.dumps(
            {
                "active_period": {"type": "Permanent"},
                "filters": {"type_input_value": "Text", "max_rate": 0, "max_size": 0},
                "processing_policy": {"policy_type": "LastValue"},
            }
        )
        await tx.nodes.put([evolve(node, data_pipe_yml=text, is_data_pipe_active=True)])
    await platform.run_pipes()


class SlowLane:
    """Rows that would take a minute."""

    rows_per_second = 10.0
    live_row_count = 600
    is_down = False


@pytest.mark.parametrize("reason", ["the stores are slow", "the journal is full"])
async def test_qos_0_is_dropped_and_counted_where_qos_1_is_kept_or_refused(
    platform: Platform, owner: Agent, reason: str
) -> None:
    unit, _ = await two_units(platform, owner)
    temp = await platform.node(unit, TEMP)
    await keep_values(platform, temp)
    node = f"{temp.uuid}/pepeunit"
    is_full = reason == "the journal is full"
    if is_full:
        platform.journal.bytes_max = platform.journal.waiting_bytes
    else:
        platform.ingest._admission.lanes = [SlowLane()]  # type: ignore[list-item]
    await platform.receive([inbound(unit, node, b"0", qos=0)] * 3)
    assert platform.ingest.counters.outcomes()["shed"] == 3
    assert platform.ingest.counters.received == 0
    mixed = [inbound(unit, node, b"0", qos=0), inbound(unit, node, b"1")]
    if is_full:
        with pytest.raises(Unavailable):
            await platform.receive(mixed)
    else:
        await platform.receive(mixed)
        assert platform.ingest.counters.outcomes()["shed"] == 4
        await platform.run_pipes()
        row = await platform.node_row(NodeId(temp.uuid))
        assert row is not None and row.state == "1"
