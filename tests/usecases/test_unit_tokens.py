"""Rotated and revoked device tokens (rulings 16, W10)."""

from __future__ import annotations

import pytest

from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, Invalid, NotFound, Topic, Unauthenticated
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.units.unit import TOKEN_GRACE
from tests.usecases.platform import Platform, program


@pytest.fixture
async def unit(platform: Platform, owner: Agent) -> UnitId:
    return await platform.unit(owner, await platform.repo(owner))


async def test_w10_a_rotated_token_lasts_until_the_new_one_is_used(
    platform: Platform, owner: Agent, unit: UnitId
) -> None:
    old = await platform.token_of(unit, owner)
    await platform.rotate_token(owner, unit)
    new = await platform.token_of(unit, owner)
    assert new != old
    assert (await platform.authenticate(old)).unit_id == unit
    assert platform.broker.kicked == []
    assert (await platform.authenticate(new)).unit_id == unit
    assert platform.broker.kicked == [unit]
    with pytest.raises(Unauthenticated, match="revoked"):
        await platform.authenticate(old)
    await platform.authenticate(new)
    assert platform.broker.kicked == [unit]


async def test_what_a_unit_takes_up_counts_for_its_creator(
    platform: Platform, owner: Agent, unit: UnitId
) -> None:
    agent = await platform.authenticate(await platform.token_of(unit, owner))
    assert agent.account == owner.account == owner.uuid
    assert agent == Agent.unit(unit)


async def test_w10_a_rotated_token_lasts_a_day_at_most(
    platform: Platform, owner: Agent, unit: UnitId
) -> None:
    old = await platform.token_of(unit, owner)
    await platform.rotate_token(owner, unit)
    platform.clock.move(TOKEN_GRACE.total_seconds() - 1)
    await platform.authenticate(old)
    assert await platform.end_old_tokens() == 0
    platform.clock.move(1)
    with pytest.raises(Unauthenticated):
        await platform.authenticate(old)
    assert await platform.end_old_tokens() == 1
    assert platform.broker.kicked == [unit]
    assert await platform.end_old_tokens() == 0
    await platform.authenticate(await platform.token_of(unit, owner))


async def test_rulings_16_the_device_is_told_by_env_update(
    platform: Platform, owner: Agent, unit: UnitId
) -> None:
    await platform.rotate_token(owner, unit)
    assert [command.kind for command in await platform.outbox()] == [CommandKind.ENV_UPDATE]
    platform.broker.listening.add(unit)
    await platform.drain(unit)
    assert platform.sent()[-1][0] == "env_update"


async def test_rulings_16_a_device_that_missed_a_rotation_is_not_locked_out_by_the_next(
    platform: Platform, owner: Agent, unit: UnitId
) -> None:
    held = await platform.token_of(unit, owner)
    await platform.rotate_token(owner, unit)
    between = await platform.token_of(unit, owner)
    await platform.rotate_token(owner, unit)
    await platform.authenticate(held)
    with pytest.raises(Unauthenticated):
        await platform.authenticate(between)
    await platform.authenticate(await platform.token_of(unit, owner))
    with pytest.raises(Unauthenticated):
        await platform.authenticate(held)


async def test_rulings_16_a_token_is_the_same_text_within_a_generation(
    platform: Platform, owner: Agent, unit: UnitId
) -> None:
    texts = []
    for _ in range(2):
        texts.append({await platform.token_of(unit, owner) for _ in range(2)})
        await platform.rotate_token(owner, unit)
    assert [len(found) for found in texts] == [1, 1]
    assert texts[0] != texts[1]


async def test_rulings_16_revoking_ends_every_token_and_session_at_once(
    platform: Platform, owner: Agent, unit: UnitId
) -> None:
    first = await platform.token_of(unit, owner)
    await platform.rotate_token(owner, unit)
    second = await platform.token_of(unit, owner)
    await platform.revoke_token(owner, unit)
    assert platform.broker.kicked == [unit]
    for dead in (first, second):
        with pytest.raises(Unauthenticated):
            await platform.authenticate(dead)
    await platform.authenticate(await platform.token_of(unit, owner))


async def test_rulings_16_a_program_deaf_to_env_update_is_not_rotated_out(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.push(program({"input_base_topic": ["update/pepeunit"]}), tag="v2")
    unit = await platform.unit(owner, await platform.repo(owner), name="deaf")
    with pytest.raises(Invalid) as refused:
        await platform.rotate_token(owner, unit)
    assert refused.value.topic is Topic.UNIT
    assert (await platform.row(unit)).token_generation == 0


async def test_rulings_8_tokens_are_the_creators_alone(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    unit = await platform.unit(
        owner, await platform.repo(owner), name="mine", visibility=Visibility.PRIVATE
    )
    for change in (platform.rotate_token, platform.revoke_token):
        with pytest.raises(NotFound):
            await change(stranger, unit)
        for agent in (admin, Agent.unit(unit)):
            with pytest.raises(Forbidden):
                await change(agent, unit)


async def test_w22_the_tokens_of_a_blocked_persons_units_cannot_be_used_in_their_grace(
    platform: Platform, owner: Agent, admin: Agent, unit: UnitId
) -> None:
    old = await platform.token_of(unit, owner)
    await platform.rotate_token(owner, unit)
    await platform.block_user(admin, (await platform.user_row(owner)).uuid)
    with pytest.raises(Unauthenticated):
        await platform.authenticate(old)
