"""Compiled programs: platforms, the paused update, private files (devices.md 3, 5; O11, W32)."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

import pytest

from pepeunit.adapters.memory.code_host import MemoryCodeHost
from pepeunit.adapters.memory.mirrors import MemoryRemote
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, Invalid, NotFound, OverLimit, Topic, Unavailable
from pepeunit.domain.ids import RegistryId, RepoId, UnitId, UserId
from pepeunit.domain.registries.credentials import CredentialStatus, GitCredentials
from pepeunit.domain.registries.registry import GitPlatform
from pepeunit.domain.registries.version import Asset, Sha
from pepeunit.domain.units.update import UpdateStatus
from pepeunit.domain.users.user import UserRole
from pepeunit.ports.archives import ArchiveFormat
from pepeunit.ports.web import Write
from pepeunit.usecases.registries.delete_registry import DeleteRegistry
from pepeunit.usecases.repos.edit_repo import DeleteRepo, RepoChanges
from pepeunit.usecases.units.edit_unit import UnitChanges
from tests.usecases.platform import DOMAIN, URL, Platform, program

ESP32 = "https://git.example.com/files/{tag}/esp32"
SECRET = GitCredentials("me", "pat")


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def release(platform: Platform, tag: str, *names: str, digest: bool = False) -> Sha:
    """Push a tagged commit whose release has an asset for each platform named."""
    commit = platform.remote.push(program(version__txt=tag), tag=tag)
    assets = []
    for name in names:
        link, body = f"https://git.example.com/files/{tag}/{name}", f"{name} of {tag}".encode()
        platform.remote.files[link] = body
        assets.append(Asset(name, link, sha256(body) if digest else None))
    platform.remote.releases[tag] = assets
    return commit


async def compiled(
    platform: Platform, owner: Agent, *, private: bool = False, visibility: Visibility | None = None
) -> tuple[RegistryId, RepoId]:
    if private:
        platform.remote.pat_tokens = frozenset({SECRET.pat_token})
    registry = await platform.registry(owner, SECRET if private else None)
    shown = visibility or Visibility.PUBLIC
    return registry, await platform.repo(owner, registry, visibility=shown, is_compilable_repo=True)


async def pull(platform: Platform, registry: RegistryId) -> None:
    platform.clock.move(60)
    await platform.sync_then_update(registry)


async def body_of(platform: Platform, agent: Agent, unit: UnitId) -> bytes:
    found = await platform.get_firmware(agent, unit)
    body = b"".join([piece async for piece in found.pieces])
    assert (found.file.size_bytes, found.file.sha256) == (len(body), sha256(body))
    return body


async def test_platforms_are_those_of_the_tag_the_commit_or_the_target(
    platform: Platform, owner: Agent
) -> None:
    old = release(platform, "v1", "esp8266")
    release(platform, "v2", "esp32", "esp8266")
    untagged = platform.remote.push(program(more__txt="x"))
    _, repo = await compiled(platform, owner)

    async def names(commit: Sha | None = None, tag: str | None = None) -> list[str]:
        return [one.name for one in await platform.list_platforms(owner, repo, commit, tag)]

    assert await names() == ["esp32", "esp8266"]
    assert await names(tag="v1") == await names(commit=old) == ["esp8266"]
    assert await names(untagged) == await names(tag="v9") == await names(Sha("0" * 40)) == []
    await platform.edit_repo(owner, repo, RepoChanges(is_compilable_repo=False))
    assert await names() == []


async def test_a_tag_without_a_release_has_no_platforms_instead_of_failing(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    _, repo = await compiled(platform, owner)
    tagged = platform.remote.push(program(more__txt="x"), tag="v2")
    await pull(platform, (await platform.repo_row(repo)).repository_registry_uuid)
    assert await platform.list_platforms(owner, repo) == ()
    assert await platform.list_platforms(owner, repo, tagged) == ()


async def test_o9_the_tag_that_has_a_release_counts_for_the_platforms(
    platform: Platform, owner: Agent
) -> None:
    commit = release(platform, "v1", "esp32")
    platform.remote.tags["v3"] = platform.remote.tags["a"] = commit
    _, repo = await compiled(platform, owner)
    assert [one.name for one in await platform.list_platforms(owner, repo)] == ["esp32"]
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    assert (await platform.row(unit)).built_tag == "v1"


@pytest.mark.parametrize("wanted", ["riscv", None])
async def test_a_unit_needs_a_platform_of_its_version(
    platform: Platform, owner: Agent, wanted: str | None
) -> None:
    release(platform, "v1", "esp32")
    _, repo = await compiled(platform, owner)
    with pytest.raises(Invalid) as refused:
        await platform.unit(owner, repo, target_firmware_platform=wanted)
    assert refused.value.topic is Topic.GIT
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    if wanted is not None:
        with pytest.raises(Invalid):
            await platform.edit_unit(owner, unit, UnitChanges(target_firmware_platform=wanted))
        assert (await platform.row(unit)).target_firmware_platform == "esp32"


async def test_a_registry_without_releases_builds_no_compiled_unit(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.push(program(), tag="v1")
    _, repo = await compiled(platform, owner)
    with pytest.raises(Invalid) as refused:
        await platform.unit(owner, repo, target_firmware_platform="esp32")
    assert refused.value.topic is Topic.ENTITY


async def test_a_manual_unit_of_a_compiled_repo_needs_a_tagged_commit(
    platform: Platform, owner: Agent
) -> None:
    old = release(platform, "v1", "esp32")
    bare = platform.remote.push(program(more__txt="x"))
    release(platform, "v2", "esp32")
    _, repo = await compiled(platform, owner)
    choice = {
        "is_auto_update_from_repo_unit": False,
        "repo_branch": "main",
        "target_firmware_platform": "esp32",
    }
    with pytest.raises(Invalid, match="carries no tag"):
        await platform.unit(owner, repo, **choice, repo_commit=bare)
    unit = await platform.unit(owner, repo, **choice, repo_commit=old)
    assert (await platform.row(unit)).built_tag == "v1"


async def test_an_untagged_commit_is_no_target_of_a_compiled_repo(
    platform: Platform, owner: Agent
) -> None:
    tagged = release(platform, "v1", "esp32")
    platform.remote.push(program(more__txt="x"))
    _, repo = await compiled(platform, owner)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    assert (await platform.row(unit)).built_commit == tagged
    with pytest.raises(Invalid) as refused:
        await platform.edit_repo(owner, repo, RepoChanges(is_only_tag_update=False))
    assert refused.value.topic is Topic.REPO


async def test_a_compiled_archive_has_env_and_schema_alone(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    _, repo = await compiled(platform, owner)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    await platform.get_archive(owner, unit, ArchiveFormat.TGZ)
    packed = platform.archives
    assert packed.commit is None
    assert sorted(packed.own_files) == ["env.json", "schema.json"]


async def test_a_platform_missing_in_one_release_pauses_the_unit_until_the_next(
    platform: Platform, owner: Agent
) -> None:
    first = release(platform, "v1", "esp32", "esp8266")
    registry, repo = await compiled(platform, owner)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    other = await platform.unit(owner, repo, "other", target_firmware_platform="esp8266")
    await platform.report(unit, first)
    second = release(platform, "v2", "esp8266")
    await pull(platform, registry)
    row = await platform.row(unit)
    assert (row.built_commit, row.update.status) == (first, UpdateStatus.ERROR)
    assert "esp32" in (row.update.error or "")
    assert (await platform.row(other)).built_commit == second
    assert (await platform.get_env(owner, unit))["PU_COMMIT_VERSION"] == first
    third = release(platform, "v3", "esp32", "esp8266")
    await pull(platform, registry)
    row = await platform.row(unit)
    assert (row.built_commit, row.update.status) == (third, UpdateStatus.REQUEST_SENT)
    assert row.update.error is None


async def test_an_asset_added_later_to_the_same_release_resumes_the_unit(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    second = release(platform, "v2")
    await pull(platform, registry)
    assert (await platform.row(unit)).update.status is UpdateStatus.ERROR
    link = ESP32.format(tag="v2")
    platform.remote.releases["v2"] = [Asset("esp32", link)]
    await pull(platform, registry)
    assert (await platform.row(unit)).built_commit == second


async def test_w32_a_public_update_carries_the_link_and_the_known_digest(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    platform.broker.listening.add(unit)
    commit = release(platform, "v2", "esp32", digest=True)
    await pull(platform, registry)
    assert platform.sent() == [
        (
            "update",
            {
                "COMMAND": "Update",
                "PU_COMMIT_VERSION": commit,
                "COMPILED_FIRMWARE_LINK": ESP32.format(tag="v2"),
                "COMPILED_FIRMWARE_SHA256": sha256(b"esp32 of v2"),
            },
        )
    ]
    commit = release(platform, "v3", "esp32")
    await pull(platform, registry)
    assert platform.sent()[-1][1] == {
        "COMMAND": "Update",
        "PU_COMMIT_VERSION": commit,
        "COMPILED_FIRMWARE_LINK": ESP32.format(tag="v3"),
    }


async def test_o11_a_private_update_points_to_the_platform_with_the_digest(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    platform.broker.listening.add(unit)
    commit = release(platform, "v2", "esp32")
    await pull(platform, registry)
    assert platform.sent() == [
        (
            "update",
            {
                "COMMAND": "Update",
                "PU_COMMIT_VERSION": commit,
                "COMPILED_FIRMWARE_LINK": (
                    f"https://{DOMAIN}/pepeunit/api/v1/units/firmware_asset/{unit}"
                ),
                "COMPILED_FIRMWARE_SHA256": sha256(b"esp32 of v2"),
            },
        )
    ]
    assert SECRET.pat_token not in str(platform.sent())
    assert await body_of(platform, Agent.unit(unit), unit) == b"esp32 of v2"
    assert await body_of(platform, owner, unit) == b"esp32 of v2"


async def test_o40_the_archive_of_a_compiled_unit_is_of_the_version_its_update_names(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    platform.broker.listening.add(unit)
    files = program({"output_topic": ["hum/pepeunit"]})
    commit = platform.remote.push(files, tag="v2")
    platform.remote.releases["v2"] = [Asset("esp32", ESP32.format(tag="v2"))]
    await pull(platform, registry)
    [(_, told)] = platform.sent()
    await platform.get_archive(Agent.unit(unit), unit, ArchiveFormat.TGZ)
    own = {name: json.loads(body) for name, body in platform.archives.own_files.items()}
    assert told["PU_COMMIT_VERSION"] == own["env.json"]["PU_COMMIT_VERSION"] == commit
    assert list(own["schema.json"]["output_topic"]) == ["hum/pepeunit"]
    assert platform.archives.commit is None  # the program is in the compiled file


async def test_another_platform_sends_the_file_of_the_version_it_runs(
    platform: Platform, owner: Agent
) -> None:
    commit = release(platform, "v1", "esp32", "esp8266")
    _, repo = await compiled(platform, owner)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    platform.broker.listening.add(unit)
    await platform.report(unit, commit)
    await platform.edit_unit(owner, unit, UnitChanges(name="renamed"))
    assert platform.sent() == []
    await platform.edit_unit(owner, unit, UnitChanges(target_firmware_platform="esp8266"))
    [(word, told)] = platform.sent()
    assert (word, told["COMPILED_FIRMWARE_LINK"][-7:]) == ("update", "esp8266")
    assert (await platform.row(unit)).update.status is UpdateStatus.REQUEST_SENT


async def test_o11_every_unit_gets_the_file_of_its_own_built_version_and_platform(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32", "esp8266")
    registry, repo = await compiled(platform, owner, private=True)
    one = await platform.unit(owner, repo, "one1", target_firmware_platform="esp32")
    two = await platform.unit(owner, repo, "two2", target_firmware_platform="esp8266")
    release(platform, "v2", "esp8266")
    await pull(platform, registry)
    assert await body_of(platform, Agent.unit(one), one) == b"esp32 of v1"
    assert await body_of(platform, Agent.unit(two), two) == b"esp8266 of v2"


async def test_o11_the_file_is_for_the_creator_and_the_unit_itself(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    _, repo = await compiled(platform, owner, private=True)
    shown = await platform.unit(owner, repo, "shown", target_firmware_platform="esp32")
    hidden = await platform.unit(
        owner, repo, "hidden", Visibility.PRIVATE, target_firmware_platform="esp32"
    )
    stranger, admin = await platform.user("stranger"), await platform.user("admin", UserRole.ADMIN)
    for agent in (stranger, admin, Agent.unit(hidden)):
        with pytest.raises(Forbidden):
            await platform.get_firmware(agent, shown)
    for agent in (stranger, Agent.unit(shown)):
        with pytest.raises(NotFound):
            await platform.get_firmware(agent, hidden)


async def test_a_unit_that_is_not_compiled_has_no_file(platform: Platform, owner: Agent) -> None:
    platform.remote.push(program(), tag="v1")
    unit = await platform.unit(owner, await platform.repo(owner))
    with pytest.raises(Invalid) as refused:
        await platform.get_firmware(owner, unit)
    assert refused.value.topic is Topic.UNIT


async def test_w33_a_file_is_fetched_with_whose_credentials_still_work(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    platform.remote.pat_tokens = frozenset({"another"})
    with pytest.raises(Invalid):
        await platform.get_firmware(owner, unit)
    async with platform.database.read() as rows:
        (slot,) = await rows.registries.credentials(registry)
    assert slot.status is CredentialStatus.ERROR
    friend = await platform.user("friend")
    row = await platform.registry_row(registry)
    sealed = platform.keyring.seal(
        registry,
        UserId(friend.uuid or UUID(int=0)),
        GitCredentials("friend", "another"),
        await platform.keyring.probe(row, GitCredentials("friend", "another")),
    )
    async with platform.database.begin() as tx:
        await tx.registries.put_credentials(sealed)
    assert await body_of(platform, owner, unit) == b"esp32 of v1"


async def test_o31_a_private_file_that_cannot_be_fetched_leaves_the_unit_as_it_was(
    platform: Platform, owner: Agent
) -> None:
    first = release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    second = release(platform, "v2", "esp32")
    lost = platform.remote.files.pop(ESP32.format(tag="v2"))
    await pull(platform, registry)
    row = await platform.row(unit)
    assert (row.built_commit, row.update.status) == (first, UpdateStatus.ERROR)
    platform.remote.files[ESP32.format(tag="v2")] = lost
    await platform.update_unit(unit)
    assert (await platform.row(unit)).built_commit == second


async def test_w17_a_release_file_over_the_limit_is_told_as_such(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    _, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    platform.firmware.file_bytes_max = 5
    with pytest.raises(OverLimit) as refused:
        await platform.get_firmware(owner, unit)
    assert refused.value.topic is Topic.PLATFORM


async def test_a_file_once_fetched_is_served_while_the_host_is_down(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    _, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    platform.remote.is_down = True
    with pytest.raises(Unavailable):
        await platform.get_firmware(owner, unit)
    platform.remote.is_down = False
    await platform.get_firmware(owner, unit)
    platform.remote.is_down = True
    assert await body_of(platform, owner, unit) == b"esp32 of v1"


class FailingHost(MemoryCodeHost):
    """Breaks off for a token that it then forgets."""

    async def download(
        self, url: str, asset: Asset, credentials: GitCredentials | None, write: Write
    ) -> None:
        if credentials == SECRET:
            await write(b"half of ")
            self.remotes[URL].pat_tokens = frozenset({"another"})
            raise Unavailable("code host", "broke off")
        await super().download(url, asset, credentials, write)


async def test_w33_a_download_that_breaks_off_begins_anew_with_the_next_credentials(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    friend = await platform.user("friend")
    sealed = platform.keyring.seal(
        registry,
        UserId(friend.uuid or UUID(int=0)),
        GitCredentials("friend", "another"),
        CredentialStatus.VALID,
    )
    async with platform.database.begin() as tx:
        await tx.registries.put_credentials(sealed)
    platform.keyring.hosts[GitPlatform.GITLAB] = FailingHost(platform.remotes)
    assert await body_of(platform, owner, unit) == b"esp32 of v1"


async def test_w33_a_kept_private_file_is_never_served_to_another_registry(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    _, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    assert await body_of(platform, owner, unit) == b"esp32 of v1"
    thief, url = await platform.user("thief"), "https://git.example.com/thief/program.git"
    remote = platform.remotes[url] = MemoryRemote()
    remote.push(program(), tag="v1")
    remote.releases["v1"] = [Asset("esp32", ESP32.format(tag="v1"))]
    registry = await platform.registry(thief, url=url)
    other = await platform.repo(thief, registry, "other", is_compilable_repo=True)
    stolen = await platform.unit(thief, other, "stolen", target_firmware_platform="esp32")
    with pytest.raises(Invalid):
        await platform.get_firmware(thief, stolen)


async def test_w33_the_kept_files_of_a_deleted_registry_go_with_it(
    platform: Platform, owner: Agent
) -> None:
    release(platform, "v1", "esp32")
    registry, repo = await compiled(platform, owner, private=True)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    kept = (await platform.get_firmware(owner, unit)).file
    await platform.delete_unit(owner, unit)
    await DeleteRepo(platform.database)(owner, repo)
    delete = DeleteRegistry(platform.database, platform.mirrors, platform.firmware)
    await delete(owner, registry)
    assert await platform.firmware.find(kept.key) is None
