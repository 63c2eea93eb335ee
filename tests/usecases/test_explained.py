"""Who may ask about access and links, and what they are told (issue 5 part 4)."""

from __future__ import annotations

import pytest

from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.explain import AccessVerb, Ground
from pepeunit.domain.access.node_access import AccessWho, AgentAccess, NodeAccess
from pepeunit.domain.access.permission import PermissionEntity
from pepeunit.domain.access.restriction import Restriction, TokenScope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import AuditEntry
from pepeunit.domain.errors import Forbidden, Invalid, NotFound
from pepeunit.domain.ids import NodeId, UnitId, UserId
from pepeunit.domain.nodes.node import Node
from pepeunit.usecases.access.explain_access import ExplainAccess, ListAccess
from pepeunit.usecases.nodes.check_links import CheckLinks
from tests.usecases.platform import DOMAIN, Platform

USER, UNIT = PermissionEntity.USER, PermissionEntity.UNIT
PRIVATE = Visibility.PRIVATE


class Town:
    """The owner's private unit with a link from the stranger's unit, and one beside."""

    def __init__(self, platform: Platform, owner: Agent, stranger: Agent) -> None:
        self.platform, self.owner, self.stranger = platform, owner, stranger
        self.explain = ExplainAccess(platform.database, DOMAIN)
        self.list = ListAccess(platform.database, DOMAIN)
        self.check = CheckLinks(platform.database)

    async def build(self) -> Town:
        platform, owner, stranger = self.platform, self.owner, self.stranger
        repo = await platform.repo(owner)
        self.unit = await platform.unit(owner, repo, "lamp", PRIVATE)
        self.other = await platform.unit(stranger, repo, "switch", PRIVATE)
        self.lone = await platform.unit(stranger, repo, "lone", PRIVATE)
        self.led = await self.node(self.unit, "led/pepeunit")
        self.press = await self.node(self.other, "temp/pepeunit")
        await platform.create_permission(
            stranger, self.uuid(owner), USER, self.press.uuid, PermissionEntity.UNIT_NODE
        )
        await platform.create_edge(owner, self.press.uuid, self.led.uuid)
        return self

    async def node(self, unit: UnitId, name: str) -> Node:
        return await self.platform.node(unit, name)

    @staticmethod
    def uuid(agent: Agent) -> UserId:
        assert agent.user_id is not None
        return agent.user_id


@pytest.fixture
async def town(platform: Platform, owner: Agent, stranger: Agent) -> Town:
    return await Town(platform, owner, stranger).build()


def line(told: NodeAccess, who: AccessWho) -> AgentAccess:
    (found,) = [one for one in told.access if one.who is who]
    return found


def grounds(told: AgentAccess, verb: AccessVerb) -> list[Ground]:
    return [g for verdict in told.verdicts if verdict.verb is verb for g in verdict.grounds]


async def test_rulings_11_the_owner_is_told_of_everybody_who_is_anything_to_the_node(
    town: Town,
) -> None:
    told = await town.list(town.owner, town.led.uuid)
    assert told.topic == f"{DOMAIN}/{town.led.uuid}/pepeunit"
    assert [one.who for one in told.access] == [
        AccessWho.OWNER,
        AccessWho.ITS_UNIT,
        AccessWho.UNIT,
        *list(AccessWho)[4:],
    ]
    linked = line(told, AccessWho.UNIT)
    assert linked.uuid == town.other
    assert linked.name is None  # the owner does not see that unit
    assert grounds(linked, AccessVerb.MQTT_SUBSCRIBE) == [Ground.LINK]
    assert grounds(linked, AccessVerb.MQTT_PUBLISH) == [Ground.NOT_REWRITABLE]
    assert line(told, AccessWho.OWNER).name == "owner"
    assert grounds(line(told, AccessWho.OTHER_UNITS), AccessVerb.READ) == [Ground.HIDDEN]
    assert told.count == 3


async def test_rulings_1_who_does_not_see_a_node_is_not_told_of_it(
    town: Town, stranger: Agent
) -> None:
    for agent in (ANONYMOUS, stranger, Agent.unit(town.lone)):
        with pytest.raises(NotFound, match="node not found"):
            await town.explain(agent, town.led.uuid)
        with pytest.raises(NotFound, match="node not found"):
            await town.explain(agent, NodeId(town.platform.ids()))
    with pytest.raises(NotFound, match="node not found"):
        await town.list(stranger, town.led.uuid)


async def test_any_agent_that_sees_a_node_asks_about_itself_and_about_nobody_else(
    town: Town,
) -> None:
    unit = Agent.unit(town.other)
    (own,) = (await town.explain(unit, town.led.uuid)).access
    assert grounds(own, AccessVerb.READ) == [Ground.LINK]
    assert (await town.explain(unit, town.led.uuid, (UNIT, town.other))).access == (own,)
    with pytest.raises(Forbidden):
        await town.explain(unit, town.led.uuid, (UNIT, town.unit))
    with pytest.raises(Forbidden):
        await town.list(Agent.unit(town.unit), town.led.uuid)


