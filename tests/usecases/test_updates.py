"""Outbox and updates (devices.md 11; O14, O15, O29-O32; rulings 21-23)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import define, evolve, field, frozen

from pepeunit.adapters.memory.broker import MemoryBroker
from pepeunit.adapters.memory.code_host import MemoryCodeHost
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, Invalid, Topic, Unavailable
from pepeunit.domain.ids import RepoId, UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.registry import GitPlatform, SyncStatus
from pepeunit.domain.registries.version import Asset, Releases, Sha
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.publisher import Receipt
from pepeunit.usecases.registries.recover import RecoverSyncs
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import RETRY_SECONDS
from pepeunit.usecases.updates.programs import Program
from pepeunit.usecases.updates.settle_commands import ATTEMPTS_MAX
from pepeunit.usecases.updates.update_repo import BulkUpdate, UpdateRepoUnits
from tests.usecases.platform import INTERVAL, Platform, program

UPDATE = CommandKind.UPDATE


async def a_unit(platform: Platform, owner: Agent) -> tuple[RepoId, UnitId]:
    repo = await platform.repo(owner)
    return repo, await platform.unit(owner, repo)


async def new_tag(platform: Platform, repo: RepoId, tag: str = "v2", **files: str) -> Sha:
    """Push a tag and bring the mirror up to date, as the poll does."""
    commit = platform.remote.push(program(**(files or {"more__txt": tag})), tag=tag)
    row = await platform.repo_row(repo)
    await platform.synchronise(row.repository_registry_uuid)
    return commit


async def status(platform: Platform, unit: UnitId) -> UpdateStatus | None:
    return (await platform.row(unit)).update.status


async def test_a_pushed_tag_reaches_the_device_and_its_report_ends_the_update(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.report(unit, platform.remote.branches["main"])
    platform.broker.listening.add(unit)
    commit = platform.remote.push(program(more__txt="x"), tag="v2")
    await platform.poll()
    assert platform.sent() == [("update", {"COMMAND": "Update", "PU_COMMIT_VERSION": commit})]
    row = await platform.row(unit)
    assert (row.built_commit, row.update.status) == (commit, UpdateStatus.REQUEST_SENT)
    await platform.report(unit, commit)
    row = await platform.row(unit)
    assert (row.current_commit_version, row.update.status) == (commit, UpdateStatus.SUCCESS)


async def test_rulings_22_a_command_waits_for_a_device_that_is_away(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
    assert [found.kind for found in await platform.outbox()] == [CommandKind.ENV_UPDATE]
    platform.broker.published.clear()
    platform.broker.listening.add(unit)
    await platform.presence.listening(Agent.unit(unit))
    assert platform.sent() == [("env_update", {"COMMAND": "EnvUpdate"})]
    assert await platform.outbox() == []


async def test_rulings_22_a_newer_command_replaces_an_older_one_of_its_kind(
    platform: Platform, owner: Agent
) -> None:
    repo, unit = await a_unit(platform, owner)
    await platform.send_command(owner, unit, UPDATE)
    await platform.send_command(owner, unit, CommandKind.LOG_SYNC)
    commit = await new_tag(platform, repo)
    await platform.send_command(owner, unit, UPDATE)
    kinds = {found.kind: found.payload for found in await platform.outbox()}
    assert set(kinds) == {UPDATE, CommandKind.LOG_SYNC}
    assert json.loads(kinds[UPDATE])["PU_COMMIT_VERSION"] == commit


async def test_rulings_22_a_command_is_not_sent_twice_before_its_retry(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
    platform.broker.published.clear()
    assert await platform.drain() == 0
    assert platform.broker.published == []
    platform.clock.move(RETRY_SECONDS)
    platform.broker.listening.add(unit)
    assert await platform.drain() == 1


async def test_rulings_22_a_command_stays_until_the_device_acknowledges_it(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    platform.broker.listening.add(unit)
    platform.broker.silent.add(unit)
    await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
    assert len(platform.sent()) == len(await platform.outbox()) == 1
    await platform.send_command(owner, unit, CommandKind.LOG_SYNC)
    assert [word for word, _ in platform.sent()] == ["env_update", "log_sync"]
    platform.broker.silent.clear()
    await platform.presence.listening(Agent.unit(unit))
    assert [word for word, _ in platform.sent()][2:] == ["env_update", "log_sync"]
    assert await platform.outbox() == []


async def test_rulings_22_the_sweep_sends_again_what_was_not_acknowledged(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    platform.broker.listening.add(unit)
    platform.broker.silent.add(unit)
    await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
    platform.clock.move(RETRY_SECONDS - 1)
    assert await platform.drain() == 0
    platform.clock.move(1)
    assert await platform.drain() == 1


async def test_rulings_22_two_drains_at_once_send_a_command_once(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
    platform.broker.published.clear()
    platform.broker.listening.add(unit)
    drain = evolve(platform.drain, database=PausingDatabase(platform.database))
    await asyncio.gather(*(drain.again(unit) for _ in range(4)), drain())
    assert [word for word, _ in platform.sent()] == ["env_update"]


async def test_rulings_22_a_program_that_never_acknowledges_is_not_told_for_ever(
    platform: Platform, owner: Agent
) -> None:
    """It restarts on the command: every connection would bring the next restart."""
    _, unit = await a_unit(platform, owner)
    for _ in range(ATTEMPTS_MAX):  # while it is away nothing counts
        await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
        platform.clock.move(RETRY_SECONDS)
        await platform.drain()
    platform.broker.published.clear()
    platform.broker.listening.add(unit)
    platform.broker.silent.add(unit)
    for _ in range(ATTEMPTS_MAX + 2):
        await platform.presence.listening(Agent.unit(unit))
    assert len(platform.sent()) == ATTEMPTS_MAX
    assert await platform.outbox() == []


@pytest.mark.parametrize("was_told", [True, False])
async def test_rulings_22_a_reported_success_stands_for_the_acknowledgement_of_an_update(
    platform: Platform, owner: Agent, was_told: bool
) -> None:
    _, unit = await a_unit(platform, owner)
    if was_told:
        platform.broker.listening.add(unit)
        platform.broker.silent.add(unit)
    await platform.send_command(owner, unit, UPDATE)
    await platform.report(unit, (await platform.row(unit)).built_commit)
    assert await status(platform, unit) is UpdateStatus.SUCCESS
    assert len(await platform.outbox()) == (0 if was_told else 1)


async def test_a_broker_that_cannot_say_who_hears_settles_with_its_own_receipt(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    elsewhere = BrokerElsewhere()
    drain = evolve(platform.drain, publisher=elsewhere)
    await evolve(platform.send_command, drain=drain)(owner, unit, CommandKind.ENV_UPDATE)
    assert len(await platform.outbox()) == 1
    for receipt in elsewhere.owed:
        receipt.taken()
    await drain.settle()
    assert await platform.outbox() == []


async def test_rulings_22_a_store_that_is_down_forgets_no_acknowledgement(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    elsewhere = BrokerElsewhere()
    drain = evolve(platform.drain, publisher=elsewhere)
    await evolve(platform.send_command, drain=drain)(owner, unit, CommandKind.ENV_UPDATE)
    elsewhere.owed[0].taken()
    down = DownDatabase()
    drain.settle.database, back = down, drain.settle.database
    with pytest.raises(Unavailable):
        await drain.settle()
    drain.settle.database = back
    await drain.settle()
    assert await platform.outbox() == []


async def test_a_broker_that_is_down_loses_no_command(platform: Platform, owner: Agent) -> None:
    _, unit = await a_unit(platform, owner)
    platform.broker.is_down = True
    await platform.send_command(owner, unit, CommandKind.ENV_UPDATE)
    platform.broker.is_down = False
    platform.broker.listening.add(unit)
    await platform.presence.listening(Agent.unit(unit))
    assert [word for word, _ in platform.sent()] == ["env_update"]


@define(eq=False)
class BrokerElsewhere(MemoryBroker):
    """It takes messages, and does not know who hears them."""

    owed: list[Receipt] = field(factory=list)

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, receipt: Receipt | None = None
    ) -> int | None:
        assert receipt is not None
        self.owed.append(receipt)
        return None


@frozen
class PausingDatabase:
    """Others have their turn after each commit, as with a real store."""

    inner: Database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.inner.begin() as tx:
            yield tx
        for _ in range(3):
            await asyncio.sleep(0)


class DownDatabase(MemoryDatabase):
    def begin(self) -> Any:
        raise Unavailable("database", "gone")


class KilledError(BaseException):
    """The process ends here."""


@define(eq=False)
class DyingBroker(MemoryBroker):
    """The process dies right before or right after the broker took the message."""

    takes_it: bool = False

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, receipt: Receipt | None = None
    ) -> int | None:
        if self.takes_it:
            await super().publish(topic, payload, qos, receipt)
        raise KilledError


@pytest.mark.parametrize("takes_it", [True, False])
async def test_rulings_22_a_crash_around_the_publish_loses_no_command(
    platform: Platform, owner: Agent, takes_it: bool
) -> None:
    _, unit = await a_unit(platform, owner)
    drain = evolve(platform.drain, publisher=DyingBroker(takes_it=takes_it))
    with pytest.raises(KilledError):
        await evolve(platform.send_command, drain=drain)(owner, unit, UPDATE)
    row = await platform.row(unit)
    assert row.update.status is UpdateStatus.REQUEST_SENT
    platform.broker.listening.add(unit)
    platform.clock.move(RETRY_SECONDS)
    assert await platform.drain() == 1
    assert [word for word, _ in platform.sent()] == ["update"]


@define(eq=False)
class QuickDevice(MemoryBroker):
    """A device that has updated and reported before the publish returns."""

    platform: Platform | None = None
    unit: UnitId | None = None

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, receipt: Receipt | None = None
    ) -> int | None:
        assert self.platform is not None and self.unit is not None
        await self.platform.report(self.unit, json.loads(payload)["PU_COMMIT_VERSION"])
        assert receipt is not None
        receipt.taken()
        return 1


async def test_a_device_quicker_than_the_outbox_stays_in_success(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    drain = evolve(platform.drain, publisher=QuickDevice(platform=platform, unit=unit))
    await evolve(platform.send_command, drain=drain)(owner, unit, UPDATE)
    assert await status(platform, unit) is UpdateStatus.SUCCESS


async def test_an_update_delivered_late_counts_from_its_delivery(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.send_command(owner, unit, UPDATE)
    platform.clock.move(2 * INTERVAL + 1)
    assert await platform.sweep() == 1
    assert await status(platform, unit) is UpdateStatus.ERROR
    platform.broker.listening.add(unit)
    await platform.presence.listening(Agent.unit(unit))
    row = await platform.row(unit)
    assert (row.update.status, row.update.sent_datetime) == (
        UpdateStatus.REQUEST_SENT,
        platform.clock.now,
    )


async def test_o29_a_command_the_running_program_lacks_is_refused(
    platform: Platform, owner: Agent
) -> None:
    repo, unit = await a_unit(platform, owner)
    await platform.report(unit, platform.remote.branches["main"])
    await new_tag(
        platform,
        repo,
        schema_example__json=program({"input_base_topic": ["update/pepeunit"]})[
            "schema_example.json"
        ],
    )
    await platform.followers(repo)
    await platform.send_command(owner, unit, CommandKind.LOG_SYNC)
    await platform.report(unit, (await platform.row(unit)).built_commit)
    with pytest.raises(Invalid) as refused:
        await platform.send_command(owner, unit, CommandKind.LOG_SYNC)
    assert refused.value.topic is Topic.UNIT


async def test_o29_a_unit_that_reports_a_commit_nobody_knows_is_asked_by_what_was_built(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.report(unit, "not a commit")
    await platform.send_command(owner, unit, CommandKind.LOG_SYNC)


async def test_o30_the_net_sends_nothing_to_units_that_run_their_version(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.report(unit, platform.remote.branches["main"])
    for _ in range(3):
        assert await platform.followers.everywhere() == 0
        platform.clock.move(3600)
    assert await status(platform, unit) is None
    assert await platform.outbox() == []


async def test_o30_the_net_does_not_tell_again_who_has_not_answered_yet(
    platform: Platform, owner: Agent
) -> None:
    _, unit = await a_unit(platform, owner)
    assert await platform.followers.everywhere() == 1
    told = (await platform.row(unit)).update
    platform.clock.move(INTERVAL)
    assert await platform.followers.everywhere() == 0
    assert (await platform.row(unit)).update == told


async def test_a_program_without_update_is_no_failure_while_it_is_current(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    registry = (await platform.repo_row(repo)).repository_registry_uuid
    platform.remote.push(program({"input_base_topic": []}), tag="v2")
    await platform.synchronise(registry)
    unit = await platform.unit(owner, repo)
    await platform.report(unit, platform.remote.branches["main"])
    assert await platform.followers.everywhere() == 0
    assert await status(platform, unit) is None
    await new_tag(platform, repo, "v3")
    assert await platform.followers.everywhere() == 0
    row = await platform.row(unit)
    assert row.update.error is not None and "update/pepeunit" in row.update.error


async def test_an_explicit_command_goes_out_always(platform: Platform, owner: Agent) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.report(unit, platform.remote.branches["main"])
    await platform.send_command(Agent.unit(unit), unit, UPDATE)
    assert await status(platform, unit) is UpdateStatus.REQUEST_SENT


async def test_rulings_23_failed_updates_back_off_and_a_new_version_does_not_wait(
    platform: Platform, owner: Agent
) -> None:
    repo, unit = await a_unit(platform, owner)
    waits = []
    for _ in range(3):
        assert await platform.followers.everywhere() == 1
        platform.clock.move(2 * INTERVAL + 1)
        assert await platform.sweep() == 1
        failed_at = platform.clock.now
        assert await platform.followers.everywhere() == 0
        while not await platform.followers.everywhere():
            platform.clock.move(600)
            assert platform.clock.now < failed_at.replace(year=2027)
        waits.append((platform.clock.now - failed_at).total_seconds())
        platform.clock.move(2 * INTERVAL + 1)
        await platform.sweep()
        async with platform.database.begin() as tx:
            row = await platform.row(unit)
            await tx.units.put(evolve(row, update=evolve(row.update, retry_datetime=None)))
    assert waits[0] == 3600
    assert waits == sorted(waits) and waits[-1] > waits[0]
    await new_tag(platform, repo)
    assert await platform.followers.everywhere() == 1


async def test_o31_a_failure_is_written_to_its_unit_and_the_others_go_on(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.releases |= {
        "v1": [Asset("a", "l"), Asset("b", "l")],
        "v2": [Asset("b", "l2")],
    }
    repo = await platform.repo(owner, is_compilable_repo=True)
    lost = await platform.unit(owner, repo, "aaaa", target_firmware_platform="a")
    fine = await platform.unit(owner, repo, "bbbb", target_firmware_platform="b")
    commit = await new_tag(platform, repo)
    await platform.followers(repo)
    row = await platform.row(lost)
    assert row.update.status is UpdateStatus.ERROR
    assert row.update.error is not None and "platform 'a'" in row.update.error
    assert row.built_commit != commit
    assert (await platform.row(fine)).built_commit == commit
    again = (await platform.row(lost)).update
    await platform.followers(repo)
    assert (await platform.row(lost)).update == again
    platform.remote.releases["v3"] = [Asset("a", "l3"), Asset("b", "l3")]
    third = await new_tag(platform, repo, "v3")
    await platform.followers(repo)
    assert (await platform.row(lost)).built_commit == third


async def test_o31_a_bug_at_one_unit_does_not_stop_the_others(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    units = [await platform.unit(owner, repo, f"unit-{number}") for number in range(3)]
    commit = await new_tag(platform, repo)

    class Troubled(Builder):
        def built_for(self, unit: Unit, program: Program) -> Unit:
            if unit.uuid == units[1]:
                raise ZeroDivisionError
            return super().built_for(unit, program)

    troubled = evolve(platform.move, builder=Troubled(platform.clock, platform.ids))
    advance = evolve(platform.advance, move=troubled)
    await evolve(platform.followers, advance=advance)(repo)
    built = [(await platform.row(unit)).built_commit == commit for unit in units]
    assert built == [True, False, True]


async def test_o32_a_device_that_goes_silent_times_out(platform: Platform, owner: Agent) -> None:
    _, unit = await a_unit(platform, owner)
    await platform.send_command(owner, unit, UPDATE)
    platform.clock.move(2 * INTERVAL)
    assert await platform.sweep() == 0
    platform.clock.move(1)
    assert await platform.sweep() == 1
    row = await platform.row(unit)
    assert (row.update.status, row.update.sent_datetime) == (UpdateStatus.ERROR, None)
    assert await platform.sweep() == 0


@define(eq=False)
class LateDatabase(MemoryDatabase):
    """Lets something happen before a transaction begins."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        async with MemoryDatabase.begin(self) as tx:
            yield tx


