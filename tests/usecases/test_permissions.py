"""Who may open a thing to whom, what comes with an edge, and what goes with it."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from attrs import frozen

from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.policy import Action
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Forbidden, Invalid, NotFound, Refused, Topic
from pepeunit.domain.ids import RepoId, UnitId
from pepeunit.domain.nodes.node import Node
from pepeunit.ports.nodes import EdgeQuery
from pepeunit.ports.permissions import PermissionQuery
from pepeunit.usecases.access.gates import unit_for
from pepeunit.usecases.messages.authorize_topic import MqttAction
from tests.usecases.platform import DOMAIN, Platform

PRIVATE = Visibility.PRIVATE
USER, UNIT = PermissionEntity.USER, PermissionEntity.UNIT
SCHEMA_UPDATE = {"COMMAND": "SchemaUpdate"}
REPO, NODE = PermissionEntity.REPO, PermissionEntity.UNIT_NODE


@frozen
class Home:
    """A private unit of the owner's, and a public one of a stranger's."""

    repo: RepoId
    secret: UnitId
    foreign: UnitId
    output: Node
    input: Node
    foreign_input: Node


@pytest.fixture
async def home(platform: Platform, owner: Agent, stranger: Agent) -> Home:
    repo = await platform.repo(owner)
    secret = await platform.unit(owner, repo, "secret", PRIVATE)
    foreign = await platform.unit(stranger, repo, "foreign")
    return Home(
        repo,
        secret,
        foreign,
        output=await platform.node(secret, "temp/pepeunit"),
        input=await platform.node(secret, "led/pepeunit"),
        foreign_input=await platform.node(foreign, "led/pepeunit"),
    )


def key(agent: Agent) -> UUID:
    assert agent.uuid is not None
    return agent.uuid


async def sees(platform: Platform, agent: Agent, unit: UnitId) -> bool:
    async with platform.database.read() as rows:
        try:
            await unit_for(rows, agent, Action.SEE, unit)
        except NotFound:
            return False
    return True


async def holders(
    platform: Platform, owner: Agent, thing: UUID, kind: PermissionEntity
) -> set[UUID]:
    page = await platform.list_permissions(owner, PermissionQuery(thing, kind))
    return {row.agent_uuid for row in page.items}


async def test_w1_a_permission_opens_a_private_unit_until_it_is_taken_back(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    assert not await sees(platform, stranger, home.secret)
    row = await platform.create_permission(owner, key(stranger), USER, home.secret, UNIT)
    assert (row.agent_uuid, row.resource_uuid, row.is_from_edge) == (
        key(stranger),
        home.secret,
        False,
    )
    assert await sees(platform, stranger, home.secret)
    assert await holders(platform, owner, home.secret, UNIT) == {
        key(owner),
        key(stranger),
        home.secret,
    }
    await platform.delete_permission(owner, key(stranger), home.secret)
    assert not await sees(platform, stranger, home.secret)


@pytest.mark.parametrize("who", ["stranger", "admin"])
async def test_w1_nobody_but_the_creator_gives_lists_or_takes(
    platform: Platform, home: Home, owner: Agent, stranger: Agent, admin: Agent, who: str
) -> None:
    agent, refusal = (stranger, NotFound) if who == "stranger" else (admin, Forbidden)
    for thing, kind in ((home.secret, UNIT), (home.output.uuid, NODE)):
        with pytest.raises(refusal):
            await platform.create_permission(agent, key(agent), USER, thing, kind)
        with pytest.raises(refusal):
            await platform.list_permissions(agent, PermissionQuery(thing, kind))
        with pytest.raises(refusal):
            await platform.delete_permission(agent, key(owner), thing)
    for public, kind in ((home.repo, REPO), (home.foreign_input.uuid, NODE)):
        outsider = admin if public == home.repo else owner
        with pytest.raises(Forbidden):
            await platform.create_permission(outsider, key(outsider), USER, public, kind)


async def test_w1_anonymous_callers_and_units_give_and_list_nothing(
    platform: Platform, home: Home
) -> None:
    for agent in (ANONYMOUS, Agent.unit(home.secret)):
        with pytest.raises(Forbidden):
            await platform.create_permission(agent, home.foreign, UNIT, home.secret, UNIT)
        with pytest.raises(Forbidden):
            await platform.list_permissions(agent, PermissionQuery(home.secret, UNIT))


@pytest.mark.parametrize(
    ("agent_type", "resource_type", "paths"),
    [
        (REPO, UNIT, ["agent_type"]),
        (NODE, UNIT, ["agent_type"]),
        (USER, USER, ["resource_type"]),
        (REPO, USER, ["agent_type", "resource_type"]),
    ],
)
async def test_w40_kinds_that_cannot_be_joined_are_refused(
    platform: Platform,
    home: Home,
    owner: Agent,
    agent_type: PermissionEntity,
    resource_type: PermissionEntity,
    paths: list[str],
) -> None:
    with pytest.raises(Invalid) as refused:
        await platform.create_permission(owner, key(owner), agent_type, home.secret, resource_type)
    assert refused.value.topic is Topic.PERMISSION
    assert [path for path, _ in refused.value.violations] == paths
    with pytest.raises(Invalid):
        await platform.list_permissions(owner, PermissionQuery(home.secret, USER))


async def test_an_end_that_is_missing_unseen_or_of_another_kind_is_refused(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    hidden = await platform.unit(stranger, home.repo, "hidden", PRIVATE)
    for agent, kind in ((uuid4(), USER), (uuid4(), UNIT), (hidden, UNIT), (home.foreign, USER)):
        with pytest.raises(NotFound):
            await platform.create_permission(owner, agent, kind, home.secret, UNIT)
    for thing, kind in ((uuid4(), UNIT), (home.secret, NODE), (home.secret, REPO)):
        with pytest.raises(NotFound):
            await platform.create_permission(owner, key(stranger), USER, thing, kind)


async def test_a_second_permission_for_the_same_two_is_refused(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    await platform.create_permission(owner, key(stranger), USER, home.repo, REPO)
    with pytest.raises(Conflict) as clash:
        await platform.create_permission(owner, key(stranger), USER, home.repo, REPO)
    assert clash.value.topic is Topic.PERMISSION


async def test_c2_an_agent_gives_its_own_right_up(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    agents = ((stranger, USER), (Agent.unit(home.foreign), UNIT))
    for agent, kind in agents:
        await platform.create_permission(owner, key(agent), kind, home.secret, UNIT)
        await platform.delete_permission(agent, key(agent), home.secret)
        assert not await sees(platform, agent, home.secret)
        with pytest.raises(NotFound):
            await platform.delete_permission(agent, key(agent), home.secret)


async def test_c2_an_agent_gives_up_no_right_of_another(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    await platform.create_permission(owner, key(stranger), USER, home.secret, UNIT)
    await platform.create_permission(owner, home.foreign, UNIT, home.secret, UNIT)
    with pytest.raises(Forbidden):
        await platform.delete_permission(stranger, home.foreign, home.secret)
    with pytest.raises(Forbidden):
        await platform.delete_permission(Agent.unit(home.foreign), key(stranger), home.secret)


async def test_rulings_1_an_unseen_thing_and_an_absent_permission_are_refused_alike(
    platform: Platform, home: Home, stranger: Agent, owner: Agent
) -> None:
    texts = set()
    for agent, resource in (
        (key(owner), home.secret),
        (uuid4(), home.secret),
        (uuid4(), uuid4()),
        (key(stranger), home.secret),
    ):
        with pytest.raises(NotFound) as refused:
            await platform.delete_permission(stranger, agent, resource)
        texts.add(refused.value.message)
    assert texts == {"permission not found"}


async def test_rows_that_are_always_there_cannot_be_deleted(
    platform: Platform, home: Home, owner: Agent
) -> None:
    for agent, resource in (
        (home.secret, home.secret),
        (key(owner), home.secret),
        (key(owner), home.output.uuid),
        (key(owner), home.repo),
        (home.secret, home.repo),
        (home.secret, home.output.uuid),
    ):
        with pytest.raises(Conflict) as protected:
            await platform.delete_permission(owner, agent, resource)
        assert protected.value.topic is Topic.PERMISSION


async def test_rulings_11_a_right_that_an_edge_gives_is_listed_and_goes_with_the_edge(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    await platform.create_permission(owner, key(stranger), USER, home.output.uuid, NODE)
    await platform.create_edge(stranger, home.output.uuid, home.foreign_input.uuid)
    expected = Permission.from_edge(home.foreign, home.output.uuid, NODE)
    page = await platform.list_permissions(owner, PermissionQuery(home.output.uuid, NODE))
    assert expected in page.items
    assert home.secret in await holders(platform, stranger, home.foreign, UNIT)
    with pytest.raises(Conflict) as derived:
        await platform.delete_permission(owner, home.foreign, home.output.uuid)
    assert derived.value.topic is Topic.PERMISSION
    assert "cut the link" in derived.value.message
    await platform.delete_edge(owner, home.output.uuid, home.foreign_input.uuid)
    assert home.foreign not in await holders(platform, owner, home.output.uuid, NODE)
    assert home.secret not in await holders(platform, stranger, home.foreign, UNIT)


async def test_rulings_11_a_row_given_beside_an_edge_outlives_it(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    await platform.create_permission(owner, key(stranger), USER, home.output.uuid, NODE)
    await platform.create_edge(stranger, home.output.uuid, home.foreign_input.uuid)
    row = await platform.create_permission(owner, home.foreign, UNIT, home.output.uuid, NODE)
    page = await platform.list_permissions(owner, PermissionQuery(home.output.uuid, NODE))
    assert [one for one in page.items if one.agent_uuid == home.foreign] == [row]
    await platform.delete_edge(stranger, home.output.uuid, home.foreign_input.uuid)
    assert home.foreign in await holders(platform, owner, home.output.uuid, NODE)


async def test_w30_a_right_lasts_while_a_parallel_edge_does(
    platform: Platform, home: Home, owner: Agent
) -> None:
    other = await platform.unit(owner, home.repo, "other")
    source = await platform.node(other, "temp/pepeunit")
    target = await platform.node(other, "led/pepeunit")
    await platform.create_edge(owner, home.output.uuid, target.uuid)
    await platform.create_edge(owner, source.uuid, home.input.uuid)
    assert await sees(platform, Agent.unit(other), home.secret)
    await platform.delete_edge(owner, home.output.uuid, target.uuid)
    assert await sees(platform, Agent.unit(other), home.secret)
    await platform.delete_edge(owner, source.uuid, home.input.uuid)
    assert not await sees(platform, Agent.unit(other), home.secret)


async def test_rulings_11_the_owner_of_either_node_cuts_a_link(
    platform: Platform, home: Home, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    public = await platform.unit(owner, home.repo, "public")
    ends = (await platform.node(public, "temp/pepeunit")).uuid, home.foreign_input.uuid
    platform.broker.listening.add(home.foreign)
    for cutter in (owner, stranger):
        await platform.create_edge(stranger, *ends)
        third = await platform.user(f"third-{cutter.uuid.int if cutter.uuid else 0}")
        for agent in (third, admin):
            with pytest.raises(Forbidden):
                await platform.delete_edge(agent, *ends)
        for agent in (ANONYMOUS, Agent.unit(public)):
            with pytest.raises(Forbidden):
                await platform.delete_edge(agent, *ends)
        told = platform.sent().count(("schema_update", SCHEMA_UPDATE))
        await platform.delete_edge(cutter, *ends)
        assert platform.sent().count(("schema_update", SCHEMA_UPDATE)) == told + 1
        with pytest.raises(NotFound):
            await platform.delete_edge(cutter, *ends)


async def test_rulings_1_an_unseen_link_and_an_absent_one_are_refused_alike(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    await platform.create_edge(owner, home.output.uuid, home.input.uuid)
    texts = set()
    for ends in (
        (home.output.uuid, home.input.uuid),
        (home.input.uuid, home.output.uuid),
        (home.output.uuid, home.foreign_input.uuid),
        (uuid4(), uuid4()),
    ):
        with pytest.raises(NotFound) as refused:
            await platform.delete_edge(stranger, *ends)  # type: ignore[arg-type]
        texts.add(refused.value.message)
    assert texts == {"edge not found"}


async def test_w29_nobody_links_an_input_of_another(
    platform: Platform, home: Home, owner: Agent, admin: Agent
) -> None:
    public = await platform.unit(owner, home.repo, "public")
    output = (await platform.node(public, "temp/pepeunit")).uuid
    for agent in (owner, admin):
        with pytest.raises(Forbidden):
            await platform.create_edge(agent, output, home.foreign_input.uuid)


async def test_rulings_11_the_owner_of_one_node_finds_the_link_to_an_unseen_one(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    public = await platform.unit(owner, home.repo, "public")
    output = await platform.node(public, "temp/pepeunit")
    edge = await platform.create_edge(stranger, output.uuid, home.foreign_input.uuid)
    third = await platform.user("third")
    for agent in (owner, stranger, third, ANONYMOUS):
        page = await platform.list_edges(agent, EdgeQuery(Scope.of(agent)))
        assert list(page.items) == [edge]
    await platform.change_node(stranger, home.foreign_input, visibility_level=PRIVATE)
    for agent, expected in (
        (owner, [edge]),
        (stranger, [edge]),
        (Agent.unit(public), [edge]),
        (third, []),
        (ANONYMOUS, []),
    ):
        page = await platform.list_edges(agent, EdgeQuery(Scope.of(agent)))
        assert list(page.items) == expected


async def test_w28_each_change_of_a_units_rights_makes_the_broker_judge_anew(
    platform: Platform, home: Home, owner: Agent, stranger: Agent
) -> None:
    unit = Agent.unit(home.foreign)
    topic = f"{DOMAIN}/{home.output.uuid}/pepeunit"
    broker = platform.broker

    async def hears() -> bool:
        return await platform.authorize(unit, MqttAction.SUBSCRIBE, topic) is not None

    assert not await hears()
    await platform.create_permission(owner, home.foreign, UNIT, home.output.uuid, NODE)
    assert (await hears(), broker.rechecks) == (True, 1)
    await platform.delete_permission(owner, home.foreign, home.output.uuid)
    assert (await hears(), broker.rechecks) == (False, 2)
    await platform.create_permission(owner, key(stranger), USER, home.output.uuid, NODE)
    assert (await hears(), broker.rechecks) == (False, 2)
    await platform.create_edge(stranger, home.output.uuid, home.foreign_input.uuid)
    assert (await hears(), broker.rechecks) == (True, 3)
    await platform.delete_edge(stranger, home.output.uuid, home.foreign_input.uuid)
    assert (await hears(), broker.rechecks) == (False, 4)


async def test_a_refused_change_makes_the_broker_judge_nothing(
    platform: Platform, home: Home, owner: Agent
) -> None:
    for refused in (
        platform.create_permission(owner, home.secret, UNIT, home.secret, UNIT),
        platform.delete_permission(owner, home.secret, home.secret),
        platform.delete_edge(owner, home.output.uuid, home.input.uuid),
    ):
        with pytest.raises(Refused):
            await refused
    assert platform.broker.rechecks == 0
