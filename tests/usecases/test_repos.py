"""Repos (devices.md 3, O12)."""

from __future__ import annotations

import pytest

from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Forbidden, Invalid, NotFound, Topic
from pepeunit.domain.ids import RepoId
from pepeunit.domain.registries.version import Asset, Sha
from pepeunit.usecases.repos.edit_repo import DeleteRepo, RepoChanges
from pepeunit.usecases.repos.read_repos import GetRepo, GetRepoVersions, ListPlatforms
from tests.usecases.platform import Platform, program


async def edit(platform: Platform, agent: Agent, uuid: RepoId, **changes: object) -> None:
    await platform.edit_repo(agent, uuid, RepoChanges(**changes))  # type: ignore[arg-type]


async def test_a_new_repo_follows_tags(platform: Platform, owner: Agent) -> None:
    repo = await platform.repo_row(await platform.repo(owner))
    assert (repo.is_auto_update_repo, repo.is_only_tag_update) == (True, True)


async def test_o12_the_flags_can_be_chosen_at_creation(platform: Platform, owner: Agent) -> None:
    repo = await platform.repo_row(await platform.repo(owner, is_only_tag_update=False))
    assert not repo.is_only_tag_update
    with pytest.raises(Invalid) as refused:
        await platform.repo(
            owner,
            repo.repository_registry_uuid,
            "other",
            is_compilable_repo=True,
            is_only_tag_update=False,
        )
    assert refused.value.topic is Topic.REPO


async def test_o12_a_repo_without_tags_can_be_renamed_and_set_to_follow_commits(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.tags.clear()
    uuid = await platform.repo(owner)
    await edit(platform, owner, uuid, name="renamed")
    await edit(platform, owner, uuid, is_only_tag_update=False)
    await platform.unit(owner, uuid)


async def test_a_change_that_leaves_no_target_is_refused_whole(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.push(program(), branch="untagged", summary="x")
    uuid = await platform.repo(owner)
    before = await platform.repo_row(uuid)
    for changes in (
        {"default_branch": "absent"},
        {"is_auto_update_repo": False, "default_commit": Sha("f" * 40)},
        {"default_commit": Sha("f" * 40)},
    ):
        with pytest.raises(Invalid) as refused:
            await edit(platform, owner, uuid, name="renamed", **changes)
        assert refused.value.topic is Topic.GIT
    assert await platform.repo_row(uuid) == before


async def test_a_manual_repo_needs_branch_and_commit(platform: Platform, owner: Agent) -> None:
    uuid = await platform.repo(owner)
    with pytest.raises(Invalid) as refused:
        await edit(platform, owner, uuid, is_auto_update_repo=False)
    assert [path for path, _ in refused.value.violations] == ["default_commit"]


async def test_setting_a_manual_commit_moves_the_units(platform: Platform, owner: Agent) -> None:
    first = platform.remote.branches["main"]
    second = platform.remote.push(program(more__txt="x"), tag="v2")
    uuid = await platform.repo(owner)
    unit = await platform.unit(owner, uuid)
    assert (await platform.row(unit)).built_commit == second
    await edit(platform, owner, uuid, is_auto_update_repo=False, default_commit=first)
    assert (await platform.row(unit)).built_commit == first


async def test_a_repo_is_not_made_stricter_than_a_unit_of_anybody(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    uuid = await platform.repo(owner)
    await platform.unit(stranger, uuid)
    with pytest.raises(Invalid) as refused:
        await edit(platform, owner, uuid, visibility_level=Visibility.PRIVATE)
    assert refused.value.topic is Topic.ENTITY


async def test_repo_names_are_taken_once(platform: Platform, owner: Agent) -> None:
    uuid = await platform.repo(owner)
    row = await platform.repo_row(uuid)
    with pytest.raises(Conflict) as refused:
        await platform.repo(owner, row.repository_registry_uuid)
    assert refused.value.topic is Topic.REPO


async def test_rulings_8_owner_operations_stay_the_owners(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    uuid = await platform.repo(owner)
    for agent in (stranger, admin):
        with pytest.raises(Forbidden):
            await edit(platform, agent, uuid, name="taken")
        with pytest.raises(Forbidden):
            await DeleteRepo(platform.database)(agent, uuid)


async def test_a_private_repo_is_absent_for_strangers(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    uuid = await platform.repo(owner, visibility=Visibility.PRIVATE)
    get = GetRepo(platform.database)
    for agent in (stranger, ANONYMOUS):
        with pytest.raises(NotFound):
            await get(agent, uuid)
    assert (await get(owner, uuid)).uuid == (await get(admin, uuid)).uuid == uuid


async def test_c5_a_unit_reads_the_repo_it_is_built_from(platform: Platform, owner: Agent) -> None:
    uuid = await platform.repo(owner, visibility=Visibility.PRIVATE)
    unit = await platform.unit(owner, uuid, visibility=Visibility.PRIVATE)
    assert (await GetRepo(platform.database)(Agent.unit(unit), uuid)).uuid == uuid


async def test_a_repo_with_units_is_not_deleted(platform: Platform, owner: Agent) -> None:
    uuid = await platform.repo(owner)
    unit = await platform.unit(owner, uuid)
    delete = DeleteRepo(platform.database)
    with pytest.raises(Conflict):
        await delete(owner, uuid)
    await platform.delete_unit(owner, unit)
    await delete(owner, uuid)


async def test_the_versions_of_a_repo_count_what_its_units_report(
    platform: Platform, owner: Agent
) -> None:
    uuid = await platform.repo(owner)
    commit = platform.remote.branches["main"]
    for number in range(3):
        unit = await platform.unit(owner, uuid, f"unit-{number}")
        if number:
            await platform.report(unit, commit)
    versions = await GetRepoVersions(platform.database, platform.programs)(owner, uuid)
    assert versions.unit_count == 2
    (version,) = versions.versions
    assert (version.commit, version.unit_count, version.tag) == (commit, 2, "v1")


async def test_o9_the_assets_of_the_released_tag_are_offered(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.tags["v2"] = platform.remote.branches["main"]
    platform.remote.releases["v1"] = [Asset("esp32", "https://host/a")]
    uuid = await platform.repo(owner, is_compilable_repo=True)
    platforms = ListPlatforms(platform.database, platform.programs)
    assert await platforms(owner, uuid) == [Asset("esp32", "https://host/a")]
    assert await platforms(owner, uuid, platform.remote.branches["main"]) == [
        Asset("esp32", "https://host/a")
    ]
    assert list(await platforms(owner, uuid, target_tag="v9")) == []
    unit = await platform.unit(owner, uuid, target_firmware_platform="esp32")
    assert (await platform.row(unit)).built_tag == "v1"