async def test_o32_a_device_that_answers_while_it_is_swept_has_succeeded() -> None:
    database = LateDatabase()
    platform = Platform(database=database)
    commit = platform.remote.push(program(), tag="v1")
    _, unit = await a_unit(platform, await platform.user("owner"))
    await platform.send_command(Agent.unit(unit), unit, UPDATE)
    platform.clock.move(2 * INTERVAL + 1)

    async def answer() -> None:
        await platform.report(unit, commit)

    database.meanwhile = answer
    assert await platform.sweep() == 0
    assert await status(platform, unit) is UpdateStatus.SUCCESS
    await platform.close()


async def test_o14_w13_new_nodes_belong_to_the_units_creator_whoever_updates(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    repo = await platform.repo(owner)
    unit = await platform.unit(stranger, repo, visibility=Visibility.PRIVATE)
    platform.remote.push(program({"output_topic": ["hum/pepeunit"]}), tag="v2")
    registry = (await platform.repo_row(repo)).repository_registry_uuid
    await platform.synchronise(registry)
    await UpdateRepoUnits(platform.database, platform.followers)(owner, repo)
    node = await platform.node(unit, "hum/pepeunit")
    assert (node.creator_uuid, node.visibility_level) == (stranger.uuid, Visibility.PRIVATE)
    assert stranger.uuid is not None and owner.uuid is not None
    async with platform.database.read() as rows:
        assert await rows.permissions.exists(stranger.uuid, node.uuid)
        assert await rows.permissions.exists(unit, node.uuid)
        assert not await rows.permissions.exists(owner.uuid, node.uuid)


async def test_kept_nodes_keep_their_identity_and_settings(
    platform: Platform, owner: Agent
) -> None:
    repo, unit = await a_unit(platform, owner)
    led = await platform.change_node(
        owner, await platform.node(unit, "led/pepeunit"), max_connections=3
    )
    await new_tag(platform, repo)
    await platform.followers(repo)
    assert await platform.node(unit, "led/pepeunit") == led


async def test_o15_there_and_back_before_the_device_answers(
    platform: Platform, owner: Agent
) -> None:
    first = platform.remote.branches["main"]
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    await platform.report(unit, first)
    platform.remote.push(program({"output_topic": ["hum/pepeunit"]}), tag="v2")
    registry = (await platform.repo_row(repo)).repository_registry_uuid
    await platform.sync_then_update(registry)
    assert await platform.node(unit, "hum/pepeunit")
    platform.remote.branches["main"] = first
    del platform.remote.tags["v2"]
    await platform.sync_then_update(registry)
    assert (await platform.row(unit)).built_commit == first
    schema = await platform.get_schema(owner, unit)
    assert list(schema["output_topic"]) == ["temp/pepeunit"]
    kinds = {found.kind for found in await platform.outbox()}
    assert CommandKind.SCHEMA_UPDATE in kinds


async def test_o15_an_update_to_a_version_that_was_taken_back_is_never_sent(
    platform: Platform, owner: Agent
) -> None:
    first = platform.remote.branches["main"]
    repo, unit = await a_unit(platform, owner)
    await platform.report(unit, first)
    await new_tag(platform, repo)
    registry = (await platform.repo_row(repo)).repository_registry_uuid
    await platform.followers.of_registry(registry)
    assert UPDATE in {found.kind for found in await platform.outbox()}
    platform.remote.branches["main"] = first
    del platform.remote.tags["v2"]
    await platform.sync_then_update(registry)
    platform.broker.published.clear()
    platform.broker.listening.add(unit)
    await platform.presence.listening(Agent.unit(unit))
    assert "update" not in [word for word, _ in platform.sent()]


class HostWithoutReleases(MemoryCodeHost):
    """git answers and so does the API, but for the releases."""

    async def releases(self, url: str, credentials: GitCredentials | None) -> Releases:
        raise Unavailable("code host", "does not answer")


async def test_rulings_26_a_tag_that_was_fetched_reaches_the_device_though_the_sync_failed(
    platform: Platform, owner: Agent
) -> None:
    first = platform.remote.branches["main"]
    repo, unit = await a_unit(platform, owner)
    await platform.report(unit, first)
    platform.remote.push(program(more__txt="v2"), tag="v2")
    lame = HostWithoutReleases(platform.host.remotes)
    uuid = (await platform.repo_row(repo)).repository_registry_uuid
    synchronise = evolve(
        platform.synchronise,
        keyring=evolve(platform.keyring, hosts={GitPlatform.GITLAB: lame}),
    )
    await evolve(platform.sync_then_update, synchronise=synchronise)(uuid)
    assert (await platform.registry_row(uuid)).sync_status is SyncStatus.ERROR
    assert UPDATE in {found.kind for found in await platform.outbox()}


async def test_rulings_26_a_tag_fetched_right_before_a_crash_reaches_the_device(
    platform: Platform, owner: Agent
) -> None:
    first = platform.remote.branches["main"]
    repo, unit = await a_unit(platform, owner)
    await platform.report(unit, first)
    platform.remote.push(program(more__txt="v2"), tag="v2")
    uuid = (await platform.repo_row(repo)).repository_registry_uuid
    registry = await platform.registry_row(uuid)
    await platform.mirrors.sync(uuid, registry.repository_url, None)
    async with platform.database.begin() as tx:
        await tx.registries.put(evolve(registry, sync_status=SyncStatus.PROCESSING))
    recover = RecoverSyncs(
        platform.database, platform.leases, platform.sync_then_update, platform.background
    )
    assert await recover() == 1
    async with asyncio.timeout(5):
        while UPDATE not in {found.kind for found in await platform.outbox()}:
            await asyncio.sleep(0)


async def test_manual_units_stay_on_their_version(platform: Platform, owner: Agent) -> None:
    first = platform.remote.branches["main"]
    repo = await platform.repo(owner)
    unit = await platform.unit(
        owner, repo, is_auto_update_from_repo_unit=False, repo_branch="main", repo_commit=first
    )
    await new_tag(platform, repo)
    assert await platform.followers(repo) == 0
    assert (await platform.row(unit)).built_commit == first


async def test_who_starts_which_update(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    repo, _ = await a_unit(platform, owner)
    button = UpdateRepoUnits(platform.database, platform.followers)
    for agent in (stranger, admin, ANONYMOUS):
        with pytest.raises(Forbidden):
            await button(agent, repo)
    assert await button(owner, repo) == 1
    bulk = BulkUpdate(platform.followers, platform.background)
    for agent in (owner, ANONYMOUS):
        with pytest.raises(Forbidden):
            await bulk(agent)
    await bulk(admin)
