"""Nodes, inputs and edges (devices.md 7 and 8, O21, rulings 11, 12, 13, 32)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Forbidden, Invalid, NotFound, OverLimit, Topic
from pepeunit.domain.ids import NodeId, UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.ports.nodes import NodeQuery
from pepeunit.usecases.messages.authorize_topic import MqttAction
from pepeunit.usecases.nodes.read_nodes import GetNode, ListNodes
from tests.usecases.platform import DOMAIN, Platform, program

PRIVATE = Visibility.PRIVATE
LED, TEMP = "led/pepeunit", "temp/pepeunit"


async def test_o21_setting_an_input_changes_its_state_alone(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    before = await platform.change_node(
        owner,
        await platform.node(unit, LED),
        visibility_level=PRIVATE,
        is_rewritable_input=True,
        is_data_pipe_active=True,
        max_connections=3,
    )
    platform.clock.move(5)
    await platform.set_input(owner, before.uuid, "on")
    now = platform.clock.now
    assert await platform.node_row(before.uuid) == evolve(
        before, state="on", state_datetime=now, last_update_datetime=now
    )
    (message,) = platform.broker.published
    assert (message.topic, message.payload, message.qos) == (
        f"{DOMAIN}/{before.uuid}/pepeunit",
        b"on",
        1,
    )


async def test_null_clears_the_state_and_publishes_nothing(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    led = await platform.node(unit, LED)
    await platform.set_input(owner, led.uuid, "on")
    assert (await platform.set_input(owner, led.uuid, None)).state is None
    assert len(platform.broker.published) == 1


async def test_rulings_12_a_strangers_value_needs_a_rewritable_input(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    other = Agent.unit(await platform.unit(stranger, repo, "other"))
    led = await platform.node(unit, LED)
    for agent in (owner, Agent.unit(unit)):
        await platform.set_input(agent, led.uuid, "mine")
    for agent in (stranger, other, ANONYMOUS):
        with pytest.raises(Forbidden):
            await platform.set_input(agent, led.uuid, "theirs")
    await platform.change_node(owner, led, is_rewritable_input=True)
    for agent in (stranger, other):
        await platform.set_input(agent, led.uuid, "theirs")
    with pytest.raises(Forbidden):
        await platform.set_input(ANONYMOUS, led.uuid, "theirs")
    await platform.change_node(owner, led, visibility_level=PRIVATE)
    for agent in (stranger, other):
        with pytest.raises(NotFound):
            await platform.set_input(agent, led.uuid, "theirs")


async def test_an_output_cannot_be_set(platform: Platform, owner: Agent) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    with pytest.raises(Invalid) as refused:
        await platform.set_input(owner, (await platform.node(unit, TEMP)).uuid, "1")
    assert refused.value.topic is Topic.NODE


@pytest.mark.parametrize(
    ("state", "leaf"), [("x" * 1025, OverLimit), ("\ud800", Invalid), ("a\0b", Invalid)]
)
async def test_a_value_no_broker_or_store_takes_is_refused(
    platform: Platform, owner: Agent, state: str, leaf: type[Exception]
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    led = await platform.node(unit, LED)
    with pytest.raises(leaf):
        await platform.set_input(owner, led.uuid, state)
    assert await platform.node_row(led.uuid) == led
    assert platform.broker.published == []


async def test_rulings_32_a_failed_publish_keeps_the_state(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    led = await platform.node(unit, LED)
    platform.broker.is_down = True
    with pytest.raises(Invalid) as refused:
        await platform.set_input(owner, led.uuid, "on")
    assert refused.value.topic is Topic.MQTT
    row = await platform.node_row(led.uuid)
    assert row is not None and row.state == "on"


async def test_node_settings_are_the_owners_and_are_checked(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner), visibility=Visibility.INTERNAL)
    temp = await platform.node(unit, TEMP)
    for agent in (stranger, admin, Agent.unit(unit), ANONYMOUS):
        with pytest.raises((Forbidden, NotFound)):
            await platform.change_node(agent, temp, max_connections=5)
    changes: list[tuple[dict[str, Any], Topic]] = [
        ({"is_rewritable_input": True}, Topic.NODE),
        ({"max_connections": 0}, Topic.NODE),
        ({"visibility_level": Visibility.PUBLIC}, Topic.ENTITY),
    ]
    for change, topic in changes:
        with pytest.raises(Invalid) as refused:
            await platform.change_node(owner, temp, **change)
        assert refused.value.topic is topic
    assert await platform.node_row(temp.uuid) == temp


async def test_w28_changed_rights_are_felt_at_once(platform: Platform, owner: Agent) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    led = await platform.node(unit, LED)
    await platform.change_node(owner, led, max_connections=5)
    assert platform.broker.rechecks == 0
    await platform.change_node(owner, led, is_rewritable_input=True)
    await platform.change_node(owner, led, visibility_level=PRIVATE)
    assert platform.broker.rechecks == 2


async def test_rulings_13_a_pipes_config_is_the_creators_alone(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    node = evolve(await platform.node(unit, TEMP), data_pipe_yml="a: 1", data_pipe_error="bad")
    async with platform.database.begin() as tx:
        await tx.nodes.put([node])
    get, listing = GetNode(platform.database), ListNodes(platform.database)
    for agent, shown in ((owner, "a: 1"), (stranger, None), (admin, None), (ANONYMOUS, None)):
        assert (await get(agent, node.uuid)).data_pipe_yml == shown
        page = await listing(agent, NodeQuery(Scope.of(agent), uuids=frozenset([node.uuid])))
        assert [found.data_pipe_yml for found in page.items] == [shown]


async def pair(
    platform: Platform, output_owner: Agent, input_owner: Agent
) -> tuple[UnitId, NodeId, UnitId, NodeId]:
    repo = await platform.repo(output_owner)
    one = await platform.unit(output_owner, repo, "one-")
    two = await platform.unit(input_owner, repo, "two-")
    output, input_ = await platform.node(one, TEMP), await platform.node(two, LED)
    return one, output.uuid, two, input_.uuid


async def test_w29_linking_takes_owning_the_input_and_seeing_the_output(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    _, output, two, input_ = await pair(platform, stranger, owner)
    for agent in (stranger, admin, Agent.unit(two), ANONYMOUS):
        with pytest.raises(Forbidden):
            await platform.create_edge(agent, output, input_)
    edge = await platform.create_edge(owner, output, input_)
    assert (edge.node_output_uuid, edge.node_input_uuid) == (output, input_)
    (pending,) = await platform.outbox()
    assert (pending.unit_uuid, pending.kind) == (two, CommandKind.SCHEMA_UPDATE)


async def test_a_private_output_is_absent_for_who_would_link_it(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    one, output, _, input_ = await pair(platform, stranger, owner)
    node = await platform.node_row(output)
    assert node is not None
    await platform.change_node(stranger, node, visibility_level=PRIVATE)
    with pytest.raises(NotFound):
        await platform.create_edge(owner, output, input_)
    own = await platform.unit(admin, (await platform.row(one)).repo_uuid, "admins")
    with pytest.raises(Forbidden):
        await platform.create_edge(admin, output, (await platform.node(own, LED)).uuid)


async def test_edges_lead_from_outputs_to_inputs_once_and_to_the_limit(
    platform: Platform, owner: Agent
) -> None:
    one, output, two, input_ = await pair(platform, owner, owner)
    for wrong in ((input_, output), (output, output), (input_, input_)):
        with pytest.raises(Invalid) as refused:
            await platform.create_edge(owner, *wrong)
        assert refused.value.topic is Topic.NODE
    await platform.create_edge(owner, output, input_)
    with pytest.raises(Conflict):
        await platform.create_edge(owner, output, input_)
    node = await platform.node_row(input_)
    assert node is not None
    await platform.change_node(owner, node, max_connections=1)
    with pytest.raises(OverLimit) as full:
        await platform.create_edge(owner, (await platform.node(two, TEMP)).uuid, input_)
    assert (full.value.limit, full.value.actual) == (1, 1)
    assert one != two


async def test_rulings_11_an_edge_gives_the_linked_units_sight_of_private_nodes(
    platform: Platform, owner: Agent
) -> None:
    one, output, two, input_ = await pair(platform, owner, owner)
    for uuid in (output, input_):
        node = await platform.node_row(uuid)
        assert node is not None
        await platform.change_node(owner, node, visibility_level=PRIVATE)

    async def hears(unit: UnitId, node: NodeId) -> bool:
        topic = f"{DOMAIN}/{node}/pepeunit"
        found = await platform.authorize(Agent.unit(unit), MqttAction.SUBSCRIBE, topic)
        return found is not None

    async def lists(unit: UnitId) -> set[NodeId]:
        agent = Agent.unit(unit)
        page = await ListNodes(platform.database)(agent, NodeQuery(Scope.of(agent)))
        return {node.uuid for node in page.items}

    assert not await hears(two, output) and not await hears(one, input_)
    assert output not in await lists(two)
    edge = await platform.create_edge(owner, output, input_)
    assert await hears(two, output) and await hears(one, input_)
    assert output in await lists(two) and input_ in await lists(one)
    topic = f"{DOMAIN}/{output}/pepeunit"
    assert await platform.authorize(Agent.unit(two), MqttAction.PUBLISH, topic) is None
    async with platform.database.begin() as tx:
        await tx.edges.delete(edge)
    assert not await hears(two, output) and not await hears(one, input_)


async def test_o23_the_owner_of_either_node_cuts_a_link_and_nobody_else(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    _, output, two, input_ = await pair(platform, stranger, owner)
    third = await platform.user("third")
    for cutter in (stranger, owner):
        await platform.create_edge(owner, output, input_)
        for agent in (third, admin, Agent.unit(two), ANONYMOUS):
            with pytest.raises(Forbidden):
                await platform.delete_edge(agent, output, input_)
        platform.broker.published.clear()
        rechecks = platform.broker.rechecks
        await platform.delete_edge(cutter, output, input_)
        assert platform.broker.rechecks == rechecks + 1
        assert [(found.unit_uuid, found.kind) for found in await platform.outbox()] == [
            (two, CommandKind.SCHEMA_UPDATE)
        ]
        with pytest.raises(NotFound):
            await platform.delete_edge(cutter, output, input_)


async def test_o23_the_owner_of_an_output_cuts_a_link_to_an_input_he_cannot_see(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    _, output, _, input_ = await pair(platform, stranger, owner)
    await platform.create_edge(owner, output, input_)
    node = await platform.node_row(input_)
    assert node is not None
    await platform.change_node(owner, node, visibility_level=PRIVATE)
    third = await platform.user("third")
    for pair_of in ((output, input_), (output, output)):
        with pytest.raises(NotFound, match="edge not found"):
            await platform.delete_edge(third, *pair_of)
    await platform.delete_edge(stranger, output, input_)


async def test_o23_a_right_lasts_as_long_as_any_link_that_gives_it(
    platform: Platform, owner: Agent
) -> None:
    inputs = ["led/pepeunit", "fan/pepeunit"]
    platform.remote.push(program({"input_topic": inputs}), tag="v2")
    _, output, two, _ = await pair(platform, owner, owner)
    shown = await platform.node_row(output)
    assert shown is not None
    await platform.change_node(owner, shown, visibility_level=PRIVATE)
    ends = [(await platform.node(two, name)).uuid for name in inputs]
    heard = []
    for change in (platform.create_edge, platform.delete_edge):
        for input_ in ends:
            await change(owner, output, input_)
            topic = f"{DOMAIN}/{output}/pepeunit"
            found = await platform.authorize(Agent.unit(two), MqttAction.SUBSCRIBE, topic)
            heard.append(found is not None)
    assert heard == [True, True, True, False]


async def test_o17_listeners_of_a_removed_output_are_told(platform: Platform, owner: Agent) -> None:
    one, output, two, input_ = await pair(platform, owner, owner)
    platform.broker.listening.update((one, two))
    await platform.create_edge(owner, output, input_)
    platform.broker.published.clear()
    platform.remote.push(program({"output_topic": ["hum/pepeunit"]}), tag="v2")
    repo = await platform.repo_row((await platform.row(one)).repo_uuid)
    async with platform.database.begin() as tx:
        await tx.units.put(evolve(await platform.row(two), is_auto_update_from_repo_unit=False))
    await platform.sync_then_update(repo.repository_registry_uuid)
    words = {(word, topic) for word, topic in _by_unit(platform)}
    assert ("update", one) in words and ("schema_update", two) in words
    assert await platform.node_row(output) is None


async def test_o17_listeners_of_a_deleted_unit_are_told(platform: Platform, owner: Agent) -> None:
    one, output, two, input_ = await pair(platform, owner, owner)
    await platform.create_edge(owner, output, input_)
    platform.broker.listening.add(two)
    await platform.presence.listening(Agent.unit(two))
    platform.broker.published.clear()
    await platform.delete_unit(owner, one)
    assert ("schema_update", two) in _by_unit(platform)
    schema = await platform.get_schema(owner, two)
    assert schema["input_topic"][LED] == [f"{DOMAIN}/{input_}/pepeunit"]


def _by_unit(platform: Platform) -> list[tuple[str, UnitId]]:
    return [
        (found.topic.split("/")[3], UnitId(UUID(found.topic.split("/")[2])))
        for found in platform.broker.published
    ]
