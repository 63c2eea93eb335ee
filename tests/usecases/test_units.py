"""Units: create, edit, delete, env, storage, downloads (devices.md 4, 7, 9; rulings 18, 21)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pepeunit.adapters.memory.mirrors import MemoryMirrors
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Forbidden, Invalid, NotFound, OverLimit, Topic
from pepeunit.domain.ids import RegistryId, UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.registries.version import Asset, Sha
from pepeunit.ports.archives import ArchiveFormat
from pepeunit.ports.nodes import NodeQuery
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.units.edit_unit import UnitChanges
from pepeunit.usecases.units.read_units import GetTargetVersion, GetUnit, ListUnits
from pepeunit.usecases.units.state_storage import GetStateStorage, SetStateStorage
from tests.usecases.platform import DOMAIN, Platform, program

PRIVATE = Visibility.PRIVATE


async def edit(platform: Platform, agent: Agent, uuid: UnitId, **changes: Any) -> None:
    await platform.edit_unit(agent, uuid, UnitChanges(**changes))


async def count(platform: Platform) -> tuple[int, int]:
    async with platform.database.read() as rows:
        census = await rows.census()
    return census.unit_count, census.unit_node_count


async def test_a_new_unit_is_built_with_its_nodes(platform: Platform, owner: Agent) -> None:
    uuid = await platform.unit(owner, await platform.repo(owner))
    unit = await platform.row(uuid)
    assert (unit.built_commit, unit.built_tag) == (platform.remote.branches["main"], "v1")
    assert unit.update.status is None
    async with platform.database.read() as rows:
        names = [node.topic_name for node in await rows.nodes.of_unit(uuid)]
    assert names == ["led/pepeunit", "temp/pepeunit"]


async def test_o13_w12_no_unit_is_made_from_a_repo_one_does_not_see(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    repo = await platform.repo(owner, visibility=PRIVATE)
    with pytest.raises(NotFound) as refused:
        await platform.unit(stranger, repo, visibility=PRIVATE)
    assert refused.value.message == "repo not found"


async def test_w12_an_administrator_gets_no_private_code_through_a_unit_of_his(
    platform: Platform, owner: Agent, admin: Agent
) -> None:
    repo = await platform.repo(owner, visibility=PRIVATE)
    with pytest.raises(Forbidden):
        await platform.unit(admin, repo, visibility=PRIVATE)


@pytest.mark.parametrize(
    ("files", "topic"),
    [
        ({"schema_example__json": "{"}, Topic.JSON),
        ({"schema_example__json": "{}"}, Topic.GIT),
        ({"env_example__json": "[]"}, Topic.JSON),
        ({"env_example__json": "{"}, Topic.JSON),
    ],
)
async def test_o19_automatic_units_have_their_files_checked_too(
    platform: Platform, owner: Agent, files: dict[str, str], topic: Topic
) -> None:
    repo = await platform.repo(owner)
    row = await platform.repo_row(repo)
    platform.remote.push(program(**files), tag="v2")
    await platform.synchronise(row.repository_registry_uuid)
    with pytest.raises(Invalid) as refused:
        await platform.unit(owner, repo)
    assert refused.value.topic is topic
    assert await count(platform) == (0, 0)


async def test_everything_wrong_with_the_settings_is_listed(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    with pytest.raises(Invalid) as refused:
        await platform.unit(owner, repo, "é", is_auto_update_from_repo_unit=False)
    assert {path for path, _ in refused.value.violations} == {"name", "repo_branch", "repo_commit"}
    assert refused.value.topic is Topic.UNIT


async def test_a_unit_is_not_wider_than_its_repo(platform: Platform, owner: Agent) -> None:
    repo = await platform.repo(owner, visibility=Visibility.INTERNAL)
    with pytest.raises(Invalid) as refused:
        await platform.unit(owner, repo)
    assert refused.value.topic is Topic.ENTITY


async def test_unit_names_are_taken_once_and_the_loser_leaves_nothing(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    await platform.unit(owner, repo)
    before = await count(platform)
    with pytest.raises(Conflict):
        await platform.unit(owner, repo)
    assert await count(platform) == before


async def test_a_compilable_unit_needs_a_platform_of_the_release(
    platform: Platform, owner: Agent
) -> None:
    platform.remote.releases["v1"] = [Asset("esp32", "https://host/a")]
    repo = await platform.repo(owner, is_compilable_repo=True)
    with pytest.raises(Invalid, match="platform None"):
        await platform.unit(owner, repo)
    unit = await platform.unit(owner, repo, target_firmware_platform="esp32")
    await platform.send_command(owner, unit, CommandKind.UPDATE)
    (pending,) = await platform.outbox()
    assert json.loads(pending.payload)["COMPILED_FIRMWARE_LINK"] == "https://host/a"
    await platform.get_archive(owner, unit, ArchiveFormat.TGZ)
    assert platform.archives.commit is None


async def test_o20_an_edit_whose_version_fails_changes_nothing(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    before = await platform.row(unit)
    with pytest.raises(Invalid) as refused:
        await edit(
            platform,
            owner,
            unit,
            name="renamed",
            is_auto_update_from_repo_unit=False,
            repo_branch="main",
            repo_commit=Sha("f" * 40),
        )
    assert refused.value.topic is Topic.GIT
    assert await platform.row(unit) == before


async def test_an_edit_moves_the_unit_and_tells_its_device(
    platform: Platform, owner: Agent
) -> None:
    first = platform.remote.branches["main"]
    second = platform.remote.push(program({"output_topic": ["hum/pepeunit"]}), tag="v2")
    unit = await platform.unit(owner, await platform.repo(owner))
    await platform.report(unit, second)
    platform.broker.listening.add(unit)
    await edit(
        platform,
        owner,
        unit,
        is_auto_update_from_repo_unit=False,
        repo_branch="main",
        repo_commit=first,
    )
    assert (await platform.row(unit)).built_commit == first
    assert await platform.node(unit, "temp/pepeunit")
    assert platform.sent() == [("update", {"COMMAND": "Update", "PU_COMMIT_VERSION": first})]


async def test_o30_renaming_a_unit_that_runs_its_version_sends_nothing(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    await platform.report(unit, platform.remote.branches["main"])
    await edit(platform, owner, unit, name="renamed")
    assert await platform.outbox() == []
    assert (await platform.row(unit)).update.status is None


async def test_o29_an_edit_sends_no_update_to_a_program_that_does_not_listen(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    platform.remote.push(program({"input_base_topic": []}), tag="v2")
    await platform.synchronise((await platform.repo_row(repo)).repository_registry_uuid)
    unit = await platform.unit(owner, repo)
    await edit(platform, owner, unit, name="renamed")
    assert await platform.outbox() == []


async def test_raising_a_unit_tightens_its_nodes_and_ends_subscriptions(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    await platform.change_node(
        owner, await platform.node(unit, "led/pepeunit"), visibility_level=PRIVATE
    )
    rechecks = platform.broker.rechecks
    await edit(platform, owner, unit, visibility_level=Visibility.INTERNAL)
    assert (await platform.node(unit, "led/pepeunit")).visibility_level is PRIVATE
    temp = await platform.node(unit, "temp/pepeunit")
    assert temp.visibility_level is Visibility.INTERNAL
    assert platform.broker.rechecks == rechecks + 1
    await edit(platform, owner, unit, visibility_level=Visibility.PUBLIC)
    temp = await platform.node(unit, "temp/pepeunit")
    assert temp.visibility_level is Visibility.INTERNAL


async def test_a_deleted_unit_leaves_nothing_and_its_sessions_end(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    await platform.send_command(owner, unit, CommandKind.UPDATE)
    await platform.delete_unit(owner, unit)
    assert await count(platform) == (0, 0)
    assert platform.broker.kicked == [unit]
    assert await platform.outbox() == []


async def test_owner_operations_are_refused_to_everybody_else(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    repo = await platform.repo(owner)
    unit, other = await platform.unit(owner, repo), await platform.unit(owner, repo, "other")
    for agent in (stranger, admin, Agent.unit(other), ANONYMOUS):
        for wanted in (
            platform.get_env(agent, unit),
            platform.get_schema(agent, unit),
            platform.get_archive(agent, unit, ArchiveFormat.ZIP),
            platform.set_env(agent, unit, "{}"),
            platform.reset_env(agent, unit),
            platform.delete_unit(agent, unit),
            platform.send_command(agent, unit, CommandKind.UPDATE),
            edit(platform, agent, unit, name="taken"),
            GetStateStorage(platform.database, platform.cipher)(agent, unit),
            SetStateStorage(platform.database, platform.cipher)(agent, unit, "x"),
            GetTargetVersion(platform.database, platform.programs)(agent, unit),
        ):
            with pytest.raises(Forbidden):
                await wanted


async def test_c10_a_unit_reads_its_own_env_but_does_not_change_it(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    me = Agent.unit(unit)
    assert await platform.get_env(me, unit) == await platform.get_env(owner, unit)
    for wanted in (platform.set_env(me, unit, "{}"), platform.reset_env(me, unit)):
        with pytest.raises(Forbidden):
            await wanted


async def test_a_private_unit_is_absent_for_strangers_but_not_for_administrators(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner), visibility=PRIVATE)
    get = GetUnit(platform.database)
    for agent in (stranger, ANONYMOUS):
        with pytest.raises(NotFound):
            await get(agent, unit)
        with pytest.raises((NotFound, Forbidden)):
            await platform.get_env(agent, unit)
    for agent in (owner, admin, Agent.unit(unit)):
        assert (await get(agent, unit)).uuid == unit


async def test_w43_viewers_do_not_learn_a_devices_addresses(
    platform: Platform, owner: Agent, stranger: Agent, admin: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    await platform.store_state(unit, b'{"ifconfig": ["10.0.0.2"], "millis": 5}')
    get = GetUnit(platform.database)
    for agent, addresses in (
        (owner, ("10.0.0.2",)),
        (Agent.unit(unit), ("10.0.0.2",)),
        (stranger, ()),
        (admin, ()),
        (ANONYMOUS, ()),
    ):
        state = (await get(agent, unit)).unit_state
        assert state is not None and (state.ifconfig, state.millis) == (addresses, 5.0)


async def test_w8_nested_nodes_are_filtered_and_units_without_any_drop_out(
    platform: Platform, owner: Agent, stranger: Agent
) -> None:
    repo = await platform.repo(owner)
    units = [await platform.unit(owner, repo, name) for name in ("one-", "two-")]
    for name in ("led/pepeunit", "temp/pepeunit"):
        await platform.change_node(
            owner, await platform.node(units[0], name), visibility_level=PRIVATE
        )
    listing = ListUnits(platform.database)
    for agent, expected in ((owner, 2), (stranger, 1), (ANONYMOUS, 1)):
        scope = Scope.of(agent)
        found = await listing(agent, UnitQuery(scope, owning=NodeQuery(scope)))
        assert found.page.count == len(found.page.items) == len(found.nodes) == expected


async def test_o26_the_device_keys_are_made_once_and_survive_a_reset(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    first = await platform.get_env(owner, unit)
    await platform.set_env(owner, unit, json.dumps(first | {"WIFI": "home"}))
    await platform.reset_env(owner, unit)
    assert await platform.get_env(owner, unit) == first
    other = await platform.unit(owner, (await platform.row(unit)).repo_uuid, "other")
    env = await platform.get_env(owner, other)
    assert len({first["PU_SECRET_KEY"], first["PU_ENCRYPT_KEY"], env["PU_SECRET_KEY"]}) == 3


async def test_rulings_18_only_what_the_user_changed_is_stored(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    env = await platform.get_env(owner, unit)
    changed = env | {"WIFI": "home", "PU_MQTT_PORT": 9, "PU_AUTH_TOKEN": "x", "UNKNOWN": 1}
    await platform.set_env(owner, unit, json.dumps(changed | {"PU_COMMIT_VERSION": "f" * 40}))
    async with platform.database.read() as rows:
        stored = await platform.vault.get(rows, unit)
    assert stored.overrides == {"WIFI": "home", "PU_MQTT_PORT": 9}
    assert await platform.get_env(owner, unit) == env | {"WIFI": "home", "PU_MQTT_PORT": 9}


async def test_an_env_is_sealed_at_rest(platform: Platform, owner: Agent) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    await platform.set_env(owner, unit, '{"WIFI": "my password"}')
    texts = repr(platform.stored._world.sealed)
    assert "my password" not in texts
    assert (await platform.get_env(owner, unit))["PU_SECRET_KEY"] not in texts


@pytest.mark.parametrize("text", ["", "[]", "{"])
async def test_an_env_that_is_no_json_object_is_refused(
    platform: Platform, owner: Agent, text: str
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    with pytest.raises(Invalid) as refused:
        await platform.set_env(owner, unit, text)
    assert refused.value.topic is Topic.JSON


async def test_state_storage_keeps_a_text_and_an_empty_one_clears_it(
    platform: Platform, owner: Agent
) -> None:
    unit = await platform.unit(owner, await platform.repo(owner))
    get = GetStateStorage(platform.database, platform.cipher)
    put = SetStateStorage(platform.database, platform.cipher)
    me = Agent.unit(unit)
    assert await get(me, unit) == ""
    await put(me, unit, '{"a": "é"}')
    assert await get(owner, unit) == '{"a": "é"}'
    assert "é" not in repr(platform.stored._world.sealed)
    await put(me, unit, "")
    assert await get(me, unit) == ""
    with pytest.raises(OverLimit) as refused:
        await put(me, unit, "x" * 1_000_001)
    assert refused.value.topic is Topic.CIPHER


async def test_rulings_21_downloads_are_of_the_built_commit_though_the_target_moved(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    built = platform.remote.branches["main"]
    moved = platform.remote.push(
        program({"output_topic": ["hum/pepeunit"]}, env_example__json='{"NEW": 1}'), tag="v2"
    )
    await platform.synchronise((await platform.repo_row(repo)).repository_registry_uuid)
    target = await GetTargetVersion(platform.database, platform.programs)(owner, unit)
    assert target.commit == moved
    env = await platform.get_env(owner, unit)
    assert env["PU_COMMIT_VERSION"] == built and "NEW" not in env
    assert list((await platform.get_schema(owner, unit))["output_topic"]) == ["temp/pepeunit"]
    await platform.get_archive(owner, unit, ArchiveFormat.TGZ)
    assert platform.archives.commit == built
    assert json.loads(platform.archives.own_files["env.json"]) == env


async def test_a_built_commit_is_pinned_against_a_rewritten_branch(
    platform: Platform, owner: Agent
) -> None:
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    del platform.remote.branches["main"], platform.remote.tags["v1"]
    platform.remote.push(program(main__py="other"), tag="v2")
    await platform.synchronise((await platform.repo_row(repo)).repository_registry_uuid)
    assert (await platform.get_env(owner, unit))["WIFI"] == ""


class MovingMirrors(MemoryMirrors):
    """Lets something happen while a file is read."""

    meanwhile: Any = None

    async def read(self, registry: RegistryId, commit: Sha, path: str) -> bytes:
        body = await super().read(registry, commit, path)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return body


async def test_o28_an_archive_is_of_one_commit_whatever_happens_meanwhile() -> None:
    mirrors = MovingMirrors({})
    platform = Platform(mirrors=mirrors)
    platform.remote.push(program(), tag="v1")
    owner = await platform.user("owner")
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    platform.remote.push(program({"output_topic": ["hum/pepeunit"]}), tag="v2")
    await platform.synchronise((await platform.repo_row(repo)).repository_registry_uuid)

    async def update() -> None:
        assert await platform.update_unit(unit)

    mirrors.meanwhile = update
    await platform.get_archive(owner, unit, ArchiveFormat.TGZ)
    env = json.loads(platform.archives.own_files["env.json"])
    schema = json.loads(platform.archives.own_files["schema.json"])
    tree_has_temp = platform.archives.commit != platform.remote.branches["main"]
    assert env["PU_COMMIT_VERSION"] == platform.archives.commit
    assert ("temp/pepeunit" in schema["output_topic"]) is tree_has_temp
    await platform.close()


async def test_two_edits_at_once_never_build_a_version_nobody_asked_for() -> None:
    mirrors = MovingMirrors({})
    platform = Platform(mirrors=mirrors)
    first = platform.remote.push(program(), tag="v1")
    second = platform.remote.push(program(more__txt="x"), tag="v2")
    owner = await platform.user("owner")
    unit = await platform.unit(owner, await platform.repo(owner))
    own = {"is_auto_update_from_repo_unit": False, "repo_branch": "main"}

    async def other() -> None:
        await edit(platform, owner, unit, repo_commit=first, **own)

    mirrors.meanwhile = other
    with pytest.raises(Conflict):
        await edit(platform, owner, unit, name="renamed")
    row = await platform.row(unit)
    assert (row.repo_commit, row.built_commit, row.name) == (first, first, "unit")
    assert second != first
    await platform.close()


async def test_the_net_does_not_build_over_a_version_chosen_meanwhile() -> None:
    mirrors = MovingMirrors({})
    platform = Platform(mirrors=mirrors)
    first = platform.remote.push(program(), tag="v1")
    platform.remote.push(program(more__txt="x"), tag="v2")
    owner = await platform.user("owner")
    repo = await platform.repo(owner)
    unit = await platform.unit(owner, repo)
    own = {"is_auto_update_from_repo_unit": False, "repo_branch": "main"}

    async def choose() -> None:
        await edit(platform, owner, unit, repo_commit=first, **own)

    mirrors.meanwhile = choose
    await platform.followers(repo)
    assert (await platform.row(unit)).built_commit == first
    await platform.close()


async def test_the_schema_names_every_linked_output(platform: Platform, owner: Agent) -> None:
    repo = await platform.repo(owner)
    one, two = await platform.unit(owner, repo, "one-"), await platform.unit(owner, repo, "two-")
    output, input_ = (
        await platform.node(one, "temp/pepeunit"),
        await platform.node(two, "led/pepeunit"),
    )
    await platform.create_edge(owner, output.uuid, input_.uuid)
    schema = await platform.get_schema(Agent.unit(two), two)
    assert schema["input_topic"] == {
        "led/pepeunit": [f"{DOMAIN}/{input_.uuid}/pepeunit", f"{DOMAIN}/{output.uuid}/pepeunit"]
    }
