"""Accounts and tokens (access.md 1 and 2, rulings 9, 14, 16, 17, 20)."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent, AgentKind
from pepeunit.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Throttled,
    Topic,
    Unauthenticated,
)
from pepeunit.domain.users.user import UserRole, UserStatus
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.first_admin import ADMIN_LOGIN, ResetPassword
from tests.usecases.platform import PASSWORD, Platform

HERE = "203.0.113.7"


async def sign_in(platform: Platform, login: str, password: str, address: str = HERE) -> str:
    return await platform.sign_in(ANONYMOUS, login, password, address)


async def test_a_new_account_signs_in_and_its_token_is_an_agent(platform: Platform) -> None:
    user = await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    agent = await platform.authenticate(await sign_in(platform, "alice", PASSWORD))
    assert (agent.kind, agent.uuid, agent.role) == (AgentKind.USER, user.uuid, UserRole.USER)
    assert PASSWORD not in user.password_hash


async def test_no_token_is_the_anonymous_agent(platform: Platform) -> None:
    assert await platform.authenticate(None) == ANONYMOUS
    assert await platform.authenticate("") == ANONYMOUS


async def test_who_holds_a_token_neither_signs_up_nor_in(platform: Platform, owner: Agent) -> None:
    with pytest.raises(Forbidden):
        await platform.sign_up(owner, "alice", PASSWORD)
    with pytest.raises(Forbidden):
        await platform.sign_in(owner, "owner", PASSWORD, HERE)


async def test_everything_wrong_with_an_account_is_said_at_once(platform: Platform) -> None:
    with pytest.raises(Invalid) as refused:
        await platform.sign_up(ANONYMOUS, "1", "short")
    assert {path for path, _ in refused.value.violations} == {"login", "password"}
    assert refused.value.topic is Topic.USER


async def test_w47_logins_that_differ_in_case_alone_are_one(platform: Platform) -> None:
    await platform.sign_up(ANONYMOUS, "Alice", PASSWORD)
    with pytest.raises(Conflict):
        await platform.sign_up(ANONYMOUS, "aLICE", PASSWORD)


async def test_rulings_9_nobody_chooses_his_own_role(platform: Platform) -> None:
    user = await platform.sign_up(ANONYMOUS, "alice", PASSWORD, UserRole.ADMIN)
    assert user.role is UserRole.USER


async def test_rulings_9_the_first_registered_user_is_no_administrator(platform: Platform) -> None:
    assert (await platform.sign_up(ANONYMOUS, "alice", PASSWORD)).role is UserRole.USER


async def test_w36_of_many_first_visitors_one_becomes_administrator(platform: Platform) -> None:
    sign_up = evolve(platform.sign_up, first_user_is_admin=True)
    users = await asyncio.gather(
        *(sign_up(ANONYMOUS, f"user-{number}", PASSWORD) for number in range(6))
    )
    assert sorted(user.role.value for user in users) == ["Admin"] + ["User"] * 5


async def test_rulings_9_an_empty_instance_gets_an_administrator_once(platform: Platform) -> None:
    password = await platform.ensure_admin()
    assert password is not None
    token = await sign_in(platform, ADMIN_LOGIN, password)
    assert (await platform.authenticate(token)).is_admin
    assert await platform.ensure_admin() is None


async def test_w36_processes_that_start_at_once_make_one_administrator(platform: Platform) -> None:
    passwords = await asyncio.gather(*(platform.ensure_admin() for _ in range(4)))
    (password,) = [found for found in passwords if found is not None]
    await sign_in(platform, ADMIN_LOGIN, password)


async def test_w20_unknown_login_and_wrong_password_answer_alike(platform: Platform) -> None:
    await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    answers = []
    for login in ("alice", "nobody"):
        with pytest.raises(Forbidden) as refused:
            await sign_in(platform, login, "wrong-password")
        answers.append((type(refused.value), refused.value.message, refused.value.topic))
    assert answers[0] == answers[1]


async def test_w18_the_eleventh_try_on_an_account_is_throttled_from_any_address(
    platform: Platform,
) -> None:
    await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    for number in range(10):
        with pytest.raises(Forbidden):
            await sign_in(platform, "alice", "wrong-password", f"203.0.113.{number}")
    with pytest.raises(Throttled) as refused:
        await sign_in(platform, "ALICE", PASSWORD, "198.51.100.1")
    assert 0 < refused.value.retry_after_seconds <= 300
    platform.clock.move(301)
    await sign_in(platform, "alice", PASSWORD, "198.51.100.1")


async def test_w18_the_eleventh_try_from_an_address_is_throttled_for_any_account(
    platform: Platform,
) -> None:
    await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    for number in range(10):
        with pytest.raises(Forbidden):
            await sign_in(platform, f"nobody-{number}", "wrong-password")
    with pytest.raises(Throttled):
        await sign_in(platform, "alice", PASSWORD)
    await sign_in(platform, "alice", PASSWORD, "198.51.100.1")


async def test_w18_tries_at_the_same_moment_count_too(platform: Platform) -> None:
    await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    tries = (sign_in(platform, "alice", "wrong-password", f"a{n}") for n in range(30))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, Throttled) for answer in answers) == 20


async def test_a_success_starts_the_accounts_count_over(platform: Platform) -> None:
    await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    for _ in range(25):
        await sign_in(platform, "alice", PASSWORD)


async def test_people_behind_one_address_do_not_lock_each_other_out(platform: Platform) -> None:
    await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    for _ in range(9):
        with pytest.raises(Forbidden):
            await sign_in(platform, "nobody", "wrong-password")
    await sign_in(platform, "alice", PASSWORD)
    await sign_in(platform, "alice", PASSWORD)
    with pytest.raises(Forbidden):
        await sign_in(platform, "alice", "wrong-password")
    with pytest.raises(Throttled):
        await sign_in(platform, "alice", PASSWORD)


async def test_a_made_up_login_of_any_length_costs_one_short_key(platform: Platform) -> None:
    for number in range(10):
        with pytest.raises(Forbidden):
            await sign_in(platform, "x" * 1000 + str(number), PASSWORD, f"address {number}")
    with pytest.raises(Throttled):
        await sign_in(platform, "x" * 5000, PASSWORD, "another")


async def test_w26_a_password_change_ends_other_tokens_and_keeps_the_callers(
    platform: Platform,
) -> None:
    user = await platform.sign_up(ANONYMOUS, "alice", PASSWORD)
    mine, other = [await sign_in(platform, "alice", PASSWORD) for _ in range(2)]
    me = await platform.authenticate(mine)
    await platform.edit_user(me, user.uuid, password="new-password-1")
    with pytest.raises(Unauthenticated):
        await platform.authenticate(other)
    me = await platform.authenticate(mine)
    later = await sign_in(platform, "alice", "new-password-1")
    await platform.edit_user(await platform.authenticate(later), user.uuid, password="newer-one-2")
    with pytest.raises(Unauthenticated):
        await platform.authenticate(mine)
    await platform.authenticate(later)
    with pytest.raises(Forbidden):
        await sign_in(platform, "alice", PASSWORD)


async def test_a_new_login_keeps_every_token(platform: Platform, owner: Agent) -> None:
    token = await sign_in(platform, "owner", PASSWORD)
    user = await platform.edit_user(owner, None, login="renamed")
    assert user.login == "renamed"
    await platform.authenticate(token)


async def test_nobody_changes_another_account(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    other = await platform.user_row(stranger)
    with pytest.raises(Forbidden):
        await platform.edit_user(owner, other.uuid, password="new-password-1")
    assert await platform.user_row(stranger) == other


async def test_a_token_ends_at_its_expiry(platform: Platform, owner: Agent) -> None:
    token = await sign_in(platform, "owner", PASSWORD)
    platform.clock.move(3601)
    with pytest.raises(Unauthenticated, match="expired"):
        await platform.authenticate(token)


async def test_w22_a_blocked_user_is_out_and_so_are_his_units(
    platform: Platform, owner: Agent, admin: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    token, device = (
        await sign_in(platform, "owner", PASSWORD),
        await platform.token_of(unit, owner),
    )
    user = await platform.user_row(owner)
    await BlockUser(platform.database, platform.broker)(admin, user.uuid)
    assert platform.broker.kicked == [unit]
    for dead in (token, device):
        with pytest.raises(Unauthenticated):
            await platform.authenticate(dead)
    with pytest.raises(Forbidden, match="login or password"):
        await sign_in(platform, "owner", PASSWORD)
    await UnblockUser(platform.database)(admin, user.uuid)
    await platform.authenticate(device)
    with pytest.raises(Unauthenticated):
        await platform.authenticate(token)


async def test_w22_the_status_alone_refuses_a_token_whose_generation_is_right(
    platform: Platform, owner: Agent
) -> None:
    token = await sign_in(platform, "owner", PASSWORD)
    blocked = evolve(await platform.user_row(owner), status=UserStatus.BLOCKED)
    async with platform.database.begin() as tx:
        await tx.users.put(blocked)
    with pytest.raises(Unauthenticated):
        await platform.authenticate(token)


async def test_an_administrator_cannot_block_himself(platform: Platform, admin: Agent) -> None:
    row = await platform.user_row(admin)
    with pytest.raises(Conflict):
        await BlockUser(platform.database, platform.broker)(admin, row.uuid)


async def test_only_an_administrator_blocks(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    row = await platform.user_row(stranger)
    with pytest.raises(Forbidden):
        await BlockUser(platform.database, platform.broker)(owner, row.uuid)


async def test_who_holds_the_machine_resets_a_password(platform: Platform, owner: Agent) -> None:
    token = await sign_in(platform, "owner", PASSWORD)
    reset = ResetPassword(platform.database, platform.passwords, platform.ids.secret)
    _, password = await reset("owner")
    with pytest.raises(Unauthenticated):
        await platform.authenticate(token)
    await sign_in(platform, "owner", password)


async def test_w10_a_unit_token_of_another_generation_is_refused(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    old = await platform.token_of(unit, owner)
    assert (await platform.authenticate(old)).unit_id == unit
    async with platform.database.begin() as tx:
        await tx.units.put(evolve(await platform.row(unit), token_generation=1))
    with pytest.raises(Unauthenticated):
        await platform.authenticate(old)
    await platform.authenticate(await platform.token_of(unit, owner))


async def test_the_token_of_a_deleted_unit_is_refused(platform: Platform, owner: Agent) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    token = await platform.token_of(unit, owner)
    await platform.delete_unit(owner, unit)
    with pytest.raises(Unauthenticated):
        await platform.authenticate(token)


async def test_a_backend_token_of_another_instance_is_refused(platform: Platform) -> None:
    sign = platform.tokens.sign
    assert await platform.authenticate(sign({"domain": "iot.example.com", "type": "Backend"})) == (
        BACKEND
    )
    with pytest.raises(Unauthenticated):
        await platform.authenticate(sign({"domain": "elsewhere", "type": "Backend"}))


async def test_a_token_signed_with_another_key_is_refused(platform: Platform) -> None:
    with pytest.raises(Unauthenticated):
        await platform.authenticate("not.a.token")
