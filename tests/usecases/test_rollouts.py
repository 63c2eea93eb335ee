"""Rollouts on the real use cases: every trigger obeys, a crash loses nothing, return works."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from attrs import define, evolve, field

from pepeunit.adapters.memory.mirrors import MemoryMirrors
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Conflict, Forbidden, Invalid, NotFound, Topic
from pepeunit.domain.ids import RegistryId, RepoId, UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.repos.rollout import (
    OFFLINE_GRACE_SECONDS,
    MemberState,
    Rollout,
    RolloutState,
)
from pepeunit.domain.repos.rollout_rule import RuleSource
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.database import Transaction
from pepeunit.usecases.updates.advance_rollout import OFFLINE_AFTER_SECONDS
from pepeunit.usecases.updates.rollouts import GetRollout, SetRolloutRule
from pepeunit.usecases.updates.update_repo import UpdateRepoUnits
from tests.usecases.platform import INTERVAL, Platform, program

S, M = RolloutState, MemberState
STAGED = {"stages": [2, "50%"], "failures_max": 2}


class Fleet:
    """A repo with units that run and report its first version."""

    def __init__(self, platform: Platform, owner: Agent) -> None:
        self.platform, self.owner = platform, owner
        self.first = platform.remote.branches["main"]
        self.get = GetRollout(platform.database)
        self.button = UpdateRepoUnits(platform.database, platform.followers)

    async def build(self, units: int, rule: dict[str, Any] | None = None) -> None:
        self.repo: RepoId = await self.platform.repo(self.owner)
        self.units: list[UnitId] = []
        for number in range(units):
            unit = await self.platform.unit(self.owner, self.repo, f"unit-{number:03}")
            await self.report(self.first, unit)
            self.units.append(unit)
        self.units.sort()
        if rule is not None:
            await SetRolloutRule(self.platform.database)(self.owner, self.repo, rule)

    async def connect(self, *units: UnitId) -> None:
        for unit in units:
            self.platform.broker.listening.add(unit)
            await self.platform.presence.connected(Agent.unit(unit))
            await self.platform.presence.listening(Agent.unit(unit))

    async def disconnect(self, *units: UnitId) -> None:
        for unit in units:
            self.platform.broker.listening.discard(unit)
            await self.platform.presence.disconnected(Agent.unit(unit))

    async def report(self, commit: Sha, *units: UnitId) -> None:
        self.platform.clock.move(INTERVAL / 2)
        for unit in units:
            await self.platform.store_state(unit, f'{{"pu_commit_version":"{commit}"}}'.encode())

    async def push(self, tag: str = "v2", **files: str) -> Sha:
        commit = self.platform.remote.push(program(**(files or {"more__txt": tag})), tag=tag)
        await self.platform.poll()
        return commit

    async def round(self) -> None:
        await self.platform.sweep()
        await self.platform.advance.everywhere()

    async def rollout(self) -> Rollout:
        latest = (await self.get(self.owner, self.repo)).latest
        assert latest is not None
        return latest

    async def built(self) -> list[Sha | None]:
        return [(await self.platform.row(unit)).built_commit for unit in self.units]

    async def states(self) -> Counter[MemberState]:
        report = await self.get(self.owner, self.repo)
        return Counter({c.state: 0 for c in report.counts}) + sum(
            (Counter({count.state: count.units}) for count in report.counts), Counter()
        )


@pytest.fixture
def fleet(platform: Platform, owner: Agent) -> Fleet:
    return Fleet(platform, owner)


async def test_without_a_rule_every_unit_moves_at_once(fleet: Fleet) -> None:
    await fleet.build(4)
    commit = await fleet.push()
    assert await fleet.built() == [commit] * 4
    rollout = await fleet.rollout()
    assert (rollout.source, rollout.ends, rollout.state) == (RuleSource.DEFAULT, (4,), S.RUNNING)
    await fleet.report(commit, *fleet.units)
    await fleet.round()
    assert (await fleet.rollout()).state is S.FINISHED


async def test_stages_move_in_order_and_wait_for_their_units(fleet: Fleet) -> None:
    await fleet.build(8, STAGED)
    await fleet.connect(*fleet.units)
    commit = await fleet.push()
    old = fleet.first
    assert await fleet.built() == [commit] * 2 + [old] * 6
    await fleet.report(commit, fleet.units[0])
    await fleet.round()
    assert await fleet.built() == [commit] * 2 + [old] * 6
    await fleet.report(commit, fleet.units[1])
    await fleet.round()
    assert await fleet.built() == [commit] * 4 + [old] * 4
    await fleet.report(commit, *fleet.units[2:4])
    await fleet.round()
    assert await fleet.built() == [commit] * 8
    await fleet.report(commit, *fleet.units[4:])
    await fleet.round()
    assert (await fleet.rollout()).state is S.FINISHED
    assert await fleet.states() == {M.SUCCEEDED: 8}


async def test_webhook_poll_net_and_button_all_obey_the_stage(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(8, STAGED)
    commit = await fleet.push()
    registry = (await platform.repo_row(fleet.repo)).repository_registry_uuid
    await platform.followers.of_registry(registry)
    await platform.followers.everywhere()
    await fleet.button(fleet.owner, fleet.repo)
    assert (await fleet.built()).count(commit) == 2


async def test_the_pause_between_stages_is_kept(platform: Platform, fleet: Fleet) -> None:
    await fleet.build(4, {"stages": [1], "pause_seconds": 600})
    commit = await fleet.push()
    await fleet.report(commit, fleet.units[0])
    await fleet.round()
    platform.clock.move(599)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 1
    platform.clock.move(1)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 4


async def test_failures_stop_it_and_no_trigger_goes_on(platform: Platform, fleet: Fleet) -> None:
    await fleet.build(8, {"stages": ["50%"], "failures_max": 2})
    await fleet.connect(*fleet.units)
    commit = await fleet.push()
    platform.clock.move(2 * INTERVAL + 1)
    await fleet.report(commit, *fleet.units[2:4])
    await fleet.round()
    rollout = await fleet.rollout()
    assert (rollout.state, rollout.reason) == (S.STOPPED, "2 units failed, the limit is 2")
    report = await fleet.get(fleet.owner, fleet.repo)
    assert {row.unit_uuid for row in report.failures} == set(fleet.units[:2])
    assert all("did not report" in str(row.error) for row in report.failures)
    platform.clock.move(7 * 3600)
    await platform.followers.everywhere()
    await fleet.round()
    assert (await fleet.built()).count(commit) == 4
    with pytest.raises(Conflict) as refused:
        await fleet.button(fleet.owner, fleet.repo)
    assert refused.value.topic is Topic.UPDATE


async def test_devices_that_are_away_are_no_failures_and_hold_no_stage_up(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(8, {"stages": ["50%"], "failures_max": 2})
    *away, present = fleet.units[:4]
    await fleet.connect(present, *fleet.units[4:])
    commit = await fleet.push()
    await fleet.report(commit, present)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 8
    assert await fleet.states() == {M.OFFLINE: 3, M.SUCCEEDED: 1, M.UPDATING: 4}
    platform.clock.move(2 * INTERVAL + 1)
    await fleet.report(commit, *fleet.units[4:])
    await fleet.round()
    # the units themselves timed out, as ever (O32), but say nothing about the version
    assert {(await platform.row(unit)).update.status for unit in away} == {UpdateStatus.ERROR}
    assert (await fleet.rollout()).state is S.FINISHED
    assert await fleet.states() == {M.OFFLINE: 3, M.SUCCEEDED: 5}
    assert [one.unit_uuid for one in await platform.outbox()] == away


async def test_a_device_that_comes_back_is_told_and_counted_by_what_it_then_reports(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(4, {"stages": [3], "failures_max": 2})
    good, bricked, present, last = fleet.units
    await fleet.connect(present, last)
    commit = await fleet.push()
    platform.clock.move(2 * INTERVAL + 1)
    await fleet.report(commit, present)
    await fleet.round()
    await fleet.report(commit, last)
    await fleet.round()
    assert (await fleet.rollout()).awaits_devices
    assert await fleet.states() == {M.OFFLINE: 2, M.SUCCEEDED: 2}
    await fleet.connect(good, bricked)
    await platform.drain.settle()
    await fleet.disconnect(bricked)
    await fleet.round()
    assert not await platform.outbox()
    assert await fleet.states() == {M.OFFLINE: 2, M.SUCCEEDED: 2}
    await fleet.report(commit, good)
    await fleet.round()
    assert await fleet.states() == {M.OFFLINE: 1, M.SUCCEEDED: 3}
    platform.clock.move(2 * INTERVAL + 1)
    await fleet.round()
    assert await fleet.states() == {M.FAILED: 1, M.SUCCEEDED: 3}
    rollout = await fleet.rollout()
    assert (rollout.state, rollout.awaits_devices) == (S.FINISHED, False)


async def test_devices_that_took_the_command_and_never_came_back_are_failures(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(8, {"stages": ["50%"], "failures_max": 2})
    await fleet.connect(*fleet.units)
    commit = await fleet.push()
    await platform.drain.settle()
    await fleet.report(commit, *fleet.units[2:4])
    await fleet.disconnect(*fleet.units[:2])
    await fleet.round()
    assert await fleet.states() == {M.UPDATING: 2, M.SUCCEEDED: 2, M.WAITING: 4}
    # a person's button queues the command anew: what they took once stays taken
    for unit in fleet.units[:2]:
        await platform.send_command(fleet.owner, unit, CommandKind.UPDATE)
    assert {one.unit_uuid for one in await platform.outbox()} == set(fleet.units[:2])
    platform.clock.move(2 * INTERVAL + 1)
    await fleet.round()
    assert (await fleet.rollout()).reason == "2 units failed, the limit is 2"
    assert (await fleet.built()).count(commit) == 4


async def test_a_device_that_leaves_before_it_took_the_command_is_away(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(4, {"stages": [2], "failures_max": 1})
    leaving, staying = fleet.units[:2]
    platform.broker.silent.add(leaving)
    await fleet.connect(*fleet.units)
    commit = await fleet.push()
    await fleet.report(commit, staying)
    await fleet.disconnect(leaving)
    await fleet.round()
    assert await fleet.states() == {M.UPDATING: 1, M.SUCCEEDED: 1, M.WAITING: 2}
    platform.clock.move(OFFLINE_AFTER_SECONDS)
    await fleet.round()
    assert await fleet.states() == {M.OFFLINE: 1, M.SUCCEEDED: 1, M.UPDATING: 2}


async def test_after_a_restart_devices_get_time_to_connect_again(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(4, {"stages": [2]})
    await fleet.connect(*fleet.units)
    await platform.presence.reset()
    platform.broker.listening.clear()
    commit = await fleet.push()
    platform.clock.move(OFFLINE_AFTER_SECONDS - 1)
    await fleet.round()
    assert await fleet.states() == {M.UPDATING: 2, M.WAITING: 2}
    await fleet.connect(*fleet.units)
    await fleet.report(commit, *fleet.units[:2])
    await fleet.round()
    assert await fleet.states() == {M.SUCCEEDED: 2, M.UPDATING: 2}


async def test_a_stage_whose_devices_are_all_away_is_passed_after_the_grace(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(4, {"stages": [2], "failures_max": 1})
    commit = await fleet.push()
    platform.clock.move(OFFLINE_AFTER_SECONDS)
    await fleet.round()
    platform.clock.move(OFFLINE_GRACE_SECONDS - 1)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 2
    platform.clock.move(1)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 4


async def test_return_also_reaches_devices_that_never_heard_of_the_version(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(2)
    await fleet.push()
    platform.clock.move(OFFLINE_AFTER_SECONDS)
    await fleet.round()
    assert await fleet.states() == {M.OFFLINE: 2}
    await platform.steer.give_back(fleet.owner, fleet.repo)
    await fleet.round()
    assert await fleet.built() == [fleet.first] * 2
    assert CommandKind.UPDATE not in {one.kind for one in await platform.outbox()}
    assert await fleet.states() == {M.RETURNED: 2}


async def test_a_newer_target_ends_the_wait_of_a_finished_rollout(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(2)
    await fleet.connect(fleet.units[0])
    second = await fleet.push("v2")
    await fleet.report(second, fleet.units[0])
    await fleet.round()
    assert (await fleet.rollout()).awaits_devices
    await fleet.push("v3")
    newest, oldest = (await fleet.get(fleet.owner, fleet.repo)).history
    assert not oldest.awaits_devices
    async with platform.database.read() as rows:
        assert list(await rows.rollouts.unfinished()) == [newest.uuid]


async def test_a_resumed_rollout_counts_failures_anew(platform: Platform, fleet: Fleet) -> None:
    await fleet.build(6, {"stages": [2], "failures_max": 2})
    await fleet.connect(*fleet.units)
    commit = await fleet.push()
    platform.clock.move(2 * INTERVAL + 1)
    await fleet.round()
    assert (await fleet.rollout()).state is S.STOPPED
    platform.clock.move(1)
    await platform.steer.resume(fleet.owner, fleet.repo)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 6
    assert (await fleet.rollout()).is_running


async def test_return_moves_each_touched_unit_back_to_its_own_commit(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(3)
    second = await fleet.push("v2")
    await fleet.report(second, *fleet.units[1:])
    await fleet.round()
    odd = fleet.units[0]
    async with platform.database.begin() as tx:
        row = await platform.row(odd)
        await tx.units.put(
            evolve(row, built_commit=fleet.first, current_commit_version=fleet.first)
        )
    third = await fleet.push(
        "v3",
        schema_example__json=program({"output_topic": ["hum/pepeunit"]})["schema_example.json"],
    )
    assert await fleet.built() == [third] * 3
    await platform.steer.give_back(fleet.owner, fleet.repo)
    await fleet.round()
    assert await fleet.built() == [fleet.first, second, second]
    assert await platform.node(odd, "temp/pepeunit")
    assert await fleet.states() == {M.RETURNED: 3}
    statuses = [(await platform.row(unit)).update.status for unit in fleet.units]
    # what was never reported is told again to go where it is
    assert UpdateStatus.ERROR not in statuses
    platform.clock.move(7 * 3600)
    await platform.followers.everywhere()
    assert await fleet.built() == [fleet.first, second, second]
    fourth = await fleet.push("v4")
    assert await fleet.built() == [fourth] * 3


async def test_a_returned_rollout_can_be_started_over(platform: Platform, fleet: Fleet) -> None:
    await fleet.build(4, {"stages": [1]})
    commit = await fleet.push()
    await fleet.report(commit, fleet.units[0])
    await fleet.round()
    await platform.steer.give_back(fleet.owner, fleet.repo)
    await fleet.round()
    assert await fleet.built() == [fleet.first] * 4
    await fleet.report(fleet.first, fleet.units[0])
    await platform.steer.resume(fleet.owner, fleet.repo)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 1


async def test_a_paused_rollout_goes_on_where_it_was(platform: Platform, fleet: Fleet) -> None:
    await fleet.build(4, {"stages": [1]})
    commit = await fleet.push()
    await platform.steer.pause(fleet.owner, fleet.repo)
    await fleet.report(commit, fleet.units[0])
    await fleet.round()
    assert (await fleet.built()).count(commit) == 1
    await platform.steer.resume(fleet.owner, fleet.repo)
    await fleet.round()
    assert (await fleet.built()).count(commit) == 4
    await platform.steer.stop(fleet.owner, fleet.repo)
    assert (await fleet.rollout()).reason == "stopped by the creator"


async def test_a_newer_target_supersedes_and_an_old_one_cannot_be_resumed(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(4, {"stages": [1]})
    second = await fleet.push("v2")
    third = await fleet.push("v3")
    report = await fleet.get(fleet.owner, fleet.repo)
    newest, oldest = report.history
    assert (newest.commit, oldest.commit) == (third, second)
    assert (oldest.state, oldest.reason) == (S.STOPPED, f"superseded by {third}")
    assert (await fleet.built()).count(third) == 1
    platform.remote.push(program(more__txt="4"), tag="v4")
    await platform.synchronise((await platform.repo_row(fleet.repo)).repository_registry_uuid)
    await platform.steer.pause(fleet.owner, fleet.repo)
    with pytest.raises(Conflict):
        await platform.steer.resume(fleet.owner, fleet.repo)


async def test_the_file_of_the_target_commit_wins_over_the_setting(fleet: Fleet) -> None:
    await fleet.build(6, STAGED)
    commit = await fleet.push(pepeunit__toml="[rollout]\nstages = [3]\n")
    rollout = await fleet.rollout()
    assert (rollout.source, rollout.ends) == (RuleSource.FILE, (3, 6))
    assert (await fleet.built()).count(commit) == 3


async def test_a_bad_rollout_section_moves_nobody_and_says_why_at_every_unit(
    platform: Platform, fleet: Fleet
) -> None:
    await fleet.build(2)
    await fleet.push(pepeunit__toml='[rollout]\nstages = ["0%"]\npause = 5\n')
    assert await fleet.built() == [fleet.first] * 2
    error = (await platform.row(fleet.units[0])).update.error
    assert error is not None and "rollout.stages[0]" in error and "rollout.pause" in error


async def test_a_crash_between_batches_loses_no_unit(platform: Platform, fleet: Fleet) -> None:
    await fleet.build(5)

    class KilledError(BaseException):
        pass

    class Dying:
        calls = 0

        async def prepare(self, *_: Any) -> None: ...

        async def __call__(self, tx: Transaction, *args: Any, **kwargs: Any) -> int:
            self.calls += 1
            queued = await platform.move(tx, *args, **kwargs)
            if self.calls == 2:
                raise KilledError
            return queued

    dying = evolve(platform.advance, move=Dying(), batch_units=2)
    platform.remote.push(program(more__txt="2"), tag="v2")
    row = await platform.repo_row(fleet.repo)
    await platform.synchronise(row.repository_registry_uuid)
    with pytest.raises(KilledError):
        await evolve(platform.followers, advance=dying)(fleet.repo)
    commit = platform.remote.branches["main"]
    assert (await fleet.built()).count(commit) == 2
    await fleet.round()
    assert await fleet.built() == [commit] * 5
    assert len(await platform.outbox()) == 5


@define
class CountingMirrors(MemoryMirrors):
    reads: Counter[str] = field(factory=Counter, init=False)

    async def read(self, registry: RegistryId, commit: Sha, path: str) -> bytes:
        self.reads[path] += 1
        return await super().read(registry, commit, path)


async def test_git_is_read_once_for_all_units() -> None:
    mirrors = CountingMirrors({})
    platform = Platform(mirrors=mirrors)
    platform.remote.push(program(), tag="v1")
    fleet = Fleet(platform, await platform.user("owner"))
    await fleet.build(12)
    mirrors.reads.clear()
    commit = await fleet.push()
    assert await fleet.built() == [commit] * 12
    # the target's, and that of the one version they all run
    assert mirrors.reads == {"schema_example.json": 2, "env_example.json": 1}
    await platform.close()


async def test_rounds_that_meet_move_every_unit_once(platform: Platform, fleet: Fleet) -> None:
    await fleet.build(6, {"stages": [1]})
    commit = await fleet.push()
    await fleet.report(commit, fleet.units[0])
    platform.broker.listening.update(fleet.units)
    await asyncio.gather(*(platform.advance.everywhere() for _ in range(3)))
    assert await fleet.built() == [commit] * 6
    assert Counter(word for word, _ in platform.sent()) == {"update": 6}


async def test_who_may_look_and_steer(
    platform: Platform, fleet: Fleet, stranger: Agent, admin: Agent
) -> None:
    await fleet.build(1)
    steps = (platform.steer.pause, platform.steer.resume, platform.steer.stop)
    for step in (*steps, platform.steer.give_back):
        with pytest.raises(NotFound):
            await step(fleet.owner, fleet.repo)
        for agent in (stranger, admin, Agent.unit(fleet.units[0])):
            with pytest.raises(Forbidden):
                await step(agent, fleet.repo)
            with pytest.raises(Forbidden):
                await fleet.get(agent, fleet.repo)
            with pytest.raises(Forbidden):
                await SetRolloutRule(platform.database)(agent, fleet.repo, {})
    with pytest.raises(Invalid):
        await SetRolloutRule(platform.database)(fleet.owner, fleet.repo, {"stages": [0]})
    assert (await fleet.get(fleet.owner, fleet.repo)).latest is None
