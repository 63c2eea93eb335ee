"""Transactions write down what changed in them (rulings 8, docs/decisions/0100)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.policy import Action
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import CHANGES_MAX, AuditEntry, Deed, Outcome
from pepeunit.domain.errors import Forbidden
from pepeunit.domain.users.user import UserRole
from pepeunit.ports.audit import AuditQuery
from pepeunit.usecases.access.gates import repo_for
from pepeunit.usecases.audit.act import Act, doing
from pepeunit.usecases.audit.read_audit import PurgeAudit
from pepeunit.usecases.units.edit_unit import UnitChanges
from tests.doubles.rows import a_user
from tests.usecases.platform import PASSWORD, SCHEMA, Platform, program

HERE = "203.0.113.7"


async def since(platform: Platform, before: list[AuditEntry]) -> list[AuditEntry]:
    return [entry for entry in await platform.entries() if entry not in before]


async def test_the_row_is_in_the_transaction_of_the_change(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    before = await platform.entries()
    with doing(Act(owner.named("owner"), "units.edit", HERE)):  # a door that dies after the commit
        await platform.edit_unit(owner, unit, UnitChanges(name="renamed"))
    (entry,) = await since(platform, before)
    assert (entry.verb, entry.agent_name, entry.address) == ("units.edit", "owner", HERE)
    assert (entry.subject.uuid, entry.subject.owner) == (unit, owner.uuid)


async def test_what_is_rolled_back_leaves_no_row(platform: Platform, owner: Agent) -> None:
    before = await platform.entries()
    with pytest.raises(Forbidden), doing(Act(owner, "anything", HERE)):
        async with platform.database.begin() as tx:
            await tx.users.put(a_user())
            raise Forbidden("no")
    assert await since(platform, before) == []


async def test_a_change_without_a_door_is_the_platforms(platform: Platform, owner: Agent) -> None:
    before = await platform.entries()
    async with platform.database.begin() as tx:
        await tx.users.put(evolve(await platform.user_row(owner), login="renamed"))
        user = await tx.users.get(owner.user_id) if owner.user_id else None
        assert user is not None
        await tx.users.put(evolve(user, login="renamed-2"))
    (entry,) = await since(platform, before)
    assert (entry.agent_kind.value, entry.verb, entry.address) == ("Backend", "platform", "")
    assert entry.subject.uuid == owner.uuid


async def test_reports_builds_and_syncs_of_the_platform_leave_no_row(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    commit = platform.remote.push(program(main__py="print('new')"), tag="v2")
    before = await platform.entries()
    await platform.poll()
    await platform.followers(repo)
    assert (await platform.row(unit)).built_commit == commit
    await platform.report(unit, commit)
    await platform.presence.connected(Agent.unit(unit))
    await platform.drain()
    assert await since(platform, before) == []


async def test_nodes_that_the_platform_makes_and_removes_are_told(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    await platform.unit(owner, repo)
    platform.remote.push(program(SCHEMA | {"output_topic": ["other/pepeunit"]}), tag="v2")
    before = await platform.entries()
    await platform.poll()
    (entry,) = [e for e in await since(platform, before) if e.changes]
    assert sorted(change.deed.value for change in entry.changes) == ["created", "deleted"]


async def test_a_repo_wide_update_is_one_row_about_the_repo(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    for number in range(3):
        await platform.unit(owner, repo, name=f"unit-{number}")
    platform.remote.push(program(main__py="print('new')"), tag="v2")
    registry = (await platform.repo_row(repo)).repository_registry_uuid
    await platform.synchronise(registry)
    before = await platform.entries()
    acts = platform.acts(
        owner, "repos.update_units", HERE, changes=True, collection="repos", uuid=repo
    )
    async with acts:
        assert await platform.followers(repo, ignore_backoff=True) == 3
    (entry,) = await since(platform, before)
    assert (entry.subject.kind, entry.subject.uuid) == ("Repo", repo)


async def test_work_behind_an_answer_is_the_platforms(platform: Platform, owner: Agent) -> None:
    before = await platform.entries()

    async def rename() -> None:
        async with platform.database.begin() as tx:
            user = await tx.users.get(owner.user_id) if owner.user_id else None
            assert user is not None
            await tx.users.put(evolve(user, login="renamed"))

    with doing(Act(owner, "anything", HERE)):
        await platform.background.start("rename", rename())
    (entry,) = await since(platform, before)
    assert entry.agent_kind.value == "Backend"


async def test_acts_at_the_same_time_keep_apart(platform: Platform) -> None:
    async def sign_up(login: str) -> None:
        async with platform.acts(ANONYMOUS, f"up.{login}", login, changes=True):
            await platform.sign_up(ANONYMOUS, login, PASSWORD)

    await asyncio.gather(*(sign_up(f"user-{number}") for number in range(8)))
    entries = await platform.entries()
    assert len(entries) == 8
    assert all(e.verb == f"up.{e.subject.name}" and e.address == e.subject.name for e in entries)


async def test_secrets_are_masked(platform: Platform, owner: Agent) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    before = await platform.entries()
    with doing(Act(owner, "any", HERE)):
        await platform.set_env(owner, unit, '{"WIFI": "very secret"}')
        await platform.edit_user(owner, None, password="another-secret")
    env, user = sorted(await since(platform, before), key=lambda entry: entry.subject.kind)
    assert dict(env.changes[0].fields) == {"env": ("***", "***")}
    assert dict(user.changes[0].fields)["password_hash"] == ("***", "***")
    assert "secret" not in repr((env, user))


async def test_changes_beyond_the_limit_are_counted(platform: Platform, admin: Agent) -> None:
    before = await platform.entries()
    with doing(Act(admin, "many", HERE)):
        async with platform.database.begin() as tx:
            for _ in range(CHANGES_MAX + 7):
                await tx.users.put(a_user())
    (entry,) = await since(platform, before)
    assert (len(entry.changes), entry.change_count) == (CHANGES_MAX, CHANGES_MAX + 7)
    assert {change.deed for change in entry.changes} == {Deed.CREATED}


async def test_a_refused_act_is_told_for_people_alone(platform: Platform, owner: Agent) -> None:
    before = await platform.entries()
    for agent in (ANONYMOUS, owner):
        with pytest.raises(Forbidden):
            async with platform.acts(agent, "any", HERE, changes=True):
                raise Forbidden("no")
    with pytest.raises(Forbidden):
        async with platform.acts(owner, "a look", HERE, changes=False):
            raise Forbidden("no")
    (entry,) = await since(platform, before)
    assert (entry.agent_uuid, entry.outcome) == (owner.uuid, Outcome.REFUSED)


async def test_rulings_8_an_administrators_reads_of_private_things_are_noted(
    platform: Platform, owner: Agent, admin: Agent
) -> None:
    repo = await platform.repo(owner, visibility=Visibility.PRIVATE)
    boss = Agent.user(admin.user_id, UserRole.ADMIN) if admin.user_id else admin
    before = await platform.entries()
    act = platform.acts(boss, "repos.versions", HERE, changes=False)
    async with act, platform.database.read() as rows:
        await repo_for(rows, boss, Action.SEE, repo)
    (entry,) = await since(platform, before)
    assert entry.changes[0].deed is Deed.SHOWN
    assert (entry.subject.uuid, entry.subject.owner) == (repo, owner.uuid)


async def test_rows_end_after_their_retention(platform: Platform, owner: Agent) -> None:
    purge = PurgeAudit(platform.database, platform.clock, 90)
    assert len(await platform.entries()) == 1
    platform.clock.move(timedelta(days=90).total_seconds())
    assert await purge() == 0
    platform.clock.move(1)
    assert await purge() == 1
    assert await platform.entries() == []


async def test_people_read_about_their_own_things(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    everything = await platform.list_audit(admin, AuditQuery())
    assert everything.count == len(await platform.entries())
    for agent in (owner, stranger):
        page = await platform.list_audit(agent, AuditQuery(owner=admin.user_id))
        assert {entry.subject.owner for entry in page.items} == {agent.uuid}
    for agent in (ANONYMOUS, Agent.unit(platform.ids())):  # type: ignore[arg-type]
        with pytest.raises(Forbidden):
            await platform.list_audit(agent, AuditQuery())
