"""The collection of rollouts, on memory and on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from attrs import evolve

from pepeunit.domain.errors import Conflict
from pepeunit.domain.ids import RepoId, RolloutId
from pepeunit.domain.registries.version import Sha, Version
from pepeunit.domain.repos.rollout import (
    OPEN,
    Member,
    MemberState,
    Rollout,
    RolloutState,
    StageCount,
)
from pepeunit.domain.repos.rollout_rule import RolloutRule, RuleSource, Stage
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateProgress
from pepeunit.ports.database import Database
from tests.doubles.rows import NOON, Household, a_command, a_node, a_unit, stored

NEW, OLD = Sha("b" * 40), Sha("a" * 40)
RULE = RolloutRule((Stage(1, False), Stage(50, True)), 1.5, 2, 600.0)
M = MemberState


def a_rollout(repo: RepoId, **given: object) -> Rollout:
    fields = {
        "uuid": RolloutId(uuid4()),
        "repo_uuid": repo,
        "version": Version(NEW, "v2"),
        "rule": RULE,
        "source": RuleSource.FILE,
        "ends": (1, 3),
        "create_datetime": NOON,
        "last_update_datetime": NOON,
        "counted_from_datetime": NOON,
    } | given
    return Rollout(**fields)  # type: ignore[arg-type]


async def some_units(
    database: Database, home: Household, number: int, **given: object
) -> list[Unit]:
    units = sorted(
        (a_unit(home.repo, home.user, **given) for _ in range(number)), key=lambda unit: unit.uuid
    )
    async with database.begin() as tx:
        await tx.units.put_many(units)
    return units


async def test_rules_and_rollouts_come_back_as_they_were_put(database: Database) -> None:
    home = await stored(database)
    repo = home.repo.uuid
    first = a_rollout(repo)
    second = a_rollout(
        repo,
        create_datetime=NOON + timedelta(seconds=1),
        state=RolloutState.STOPPED,
        reason="why",
        stage=1,
        settled_datetime=NOON,
        version=Version(OLD, None),
    )
    async with database.begin() as tx:
        assert await tx.rollouts.rule_of(repo) is None
        await tx.rollouts.put_rule(repo, RolloutRule())
        await tx.rollouts.put_rule(repo, RULE)
        await tx.rollouts.put(first)
        await tx.rollouts.put(second)
        assert await tx.rollouts.get(first.uuid, for_update=True) == first
    async with database.read() as rows:
        assert await rows.rollouts.rule_of(repo) == RULE
        assert await rows.rollouts.history(repo, 5) == [second, first] or tuple(
            await rows.rollouts.history(repo, 5)
        ) == (second, first)
        assert await rows.rollouts.latest(repo) == second
        assert list(await rows.rollouts.unfinished()) == [first.uuid]
        assert await rows.rollouts.latest(RepoId(uuid4())) is None
    async with database.begin() as tx:
        await tx.rollouts.put_rule(repo, None)
        assert await tx.rollouts.rule_of(repo) is None


async def test_members_are_taken_in_order_and_a_unit_that_is_gone_is_passed_over(
    database: Database,
) -> None:
    home = await stored(database)
    units = await some_units(database, home, 3)
    rollout = a_rollout(home.repo.uuid)
    members = [Member(unit.uuid, stage=min(place, 1)) for place, unit in enumerate(units)]
    stranger = Member(a_unit(home.repo, home.user).uuid, 0)
    async with database.begin() as tx:
        await tx.rollouts.put(rollout)
        await tx.rollouts.put_members(rollout.uuid, [])
        await tx.rollouts.put_members(rollout.uuid, [members[2], stranger, members[0], members[1]])
        assert list(await tx.rollouts.members(rollout.uuid, OPEN, 9)) == members
        assert list(await tx.rollouts.members(rollout.uuid, OPEN, 1)) == members[:1]
        assert (
            list(await tx.rollouts.members(rollout.uuid, OPEN, 9, among=[units[1].uuid]))
            == members[1:2]
        )
        assert list(await tx.rollouts.waiting(rollout.uuid, 1)) == [units[1].uuid, units[2].uuid]
        await tx.units.mark_presence(units[2].uuid, is_online=True, at=NOON)
        assert list(await tx.rollouts.waiting(rollout.uuid, 1)) == [units[2].uuid, units[1].uuid]
        assert list(await tx.rollouts.members(rollout.uuid, [M.FAILED], 9)) == []
        await tx.units.delete(units[1].uuid)
        assert await tx.rollouts.counts(rollout.uuid) == [
            StageCount(0, M.WAITING, 1),
            StageCount(1, M.WAITING, 1),
        ]


async def test_members_settle_by_what_their_units_report(database: Database) -> None:
    home = await stored(database)
    rollout = a_rollout(home.repo.uuid)
    failed = UpdateProgress().failed("too old", NOON)
    sent = UpdateProgress().sent(NOON)
    units = [
        *await some_units(database, home, 1, current_commit_version=NEW, update=sent),
        *await some_units(database, home, 1, current_commit_version=OLD, update=failed),
        *await some_units(database, home, 1, current_commit_version=OLD, update=sent),
        *await some_units(database, home, 1, update=failed),
    ]
    previous = Version(OLD, "v1")
    states = [M.UPDATING, M.UPDATING, M.UPDATING, M.WAITING]
    members = [
        Member(unit.uuid, 0, state, previous) for unit, state in zip(units, states, strict=True)
    ]
    later = NOON + timedelta(seconds=5)
    async with database.begin() as tx:
        await tx.rollouts.put(rollout)
        await tx.rollouts.put_members(rollout.uuid, members)
        assert await tx.rollouts.settle(rollout, later, away_before=NOON) == 2
        assert await tx.rollouts.settle(rollout, later, away_before=NOON) == 0
        found = {row.unit_uuid: row for row in await tx.rollouts.members(rollout.uuid, M, 9)}
        assert [found[unit.uuid].state for unit in units] == [
            M.SUCCEEDED,
            M.FAILED,
            M.UPDATING,
            M.WAITING,
        ]
        assert found[units[1].uuid] == Member(
            units[1].uuid, 0, M.FAILED, previous, "too old", later, has_taken=True
        )
        assert await tx.rollouts.failed_since(rollout.uuid, later) == 1
        assert await tx.rollouts.failed_since(rollout.uuid, later + timedelta(seconds=1)) == 0


async def test_a_member_is_offline_only_while_its_device_is_away_and_has_not_taken_the_command(
    database: Database,
) -> None:
    home = await stored(database)
    rollout = a_rollout(home.repo.uuid)
    long_ago, lately = NOON - timedelta(hours=1), NOON + timedelta(seconds=1)
    sent = UpdateProgress().sent(long_ago)
    silent = UpdateProgress().failed("no answer", NOON)
    cases: list[tuple[dict[str, object], bool, MemberState]] = [
        ({"update": sent}, True, M.OFFLINE),
        ({"update": silent}, True, M.OFFLINE),
        ({"update": silent, "last_seen_datetime": NOON}, True, M.OFFLINE),
        ({"update": silent, "last_seen_datetime": lately}, True, M.UPDATING),
        ({"update": UpdateProgress().sent(lately)}, True, M.UPDATING),
        ({"update": sent, "is_online": True}, True, M.UPDATING),
        ({"update": silent, "is_online": True}, True, M.FAILED),
        ({"update": silent}, False, M.FAILED),
        ({"update": sent}, False, M.UPDATING),
        ({"update": silent, "built_commit": OLD}, True, M.FAILED),
        ({"update": silent, "current_commit_version": NEW}, True, M.SUCCEEDED),
    ]
    units = [
        (await some_units(database, home, 1, **{"built_commit": NEW} | given))[0]
        for given, _, _ in cases
    ]
    taken = evolve(Member(units[0].uuid, 0, M.UPDATING), has_taken=True)
    async with database.begin() as tx:
        await tx.rollouts.put(rollout)
        await tx.rollouts.put_members(
            rollout.uuid, [Member(unit.uuid, 0, M.UPDATING) for unit in units]
        )
        await tx.outbox.put_many(
            [a_command(unit) for unit, case in zip(units, cases, strict=True) if case[1]]
        )
        await tx.rollouts.settle(rollout, lately, away_before=NOON)
        found = {row.unit_uuid: row for row in await tx.rollouts.members(rollout.uuid, M, 99)}
        assert [found[unit.uuid].state for unit in units] == [case[2] for case in cases]
        assert [found[unit.uuid].has_taken for unit in units] == [not case[1] for case in cases]
        offline = found[units[0].uuid]
        assert (offline.error, offline.settled_datetime) == (None, None)
        await tx.rollouts.put_members(rollout.uuid, [taken])
        # told anew by a person's button: what its device took once it cannot be away from
        await tx.rollouts.settle(rollout, lately, away_before=NOON)
        assert taken in await tx.rollouts.members(rollout.uuid, [M.UPDATING], 99)


async def test_an_offline_member_answers_when_its_device_is_back(database: Database) -> None:
    home = await stored(database)
    rollout = a_rollout(home.repo.uuid, state=RolloutState.FINISHED)
    silent = UpdateProgress().failed("no answer", NOON)
    (unit,) = await some_units(database, home, 1, built_commit=NEW, update=silent, is_online=True)
    command = a_command(unit)

    async def settled(*, taken: bool, **given: object) -> Member:
        async with database.begin() as tx:
            await tx.rollouts.put(rollout)
            await tx.rollouts.put_members(rollout.uuid, [Member(unit.uuid, 0, M.OFFLINE)])
            await tx.units.put(evolve(unit, **given))
            await tx.outbox.put(command)
            if taken:
                await tx.outbox.delete([command.uuid])
            await tx.rollouts.settle(rollout, NOON, away_before=NOON)
            (member,) = await tx.rollouts.members(rollout.uuid, M, 9)
        return member

    assert await settled(taken=False) == Member(unit.uuid, 0, M.OFFLINE)
    sent = UpdateProgress().sent(NOON)
    assert await settled(taken=True, update=sent) == Member(unit.uuid, 0, M.OFFLINE, has_taken=True)
    assert await settled(taken=True) == Member(
        unit.uuid, 0, M.FAILED, None, "no answer", NOON, has_taken=True
    )
    assert await settled(taken=False, current_commit_version=NEW) == Member(
        unit.uuid, 0, M.SUCCEEDED, None, None, NOON
    )
    async with database.begin() as tx:
        assert list(await tx.rollouts.unfinished()) == [rollout.uuid]
        await tx.rollouts.put(evolve(rollout, settled_datetime=NOON))
        assert list(await tx.rollouts.unfinished()) == []


async def test_what_is_returned_is_unfinished_until_every_touched_unit_is_told(
    database: Database,
) -> None:
    home = await stored(database)
    (unit,) = await some_units(database, home, 1)
    rollout = a_rollout(home.repo.uuid, state=RolloutState.RETURNED)
    member = Member(unit.uuid, 0, M.FAILED, Version(OLD, None), "why", NOON, has_taken=True)
    async with database.begin() as tx:
        await tx.rollouts.put(rollout)
        await tx.rollouts.put_members(rollout.uuid, [member])
        assert list(await tx.rollouts.unfinished()) == [rollout.uuid]
        await tx.rollouts.put_members(rollout.uuid, [evolve(member, state=M.RETURNED)])
        assert list(await tx.rollouts.unfinished()) == []
        await tx.rollouts.wait_again(rollout.uuid)
        assert list(await tx.rollouts.members(rollout.uuid, M, 9)) == [Member(unit.uuid, 0)]


async def test_a_rollout_needs_its_repo_and_goes_with_it(database: Database) -> None:
    home = await stored(database)
    with pytest.raises(Conflict):
        async with database.begin() as tx:
            await tx.rollouts.put(a_rollout(RepoId(uuid4())))
    with pytest.raises(Conflict):
        async with database.begin() as tx:
            await tx.rollouts.put_rule(RepoId(uuid4()), RULE)
    rollout = a_rollout(home.repo.uuid)
    async with database.begin() as tx:
        await tx.rollouts.put(rollout)
        await tx.rollouts.put_rule(home.repo.uuid, RULE)
        await tx.rollouts.put_members(rollout.uuid, [Member(home.unit.uuid, 0)])
        await tx.units.delete(home.unit.uuid)
        await tx.repos.delete(home.repo.uuid)
        assert await tx.rollouts.get(rollout.uuid) is None
        assert await tx.rollouts.rule_of(home.repo.uuid) is None


async def test_units_by_what_they_are_built_for_and_report(database: Database) -> None:
    home = await stored(database)
    both = {"built_commit": NEW, "current_commit_version": NEW}
    (current,) = await some_units(database, home, 1, **both)
    (silent,) = await some_units(database, home, 1, built_commit=NEW)
    (own,) = await some_units(database, home, 1, is_auto_update_from_repo_unit=False)
    async with database.read() as rows:
        behind = await rows.units.behind(home.repo.uuid, NEW)
        assert list(behind) == sorted([home.unit.uuid, silent.uuid])
        assert list(await rows.units.not_built_for(home.repo.uuid, NEW)) == [home.unit.uuid]
        asked = [own.uuid, current.uuid, a_unit(home.repo, home.user).uuid, own.uuid]
        found = await rows.units.get_many(asked)
        assert [unit.uuid for unit in found] == sorted([own.uuid, current.uuid])
        with pytest.raises(RuntimeError):
            await rows.units.get_many(asked, for_update=True)


async def test_many_rows_are_put_and_read_as_single_ones_are(database: Database) -> None:
    home = await stored(database)
    units = await some_units(database, home, 3)
    nodes = [a_node(unit) for unit in units]
    commands = [a_command(unit) for unit in units]
    async with database.begin() as tx:
        await tx.nodes.put(nodes)
        await tx.outbox.put_many(commands)
        await tx.outbox.put_many([])
        await tx.units.put_many([])
        found = await tx.nodes.of_units([unit.uuid for unit in units[:2]])
        assert {node.uuid for node in found} == {nodes[0].uuid, nodes[1].uuid}
        claimed = await tx.outbox.claim(NOON, NOON, 9)
        assert {command.uuid for command in claimed} == {command.uuid for command in commands}


async def test_names_that_are_taken(database: Database) -> None:
    home = await stored(database)
    async with database.read() as rows:
        assert list(await rows.units.taken([home.unit.name, "free"])) == [home.unit.name]
        assert list(await rows.units.taken([])) == []
