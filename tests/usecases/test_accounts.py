"""Registration, roles, sessions and the end of accounts (W22, W25, W26, W36, O8)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent, AgentKind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OverLimit,
    Topic,
    Unauthenticated,
)
from pepeunit.domain.ids import UserId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.users.registration import INVITE_MAX, Registration
from pepeunit.domain.users.user import UserRole
from pepeunit.usecases.access.quotas import Quotas
from pepeunit.usecases.repos.create_repo import RepoSettings
from pepeunit.usecases.repos.edit_repo import RepoChanges
from pepeunit.usecases.units.create_unit import UnitSettings
from pepeunit.usecases.units.edit_unit import UnitChanges
from tests.usecases.platform import PASSWORD, MemoryRemote, Platform

HERE = "203.0.113.7"


def uuid_of(agent: Agent) -> UserId:
    assert agent.user_id is not None
    return agent.user_id


async def test_w26_signing_out_everywhere_ends_every_token(
    platform: Platform, owner: Agent
) -> None:
    tokens = [await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE) for _ in range(2)]
    await platform.sign_out_everywhere(await platform.authenticate(tokens[0]))
    for token in tokens:
        with pytest.raises(Unauthenticated):
            await platform.authenticate(token)
    await platform.authenticate(await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE))


async def test_w26_signing_out_ends_the_session_that_a_password_change_kept(
    platform: Platform, owner: Agent
) -> None:
    token = await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE)
    await platform.edit_user(await platform.authenticate(token), None, password="new-password-1")
    await platform.sign_out_everywhere(await platform.authenticate(token))
    with pytest.raises(Unauthenticated):
        await platform.authenticate(token)


async def test_w26_only_administrators_sign_others_out(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    token = await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE)
    with pytest.raises(Forbidden):
        await platform.sign_out_user(stranger, uuid_of(owner))
    await platform.authenticate(token)
    await platform.sign_out_user(admin, uuid_of(owner))
    with pytest.raises(Unauthenticated):
        await platform.authenticate(token)
    with pytest.raises(NotFound):
        await platform.sign_out_user(admin, UserId(platform.ids()))


async def test_w25_an_invite_opens_one_account(platform: Platform, admin: Agent) -> None:
    sign_up = evolve(platform.sign_up, registration=Registration.INVITE)
    with pytest.raises(Forbidden):
        await sign_up(ANONYMOUS, "alice", PASSWORD)
    with pytest.raises(Forbidden):
        await sign_up(ANONYMOUS, "alice", PASSWORD, invite="made up")
    invite, text = await platform.create_invite(admin)
    assert text not in invite.digest
    with pytest.raises(Conflict):
        await sign_up(ANONYMOUS, "boss", PASSWORD, invite=text)
    assert await platform.list_invites(admin) == [invite]  # a taken login uses nothing up
    await sign_up(ANONYMOUS, "alice", PASSWORD, invite=text)
    assert await platform.list_invites(admin) == []
    with pytest.raises(Forbidden):
        await sign_up(ANONYMOUS, "carol", PASSWORD, invite=text)


async def test_w25_one_invite_used_twice_at_once_opens_one_account(
    platform: Platform, admin: Agent
) -> None:
    sign_up = evolve(platform.sign_up, registration=Registration.INVITE)
    _, text = await platform.create_invite(admin)
    answers = await asyncio.gather(
        *(sign_up(ANONYMOUS, f"user-{number}", PASSWORD, invite=text) for number in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Forbidden) for answer in answers) == 4


async def test_w25_an_invite_expires_and_can_be_taken_back(
    platform: Platform, admin: Agent
) -> None:
    sign_up = evolve(platform.sign_up, registration=Registration.INVITE)
    _, late = await platform.create_invite(admin, timedelta(seconds=60))
    revoked, taken = await platform.create_invite(admin)
    await platform.revoke_invite(admin, revoked.uuid)
    with pytest.raises(NotFound):
        await platform.revoke_invite(admin, revoked.uuid)
    platform.clock.move(60)
    assert await platform.list_invites(admin) == []
    for text in (late, taken):
        with pytest.raises(Forbidden):
            await sign_up(ANONYMOUS, "alice", PASSWORD, invite=text)


@pytest.mark.parametrize("lifetime", [timedelta(0), INVITE_MAX + timedelta(seconds=1)])
async def test_w25_the_lifetime_of_an_invite_is_bounded(
    platform: Platform, admin: Agent, lifetime: timedelta
) -> None:
    with pytest.raises(Invalid):
        await platform.create_invite(admin, lifetime)


async def test_w25_invites_are_for_administrators(platform: Platform, owner: Agent) -> None:
    for asked in (platform.create_invite(owner), platform.list_invites(owner)):
        with pytest.raises(Forbidden):
            await asked


async def test_w25_closed_registration_opens_for_the_machines_holder_alone(
    platform: Platform, admin: Agent
) -> None:
    sign_up = evolve(platform.sign_up, registration=Registration.CLOSED)
    _, text = await platform.create_invite(admin)
    for invite in (None, text):
        with pytest.raises(Forbidden, match="closed"):
            await sign_up(ANONYMOUS, "alice", PASSWORD, invite=invite)
    await sign_up(BACKEND, "alice", PASSWORD)


async def test_w25_a_bad_invite_is_refused_in_open_mode_too(platform: Platform) -> None:
    with pytest.raises(Forbidden):
        await platform.sign_up(ANONYMOUS, "alice", PASSWORD, invite="made up")


async def test_administrators_promote_and_demote(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    with pytest.raises(Forbidden):
        await platform.change_role(stranger, uuid_of(stranger), UserRole.ADMIN)
    assert (await platform.change_role(admin, uuid_of(owner), UserRole.ADMIN)).role is (
        UserRole.ADMIN
    )
    token = await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE)
    assert (await platform.authenticate(token)).is_admin
    await platform.change_role(admin, uuid_of(owner), UserRole.USER)
    assert not (await platform.authenticate(token)).is_admin


async def test_w36_the_last_administrator_stays(
    platform: Platform, owner: Agent, admin: Agent
) -> None:
    uuid = uuid_of(admin)
    operator = Agent(AgentKind.USER, role=UserRole.ADMIN)
    for change in (
        platform.change_role(admin, uuid, UserRole.USER),
        platform.block_user(operator, uuid),
        platform.delete_user(admin, uuid),
    ):
        with pytest.raises(Conflict, match="last administrator"):
            await change
    await platform.change_role(admin, uuid_of(owner), UserRole.ADMIN)
    await platform.block_user(admin, uuid_of(owner))
    with pytest.raises(Conflict, match="last administrator"):
        await platform.change_role(admin, uuid, UserRole.USER)  # a blocked one does not count
    await platform.change_role(admin, uuid_of(owner), UserRole.USER)


async def test_w36_two_administrators_cannot_remove_each_other_at_once(
    platform: Platform, owner: Agent, admin: Agent
) -> None:
    await platform.change_role(admin, uuid_of(owner), UserRole.ADMIN)
    boss = Agent.user(uuid_of(owner), UserRole.ADMIN)
    answers = await asyncio.gather(
        platform.change_role(admin, uuid_of(owner), UserRole.USER),
        platform.change_role(boss, uuid_of(admin), UserRole.USER),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 1


async def test_o8_a_deleted_account_takes_its_things_and_credentials_along(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    private = "https://git.example.com/me/private.git"
    platform.remotes[private] = MemoryRemote(frozenset({"right"}))
    kept = await platform.registry(owner, GitCredentials("me", "right"), url=private)
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    token = await platform.sign_in(ANONYMOUS, "owner", PASSWORD, HERE)
    with pytest.raises(Forbidden):
        await platform.delete_user(stranger, uuid_of(owner))
    await platform.delete_user(owner, uuid_of(owner))
    async with platform.database.read() as rows:
        assert await rows.users.get(uuid_of(owner)) is None
        assert await rows.units.get(unit) is None
        assert await rows.repos.get(repo) is None
        assert (await platform.registry_row(kept)).creator_uuid is None
        assert await rows.registries.credentials(kept) == ()
    assert platform.broker.kicked == [unit]
    with pytest.raises(Unauthenticated):
        await platform.authenticate(token)
    await platform.user("owner")  # the login is free again


async def test_units_that_listened_to_a_deleted_users_units_are_told(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    source = await platform.unit(owner, await platform.repo(owner), name="source")
    registry = (
        await platform.repo_row((await platform.row(source)).repo_uuid)
    ).repository_registry_uuid
    repo = await platform.repo(stranger, registry, name="theirs")
    sink = await platform.unit(stranger, repo, name="sink")
    output = await platform.node(source, "temp/pepeunit")
    input_ = await platform.node(sink, "led/pepeunit")
    await platform.create_edge(stranger, output.uuid, input_.uuid)
    platform.broker.listening.add(sink)
    await platform.drain(sink)
    platform.broker.listening.discard(sink)
    await platform.delete_user(owner, uuid_of(owner))
    waiting = [(c.unit_uuid, c.kind) for c in await platform.outbox()]
    assert waiting == [(sink, CommandKind.SCHEMA_UPDATE)]


async def test_an_account_whose_repos_others_build_on_is_handed_over_or_stays(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    repo = await platform.repo(owner)
    unit = await platform.unit(stranger, repo, name="theirs")
    with pytest.raises(Conflict, match="transfer_to"):
        await platform.delete_user(owner, uuid_of(owner))
    assert (await platform.repo_row(repo)).creator_uuid == owner.uuid
    await platform.delete_user(owner, uuid_of(owner), uuid_of(stranger))
    assert (await platform.repo_row(repo)).creator_uuid == stranger.uuid
    assert (await platform.row(unit)).creator_uuid == stranger.uuid


async def test_a_handed_over_device_goes_on_without_noticing(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    unit = await platform.unit(
        owner,
        await platform.repo(owner, visibility=Visibility.PRIVATE),
        visibility=Visibility.PRIVATE,
    )
    device = await platform.token_of(unit, owner)
    await platform.delete_user(admin, uuid_of(owner), uuid_of(stranger))
    assert platform.broker.kicked == []
    assert platform.broker.rechecks == 1
    await platform.authenticate(device)
    assert await platform.token_of(unit, stranger) == device
    node = await platform.node(unit, "led/pepeunit")
    assert node.creator_uuid == stranger.uuid
    async with platform.database.read() as rows:
        assert await rows.permissions.exists(uuid_of(stranger), unit)
        assert await rows.permissions.exists(uuid_of(stranger), node.uuid)
        assert not await rows.permissions.exists(uuid_of(owner), unit)


async def test_things_are_handed_to_a_person_who_can_take_them(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    await platform.block_user(admin, uuid_of(stranger))
    for taker in (uuid_of(stranger), uuid_of(owner), UserId(platform.ids())):
        with pytest.raises(Invalid, match="transfer_to"):
            await platform.delete_user(owner, uuid_of(owner), taker)
    await platform.user_row(owner)


async def test_w25_quotas_hold_for_each_person(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    quotas = Quotas(registries_max=1, repos_max=1, units_max=2)
    platform.register = evolve(platform.register, quotas=quotas)
    platform.create_repo = evolve(platform.create_repo, quotas=quotas)
    platform.create_unit = evolve(platform.create_unit, quotas=quotas)
    registry = await platform.registry(owner)
    second = "https://git.example.com/me/second.git"
    platform.remotes[second] = MemoryRemote()
    with pytest.raises(OverLimit) as refused:
        await platform.registry(owner, url=second)
    assert (refused.value.topic, refused.value.limit, refused.value.actual) == (Topic.ENTITY, 1, 1)
    await platform.registry(stranger, url=second)
    repo = await platform.repo(owner, registry)
    with pytest.raises(OverLimit):
        await platform.repo(owner, registry, name="second")
    answers = await asyncio.gather(
        *(platform.unit(owner, repo, name=f"unit-{number}") for number in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, OverLimit) for answer in answers) == 3
    await platform.unit(stranger, repo, name="theirs")


async def test_w25_a_full_disk_takes_no_further_registry(platform: Platform, owner: Agent) -> None:
    registry = await platform.registry_row(await platform.registry(owner))
    async with platform.database.begin() as tx:
        await tx.registries.put(evolve(registry, local_repository_size=2 * 1024 * 1024))
    second = "https://git.example.com/me/second.git"
    platform.remotes[second] = MemoryRemote()
    platform.register = evolve(platform.register, quotas=Quotas(disk_mib=2))
    with pytest.raises(OverLimit, match="2 MiB of disk of at most 2"):
        await platform.registry(owner, url=second)
    platform.register = evolve(platform.register, quotas=Quotas(disk_mib=3))
    await platform.registry(owner, url=second)


async def test_the_symbols_of_names_reach_every_use_case(platform: Platform, owner: Agent) -> None:
    symbols = frozenset("abcdefu")
    for use_case in (
        lambda: evolve(platform.sign_up, name_symbols=symbols)(ANONYMOUS, "xyzz", PASSWORD),
        lambda: evolve(platform.edit_user, name_symbols=symbols)(owner, None, login="xyzz"),
    ):
        with pytest.raises(Invalid, match="login"):
            await use_case()
    registry = await platform.registry(owner)
    wanted = RepoSettings("xyzz", Visibility.PUBLIC, "main", False)
    with pytest.raises(Invalid, match="name"):
        await evolve(platform.create_repo, name_symbols=symbols)(owner, registry, wanted)
    repo = await platform.repo(owner, registry)
    with pytest.raises(Invalid, match="name"):
        await evolve(platform.edit_repo, name_symbols=symbols)(
            owner, repo, RepoChanges(name="xyzz")
        )
    rules = evolve(platform.create_unit.rules, name_symbols=symbols)
    with pytest.raises(Invalid, match="name"):
        await evolve(platform.create_unit, rules=rules)(
            owner, repo, UnitSettings("xyzz", Visibility.PUBLIC, True)
        )
    unit = await platform.unit(owner, repo)
    with pytest.raises(Invalid, match="name"):
        await evolve(platform.edit_unit, rules=rules)(owner, unit, UnitChanges(name="xyzz"))


async def test_the_symbols_of_passwords_reach_every_use_case(
    platform: Platform, owner: Agent
) -> None:
    symbols = frozenset("abcdefgh")
    with pytest.raises(Invalid, match="password"):
        await evolve(platform.sign_up, password_symbols=symbols)(ANONYMOUS, "alice", "zzzzzzzz")
    with pytest.raises(Invalid, match="password"):
        await evolve(platform.edit_user, password_symbols=symbols)(owner, None, password="zzzzzzzz")
    await evolve(platform.sign_up, password_symbols=symbols)(ANONYMOUS, "alice", "abcdefgh")