async def test_rulings_1_a_unit_that_the_owner_does_not_see_is_not_told_of(town: Town) -> None:
    about = town.platform.ids()
    for unseen in (town.lone, about):
        with pytest.raises(NotFound, match="unit not found"):
            await town.explain(town.owner, town.led.uuid, (UNIT, unseen))
    for wrong in (town.other, about):
        with pytest.raises(NotFound, match="user not found"):
            await town.explain(town.owner, town.led.uuid, (USER, wrong))
    with pytest.raises(Invalid):
        await town.explain(town.owner, town.led.uuid, (PermissionEntity.REPO, about))
    (linked,) = (await town.explain(town.owner, town.led.uuid, (UNIT, town.other))).access
    assert (linked.who, linked.name) == (AccessWho.UNIT, None)


async def test_rulings_8_an_administrators_question_is_told_to_the_owner(
    town: Town, admin: Agent
) -> None:
    async def ask(agent: Agent, *, about: bool) -> None:
        acts = town.platform.acts
        async with acts(agent, "unit_nodes.explain", "", changes=False):
            if about:
                await town.explain(agent, public.uuid, (USER, town.uuid(town.stranger)))
            else:
                await town.list(agent, public.uuid)

    repo = (await town.platform.row(town.unit)).repo_uuid
    public = await town.node(await town.platform.unit(town.owner, repo, "open"), "led/pepeunit")
    known = {entry.uuid for entry in await town.platform.entries()}

    async def news() -> list[AuditEntry]:
        return [one for one in await town.platform.entries() if one.uuid not in known]

    for about in (True, False):
        await ask(town.owner, about=about)
    assert await news() == []
    for about in (True, False):
        await ask(admin, about=about)
    assert [(entry.subject.owner, entry.agent_uuid) for entry in await news()] == [
        (town.owner.uuid, admin.uuid)
    ] * 2
    await town.explain(admin, public.uuid)  # about himself: as any user
    assert len(await news()) == 2


async def test_w22_a_blocked_person_and_his_units_are_told_as_blocked(
    town: Town, admin: Agent
) -> None:
    await town.platform.block_user(admin, town.uuid(town.stranger))
    told = line(await town.list(town.owner, town.led.uuid), AccessWho.UNIT)
    assert {g for verb in AccessVerb for g in grounds(told, verb)} == {Ground.BLOCKED}
    assert not any(verdict.is_allowed for verdict in told.verdicts)


async def test_w26_an_api_token_is_told_what_it_lacks(town: Town) -> None:
    reader = town.owner.restricted(Restriction(TokenScope.READ))
    (own,) = (await town.explain(reader, town.led.uuid)).access
    assert grounds(own, AccessVerb.SET_INPUT) == [Ground.API_TOKEN]
    await town.list(reader, town.led.uuid)
    elsewhere = Restriction(TokenScope.OWN, frozenset({town.lone}))
    with pytest.raises(NotFound):
        await town.list(town.owner.restricted(elsewhere), town.led.uuid)


async def test_links_of_ones_own_units_are_checked_and_others_are_not_named(town: Town) -> None:
    graph, report = await town.check(town.owner)
    assert {node.unit_uuid for node in graph.own} == {town.unit}
    assert [node.uuid for node in graph.others] == [town.press.uuid]
    assert graph.unit_names == {town.unit: "lamp"}
    assert [node.topic_name for node in report.unread_outputs] == ["temp/pepeunit"]
    assert report.dead_inputs == () and report.lost_edges == ()
    _, theirs = await town.check(town.stranger)
    assert [node.unit_uuid for node in theirs.dead_inputs].count(town.other) == 1


async def test_rulings_11_a_link_whose_right_was_taken_back_is_found(town: Town) -> None:
    await town.platform.delete_permission(town.stranger, town.uuid(town.owner), town.press.uuid)
    for agent in (town.owner, town.stranger):
        _, report = await town.check(agent)
        (lost,) = report.lost_edges
        assert lost.reason == "who made the link does not see the output any more"


async def test_w26_an_api_token_checks_the_links_of_its_units_alone(town: Town) -> None:
    repo = (await town.platform.row(town.unit)).repo_uuid
    await town.platform.unit(town.owner, repo, "open")
    limited = town.owner.restricted(Restriction(TokenScope.READ, frozenset({town.unit})))
    graph, _ = await town.check(limited)
    assert {node.unit_uuid for node in graph.own} == {town.unit}
    nobody, _ = await town.check(await town.platform.user("empty"))
    assert list(nobody.own) == [] and list(nobody.edges) == []
    for agent in (ANONYMOUS, Agent.unit(town.unit)):
        with pytest.raises(Forbidden):
            await town.check(agent)
