"""Registries: syncs, credentials, what a private one shows (devices.md 2, rulings 10, 24, 26)."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from pepeunit.adapters.memory.mirrors import MemoryMirrors, MemoryRemote
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Forbidden, Invalid, NotFound, Throttled, Topic
from pepeunit.domain.ids import RegistryId
from pepeunit.domain.registries.credentials import CredentialStatus, GitCredentials
from pepeunit.domain.registries.push_hook import hook_secret
from pepeunit.domain.registries.registry import GitPlatform, SyncStatus
from pepeunit.domain.registries.version import Asset
from pepeunit.ports.mirrors import Progress
from pepeunit.usecases.registries.credentials import MASK, GetCredentials, SetCredentials
from pepeunit.usecases.registries.delete_registry import DeleteRegistry
from pepeunit.usecases.registries.recover import RecoverSyncs
from pepeunit.usecases.registries.sync_registry import ReceivePush, SyncAll
from tests.usecases.platform import URL, Platform, program

MINE = GitCredentials("me", "mine")
YOURS = GitCredentials("you", "yours")
OTHER_URL = "https://git.example.com/me/other.git"


async def private(platform: Platform, owner: Agent) -> RegistryId:
    platform.remote.pat_tokens = frozenset({"mine", "yours"})
    return await platform.registry(owner, MINE)


async def statuses(platform: Platform, uuid: RegistryId) -> list[CredentialStatus]:
    async with platform.database.read() as rows:
        return [slot.status for slot in await rows.registries.credentials(uuid)]


async def set_credentials(
    platform: Platform, agent: Agent, uuid: RegistryId, credentials: GitCredentials
) -> None:
    await SetCredentials(platform.database, platform.keyring)(agent, uuid, credentials)


async def test_registering_syncs_at_once(platform: Platform, owner: Agent) -> None:
    row = await platform.registry_row(await platform.registry(owner))
    assert row.sync_status is SyncStatus.UPDATED
    assert (row.sync_error, row.sync_progress) == (None, None)
    assert row.local_repository_size > 0
    assert await platform.mirrors.branches(row.uuid) == ["main"]


async def test_every_broken_rule_of_a_registration_is_listed(
    platform: Platform, owner: Agent
) -> None:
    with pytest.raises(Invalid) as refused:
        await platform.register(owner, GitPlatform.GITLAB, "ftp://x", False, GitCredentials("", ""))
    assert {path for path, _ in refused.value.violations} == {
        "repository_url",
        "credentials.username",
        "credentials.pat_token",
    }
    with pytest.raises(Invalid, match="private"):
        await platform.register(owner, GitPlatform.GITLAB, URL, False)


async def test_one_url_is_registered_once(platform: Platform, owner: Agent) -> None:
    await platform.registry(owner)
    with pytest.raises(Conflict) as refused:
        await platform.registry(owner)
    assert refused.value.topic is Topic.REGISTRY


async def test_anonymous_callers_and_units_register_nothing(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    for agent in (ANONYMOUS, Agent.unit(unit)):
        with pytest.raises(Forbidden):
            await platform.register(agent, GitPlatform.GITLAB, OTHER_URL, True)


async def test_a_failed_first_sync_is_stored_and_shown_not_raised(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.is_down = True
    row = await platform.registry_row(await platform.registry(owner))
    assert row.sync_status is SyncStatus.ERROR
    assert row.sync_error is not None and "does not answer" in row.sync_error


async def test_o3_a_repository_over_the_limit_ends_in_error(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.push(program(big__bin="x" * 20_000))
    row = await platform.registry_row(await platform.registry(owner))
    assert row.sync_status is SyncStatus.ERROR
    assert row.sync_error is not None and "at most 10000" in row.sync_error


class BrokenMirrors(MemoryMirrors):
    """Fails as a bug would."""

    async def sync(
        self,
        registry: RegistryId,
        url: str,
        credentials: GitCredentials | None,
        progress: Progress | None = None,
    ) -> int:
        raise ZeroDivisionError


class SlowMirrors(MemoryMirrors):
    """Syncs when it is let go."""

    def __init__(self, remotes: dict[str, MemoryRemote]) -> None:
        super().__init__(remotes)
        self.entered, self.gate, self.syncs = asyncio.Event(), asyncio.Event(), 0

    async def sync(
        self,
        registry: RegistryId,
        url: str,
        credentials: GitCredentials | None,
        progress: Progress | None = None,
    ) -> int:
        self.syncs += 1
        self.entered.set()
        await self.gate.wait()
        return await super().sync(registry, url, credentials, progress)


async def test_o3_a_bug_in_a_sync_ends_in_error_without_its_text() -> None:
    platform = Platform(mirrors=BrokenMirrors({}))
    me = await platform.user("owner")
    row = await platform.registry_row(await platform.registry(me))
    assert row.sync_status is SyncStatus.ERROR
    assert row.sync_error == "the sync failed for an unexpected reason"
    await platform.close()


async def test_o3_an_interrupted_sync_ends_in_error() -> None:
    mirrors = SlowMirrors({})
    platform = Platform(mirrors=mirrors)
    register = evolve(platform.register, wait_seconds=0.01)
    registry = await register(await platform.user("owner"), GitPlatform.GITLAB, URL, True)
    assert registry.sync_status is SyncStatus.PROCESSING
    await mirrors.entered.wait()
    await platform.background.stop()
    row = await platform.registry_row(registry.uuid)
    assert (row.sync_status, row.sync_error) == (SyncStatus.ERROR, "the sync was interrupted")
    await platform.close()


async def test_rulings_24_a_slow_first_sync_goes_on_behind_the_answer() -> None:
    mirrors = SlowMirrors({})
    platform = Platform(mirrors=mirrors)
    platform.remote.push(program())
    register = evolve(platform.register, wait_seconds=0.01)
    registry = await register(await platform.user("owner"), GitPlatform.GITLAB, URL, True)
    assert (registry.sync_status, registry.sync_progress) == (SyncStatus.PROCESSING, 0)
    second = asyncio.create_task(platform.synchronise(registry.uuid))
    assert not (await second).moved
    assert mirrors.syncs == 1
    mirrors.gate.set()
    while (row := await platform.registry_row(registry.uuid)).sync_status is SyncStatus.PROCESSING:
        await asyncio.sleep(0)
    assert row.sync_status is SyncStatus.UPDATED
    await platform.close()


async def test_o3_what_a_crash_left_processing_is_begun_anew(
    platform: Platform, owner: Agent
) -> None:
    uuid = await platform.registry(owner)
    row = await platform.registry_row(uuid)
    async with platform.database.begin() as tx:
        await tx.registries.put(evolve(row, sync_status=SyncStatus.PROCESSING, sync_progress=40))
    recover = RecoverSyncs(
        platform.database, platform.leases, platform.sync_then_update, platform.background
    )
    assert await recover() == 1
    async with asyncio.timeout(5):
        while (row := await platform.registry_row(uuid)).sync_status is not SyncStatus.UPDATED:
            assert row.sync_status is not None
            await asyncio.sleep(0)


async def test_o3_a_sync_that_still_runs_elsewhere_is_left_alone(
    platform: Platform, owner: Agent
) -> None:
    uuid = await platform.registry(owner)
    row = evolve(await platform.registry_row(uuid), sync_status=SyncStatus.PROCESSING)
    async with platform.database.begin() as tx:
        await tx.registries.put(row)
    recover = RecoverSyncs(
        platform.database, platform.leases, platform.sync_then_update, platform.background
    )
    async with platform.leases.hold(f"registry:{uuid}"):
        assert await recover() == 0
    assert await platform.registry_row(uuid) == row


async def test_o4_a_sync_too_early_is_refused_with_the_wait(
    platform: Platform, owner: Agent
) -> None:
    uuid = await platform.registry(owner)
    platform.clock.move(4)
    with pytest.raises(Throttled) as refused:
        await platform.sync_registry(owner, uuid)
    assert refused.value.topic is Topic.REGISTRY
    assert refused.value.retry_after_seconds == 6
    platform.clock.move(6)
    await platform.sync_registry(owner, uuid)


async def test_a_clock_that_went_back_does_not_block_syncs(
    platform: Platform, owner: Agent
) -> None:
    uuid = await platform.registry(owner)
    platform.clock.move(-3600)
    await platform.sync_registry(owner, uuid)


async def test_o1_w48_jobs_use_the_creators_credentials_then_any_valid_ones(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    uuid = await private(platform, owner)
    await set_credentials(platform, stranger, uuid, YOURS)
    row = await platform.registry_row(uuid)
    slots = await platform.keyring.candidates(row)
    assert [slot.user_uuid for slot in slots] == [owner.uuid, stranger.uuid]
    for asked in (
        platform.keyring.candidates(row, stranger.user_id),
        platform.keyring.candidates(evolve(row, creator_uuid=stranger.user_id)),
    ):
        assert [slot.user_uuid for slot in await asked] == [stranger.uuid, owner.uuid]
    await SyncAll(platform.database, platform.sync_then_update)()
    assert (await platform.registry_row(uuid)).sync_status is SyncStatus.UPDATED


async def test_o8_a_dead_token_loses_its_status_and_the_next_one_serves(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    uuid = await private(platform, owner)
    await set_credentials(platform, stranger, uuid, YOURS)
    platform.remote.pat_tokens = frozenset({"yours"})
    assert (await platform.synchronise(uuid)).error is None
    assert await statuses(platform, uuid) == [CredentialStatus.ERROR, CredentialStatus.VALID]
    assert (await platform.registry_row(uuid)).sync_status is SyncStatus.UPDATED


async def test_o8_an_outage_of_the_platform_costs_no_credentials(
    platform: Platform, owner: Agent
) -> None:
    uuid = await private(platform, owner)
    platform.host.is_down = True
    assert (await platform.synchronise(uuid)).error is not None
    assert (await platform.registry_row(uuid)).sync_status is SyncStatus.ERROR
    assert await statuses(platform, uuid) == [CredentialStatus.VALID]
    platform.host.is_down = False
    assert (await platform.synchronise(uuid)).error is None


async def test_o8_credentials_stored_during_an_outage_are_probed_before_use(
    platform: Platform, owner: Agent
) -> None:
    platform.host.is_down = True
    uuid = await private(platform, owner)
    assert await statuses(platform, uuid) == [CredentialStatus.NOT_VERIFIED]
    platform.host.is_down = False
    assert (await platform.synchronise(uuid)).error is None
    assert await statuses(platform, uuid) == [CredentialStatus.VALID]


async def test_a_wrong_token_still_registers_and_ends_in_error(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.pat_tokens = frozenset({"other"})
    uuid = await platform.registry(owner, MINE)
    assert await statuses(platform, uuid) == [CredentialStatus.ERROR]
    assert (await platform.registry_row(uuid)).sync_status is SyncStatus.ERROR


async def test_rulings_10_a_stranger_sees_the_bare_record_of_a_private_registry(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    platform.remote.releases["v1"] = [Asset("esp32", "https://host/a")]
    uuid = await private(platform, owner)
    mine, theirs = (
        await platform.get_registry(owner, uuid),
        await platform.get_registry(stranger, uuid),
    )
    assert (list(mine.branches), mine.registry.releases) != ([], None)
    assert (list(theirs.branches), theirs.registry.releases) == ([], None)
    assert theirs.registry.repository_url == URL


async def test_rulings_10_an_error_text_of_a_private_registry_is_for_who_reads_its_history(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    uuid = await private(platform, owner)
    platform.remote.is_down = True
    await platform.synchronise(uuid)
    assert (await platform.get_registry(owner, uuid)).registry.sync_error is not None
    assert (await platform.get_registry(stranger, uuid)).registry.sync_error is None


async def test_rulings_10_seeing_a_repo_suffices_to_read_the_history(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    uuid = await private(platform, owner)
    with pytest.raises(Forbidden):
        await platform.list_branch_commits(stranger, uuid, "main")
    await platform.repo(owner, uuid, visibility=Visibility.INTERNAL)
    (commit,) = await platform.list_branch_commits(stranger, uuid, "main")
    assert commit.tag == "v1"


async def test_rulings_10_a_repo_on_a_private_registry_takes_own_valid_credentials(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    uuid = await private(platform, owner)
    await platform.repo(owner, uuid)
    with pytest.raises(Forbidden):
        await platform.repo(stranger, uuid, name="theirs")
    await set_credentials(platform, stranger, uuid, YOURS)
    await platform.repo(stranger, uuid, name="theirs")


async def test_w46_a_private_registry_is_absent_for_anonymous_callers(
    platform: Platform, owner: Agent
) -> None:
    uuid = await private(platform, owner)
    messages = []
    for asked in (uuid, RegistryId(platform.ids())):
        with pytest.raises(NotFound) as refused:
            await platform.get_registry(ANONYMOUS, asked)
        messages.append(refused.value.message)
    assert messages[0] == messages[1]


async def test_w16_a_stored_token_is_sealed_and_never_shown_again(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    uuid = await private(platform, owner)
    async with platform.database.read() as rows:
        (slot,) = await rows.registries.credentials(uuid)
    assert "mine" not in slot.sealed
    get = GetCredentials(platform.database, platform.keyring)
    shown = await get(owner, uuid)
    assert shown is not None and shown.credentials == GitCredentials("me", MASK)
    assert await get(stranger, uuid) is None


async def test_the_mask_keeps_the_stored_token(platform: Platform, owner: Agent) -> None:
    uuid = await private(platform, owner)
    await set_credentials(platform, owner, uuid, GitCredentials("renamed", MASK))
    (slot,) = await platform.keyring.candidates(await platform.registry_row(uuid))
    assert platform.keyring.open(slot).credentials == GitCredentials("renamed", "mine")


async def test_a_public_registry_holds_no_credentials(platform: Platform, owner: Agent) -> None:
    uuid = await platform.registry(owner)
    with pytest.raises(Invalid) as refused:
        await set_credentials(platform, owner, uuid, MINE)
    assert refused.value.topic is Topic.REGISTRY


async def test_rulings_26_the_poll_syncs_what_moved_and_nothing_else(
    platform: Platform, owner: Agent
) -> None:
    uuid = await platform.registry(owner)
    assert await platform.poll() == 0
    platform.remote.push(program(more__txt="x"), tag="v2")
    assert await platform.poll() == 1
    assert await platform.poll() == 0
    assert len(await platform.mirrors.commits(uuid, "main")) == 2


async def test_one_remote_that_is_down_does_not_stop_the_poll(
    platform: Platform, owner: Agent
) -> None:
    other = MemoryRemote()
    other.push(program())
    platform.remotes[OTHER_URL] = other
    await platform.registry(owner)
    uuid = await platform.registry(owner, url=OTHER_URL)
    platform.remote.is_down = True
    other.push(program(more__txt="x"))
    assert await platform.poll() == 1
    assert len(await platform.mirrors.commits(uuid, "main")) == 2


async def test_o3_a_remote_whose_sync_failed_is_not_fetched_anew_every_minute(
    platform: Platform, owner: Agent
) -> None:
    await platform.registry(owner)
    platform.remote.push(program(more__txt="x"), tag="v2")
    platform.host.is_down = True
    assert await platform.poll() == 1
    platform.host.is_down = False
    assert await platform.poll() == 0
    platform.clock.move(601)
    assert await platform.poll() == 1


async def test_rulings_26_a_push_hook_without_the_secret_starts_nothing(
    platform: Platform, owner: Agent
) -> None:
    uuid = await platform.registry(owner)
    receive = ReceivePush(
        platform.database, platform.sync_then_update, platform.background, "instance"
    )
    platform.remote.push(program(more__txt="x"))
    for token in (None, "", "wrong", hook_secret("instance", RegistryId(platform.ids()))):
        with pytest.raises(Forbidden):
            await receive(uuid, b"{}", token, None)
    assert len(await platform.mirrors.commits(uuid, "main")) == 1
    await receive(uuid, b"{}", hook_secret("instance", uuid), None)
    while len(await platform.mirrors.commits(uuid, "main")) == 1:
        await asyncio.sleep(0)


async def test_a_registry_with_repos_is_not_deleted(platform: Platform, owner: Agent) -> None:
    uuid = await platform.registry(owner)
    await platform.repo(owner, uuid)
    delete = DeleteRegistry(platform.database, platform.mirrors, platform.firmware)
    with pytest.raises(Conflict):
        await delete(owner, uuid)
    assert await platform.mirrors.branches(uuid) == ["main"]


async def test_the_mirror_goes_with_the_registry_and_by_its_creator_alone(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    uuid = await platform.registry(owner)
    delete = DeleteRegistry(platform.database, platform.mirrors, platform.firmware)
    for agent in (stranger, admin):
        with pytest.raises(Forbidden):
            await delete(agent, uuid)
    await delete(owner, uuid)
    assert await platform.mirrors.branches(uuid) == []
