"""API tokens from the first use to the end (W26, issue 5 part 5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.api_tokens import (
    API_TOKEN_LIFETIME_MAX,
    API_TOKEN_UNITS_MAX,
    API_TOKENS_MAX,
    api_token_digest,
)
from pepeunit.domain.access.restriction import Restriction, TokenScope
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import (
    Forbidden,
    Invalid,
    NotFound,
    OverLimit,
    Throttled,
    Topic,
    Unauthenticated,
)
from pepeunit.domain.ids import UnitId, UserId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.users.user import UserRole
from pepeunit.ports.nodes import EdgeQuery, NodeQuery
from pepeunit.ports.repos import RepoQuery
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.messages.authorize_topic import MqttAction
from pepeunit.usecases.units.edit_unit import UnitChanges
from pepeunit.usecases.users.api_tokens import ApiTokenSettings
from pepeunit.usecases.users.block_user import UnblockUser
from pepeunit.usecases.users.first_admin import ResetPassword
from tests.usecases.platform import DOMAIN, PASSWORD, Platform

READ, CONTROL, OWN = TokenScope.READ, TokenScope.CONTROL, TokenScope.OWN
HERE = "203.0.113.7"


async def token_of(
    platform: Platform, agent: Agent, scope: TokenScope = OWN, *units: UnitId
) -> str:
    settings = ApiTokenSettings("script", scope, frozenset(units) if units else None)
    platform.throttle.forget(f"api tokens: {agent.uuid}")
    return (await platform.create_api_token(agent, settings))[1]


async def used(platform: Platform, agent: Agent, scope: TokenScope = OWN, *units: UnitId) -> Agent:
    return await platform.authenticate(await token_of(platform, agent, scope, *units))


def uuid_of(agent: Agent) -> UserId:
    assert agent.user_id is not None
    return agent.user_id


async def test_w26_a_token_is_shown_once_and_only_its_digest_is_kept(
    platform: Platform, owner: Agent
) -> None:
    token, text = await platform.create_api_token(owner, ApiTokenSettings("script", READ))
    assert (await platform.list_api_tokens(owner))[0] == token
    assert token.digest == api_token_digest(text)
    assert text not in repr(platform.stored._world) and token.hint in text
    agent = await platform.authenticate(text)
    assert (agent.uuid, agent.restriction) == (owner.uuid, Restriction(READ))
    assert agent.name == "owner by API token 'script'"
    for entry in await platform.entries():
        assert text not in repr(entry) and token.digest not in repr(entry)


async def test_w26_a_made_up_token_is_refused(platform: Platform, owner: Agent) -> None:
    text = await token_of(platform, owner)
    for wrong in ("pu_", "pu_x", text[:-1], text.lower()):
        with pytest.raises(Unauthenticated):
            await platform.authenticate(wrong)


async def test_w26_a_revoked_token_is_refused_by_the_next_call(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    token, text = await platform.create_api_token(owner, ApiTokenSettings("script", READ))
    await platform.authenticate(text)
    for other in (stranger, stranger):
        with pytest.raises(NotFound):
            await platform.revoke_api_token(other, token.uuid)
    await platform.revoke_api_token(owner, token.uuid)
    with pytest.raises(Unauthenticated, match="revoked"):
        await platform.authenticate(text)
    with pytest.raises(NotFound):
        await platform.revoke_api_token(owner, token.uuid)


@pytest.mark.parametrize("end", ["password", "everywhere", "administrator", "reset", "delete"])
async def test_w26_what_ends_an_accounts_sessions_ends_its_api_tokens(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent, end: str
) -> None:
    text, kept = await token_of(platform, owner), await token_of(platform, stranger)
    person = await platform.authenticate(await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE))
    match end:
        case "password":
            await platform.edit_user(person, None, password="new-password-1")
        case "everywhere":
            await platform.sign_out_everywhere(person)
        case "administrator":
            await platform.sign_out_user(admin, uuid_of(owner))
        case "reset":
            await ResetPassword(platform.database, platform.passwords, platform.ids.secret)("owner")
        case _:
            await platform.delete_user(owner, uuid_of(owner), uuid_of(stranger))
    with pytest.raises(Unauthenticated):
        await platform.authenticate(text)
    await platform.authenticate(kept)
    if end != "delete":
        assert await platform.list_api_tokens(owner) == []


@pytest.mark.parametrize("end", ["password", "everywhere", "administrator", "block"])
async def test_w26_a_session_that_ended_while_its_request_was_under_way_leaves_no_api_token(
    platform: Platform, owner: Agent, admin: Agent, end: str
) -> None:
    first = await platform.authenticate(await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE))
    thief = await platform.authenticate(await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE))
    match end:
        case "password":
            await platform.edit_user(first, None, password="new-password-1")
        case "everywhere":
            await platform.sign_out_everywhere(first)
        case "administrator":
            await platform.sign_out_user(admin, uuid_of(owner))
        case _:
            await platform.block_user(admin, uuid_of(owner))
    with pytest.raises(Unauthenticated):
        await platform.create_api_token(thief, ApiTokenSettings("kept", OWN))
    with pytest.raises(Unauthenticated):
        await platform.edit_user(thief, None, password="thiefs-password-1")
    async with platform.database.read() as rows:
        assert not await rows.api_tokens.of_user(uuid_of(owner))
    if end == "password":
        await platform.create_api_token(first, ApiTokenSettings("after", OWN))


async def test_w26_a_new_login_name_keeps_api_tokens(platform: Platform, owner: Agent) -> None:
    text = await token_of(platform, owner)
    await platform.edit_user(owner, None, login="renamed")
    await platform.authenticate(text)


async def test_w22_api_tokens_rest_while_their_person_is_blocked(
    platform: Platform, owner: Agent, admin: Agent
) -> None:
    text = await token_of(platform, owner)
    await platform.block_user(admin, uuid_of(owner))
    with pytest.raises(Unauthenticated):
        await platform.authenticate(text)
    await UnblockUser(platform.database)(admin, uuid_of(owner))
    await platform.authenticate(text)


async def test_w26_a_token_expires_and_then_leaves_the_quota(
    platform: Platform, owner: Agent
) -> None:
    settings = ApiTokenSettings("short", READ, lifetime=timedelta(seconds=60))
    _, text = await platform.create_api_token(owner, settings)
    await platform.authenticate(text)
    platform.clock.move(60)
    with pytest.raises(Unauthenticated, match="expired"):
        await platform.authenticate(text)
    assert [token.name for token in await platform.list_api_tokens(owner)] == ["short"]
    await token_of(platform, owner)
    assert [token.name for token in await platform.list_api_tokens(owner)] == ["script"]


async def test_the_last_use_is_written_once_a_minute(platform: Platform, owner: Agent) -> None:
    text = await token_of(platform, owner)

    async def last() -> object:
        return (await platform.list_api_tokens(owner))[0].last_use_datetime

    assert await last() is None
    told = len(await platform.entries())
    began = platform.clock()
    await asyncio.gather(*(platform.authenticate(text) for _ in range(5)))
    world = platform.stored._world
    platform.clock.move(59)
    await platform.authenticate(text)
    assert await last() == began and platform.stored._world is world
    platform.clock.move(1)
    await platform.authenticate(text)
    assert await last() == platform.clock()
    assert len(await platform.entries()) == told


async def test_w26_a_bad_wish_lists_every_violation(platform: Platform, owner: Agent) -> None:
    with pytest.raises(Invalid) as refused:
        await platform.create_api_token(
            owner, ApiTokenSettings("", READ, frozenset(), timedelta(0))
        )
    assert refused.value.topic is Topic.USER
    assert [path for path, _ in refused.value.violations] == [
        "name",
        "expires_in_seconds",
        "unit_uuids",
    ]
    many = frozenset(UnitId(platform.ids()) for _ in range(API_TOKEN_UNITS_MAX + 1))
    with pytest.raises(Invalid, match="1 to 100"):
        await platform.create_api_token(owner, ApiTokenSettings("many", READ, many))
    late = API_TOKEN_LIFETIME_MAX + timedelta(seconds=1)
    with pytest.raises(Invalid, match="31622400"):
        await platform.create_api_token(owner, ApiTokenSettings("late", READ, lifetime=late))


async def test_w25_a_person_has_so_many_api_tokens_and_no_more(
    platform: Platform, owner: Agent
) -> None:
    for _ in range(API_TOKENS_MAX - 1):
        await token_of(platform, owner)
    platform.throttle.forget(f"api tokens: {owner.uuid}")
    answers = await asyncio.gather(
        *(platform.create_api_token(owner, ApiTokenSettings("x", READ)) for _ in range(3)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(OverLimit) == 2


async def test_w25_making_tokens_is_throttled_for_each_person(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    for _ in range(10):
        await platform.create_api_token(owner, ApiTokenSettings("x", READ))
    with pytest.raises(Throttled):
        await platform.create_api_token(owner, ApiTokenSettings("x", READ))
    await platform.create_api_token(stranger, ApiTokenSettings("x", READ))


async def test_w5_an_api_token_opens_no_mqtt_session(platform: Platform, owner: Agent) -> None:
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    temp = await platform.node(unit, "temp/pepeunit")
    text = await token_of(platform, owner)
    with pytest.raises(Unauthenticated, match="MQTT"):
        await platform.admit(text, str(unit))
    for action in (*MqttAction, None):
        topic = f"{DOMAIN}/{temp.uuid}/pepeunit"
        assert not await platform.answer_broker(text, topic, action)
    assert (await platform.list_api_tokens(owner))[0].last_use_datetime is None


async def test_w26_no_api_token_makes_or_reads_tokens(platform: Platform, owner: Agent) -> None:
    agent = await used(platform, owner)
    (token,) = await platform.list_api_tokens(owner)
    for asked in (
        platform.create_api_token(agent, ApiTokenSettings("x", READ)),
        platform.list_api_tokens(agent),
        platform.revoke_api_token(agent, token.uuid),
    ):
        with pytest.raises(Forbidden):
            await asked


async def test_w26_a_reader_takes_no_env_for_it_holds_the_devices_token(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    for scope in (READ, CONTROL):
        agent = await used(platform, owner, scope)
        with pytest.raises(Forbidden, match="this API token"):
            await platform.get_env(agent, unit)
        await platform.get_schema(agent, unit)
    await platform.get_env(await used(platform, owner), unit)


async def test_w26_each_scope_in_use(platform: Platform, owner: Agent, stranger: Agent) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    led = await platform.node(unit, "led/pepeunit")
    read, control = await used(platform, owner, READ), await used(platform, owner, CONTROL)
    own, others = await used(platform, owner), await used(platform, stranger)
    for agent in (read, others):
        with pytest.raises(Forbidden):
            await platform.send_command(agent, unit, CommandKind.ENV_UPDATE)
        with pytest.raises(Forbidden):
            await platform.set_input(agent, led.uuid, "on")
    await platform.send_command(control, unit, CommandKind.ENV_UPDATE)
    await platform.set_input(control, led.uuid, "on")
    changes = UnitChanges(name="renamed")
    for agent in (read, control, others):
        with pytest.raises(Forbidden):
            await platform.edit_unit(agent, unit, changes)
    await platform.edit_unit(own, unit, changes)


async def test_w26_an_administrators_api_token_does_not_administrate(
    platform: Platform, owner: Agent, admin: Agent
) -> None:
    repo = await platform.repo(owner)
    secret = await platform.unit(owner, repo, visibility=Visibility.PRIVATE)
    agent = await used(platform, admin)
    assert not agent.is_admin
    with pytest.raises(Forbidden):
        await platform.change_role(agent, uuid_of(owner), UserRole.ADMIN)
    async with platform.database.read() as rows:
        found = await rows.units.find(UnitQuery(Scope.of(agent)))
    assert secret not in {unit.uuid for unit in found.items}


async def test_w26_a_token_for_some_units_sees_those_and_their_nodes_alone(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    unit, other = await platform.unit(owner, repo, "one-"), await platform.unit(owner, repo, "two-")
    led = await platform.node(other, "led/pepeunit")
    temp = await platform.node(other, "temp/pepeunit")
    await platform.create_edge(owner, temp.uuid, led.uuid)
    agent = await used(platform, owner, OWN, unit)
    scope = Scope.of(agent)
    async with platform.database.read() as rows:
        assert [row.uuid for row in (await rows.units.find(UnitQuery(scope))).items] == [unit]
        nodes = (await rows.nodes.find(NodeQuery(scope))).items
        assert {node.unit_uuid for node in nodes} == {unit}
        assert (await rows.repos.find(RepoQuery(scope))).count == 0
        assert (await rows.edges.find(EdgeQuery(scope))).count == 0
    await platform.edit_unit(agent, unit, UnitChanges(name="renamed"))
    for asked in (
        platform.edit_unit(agent, other, UnitChanges(name="renamed")),
        platform.get_env(agent, other),
    ):
        with pytest.raises(NotFound):
            await asked
    with pytest.raises(NotFound):
        await platform.unit(agent, repo, "three")


async def test_w26_a_token_is_limited_to_units_its_person_sees(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    repo = await platform.repo(owner)
    secret = await platform.unit(owner, repo, visibility=Visibility.PRIVATE)
    with pytest.raises(NotFound, match="unit not found"):
        await token_of(platform, stranger, READ, secret)
