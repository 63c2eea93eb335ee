"""Transactions, and what every collection keeps and refuses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import pytest
from attrs import evolve

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Invalid, Topic
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.domain.nodes.node import NodeType
from pepeunit.domain.registries.credentials import CredentialStatus
from pepeunit.domain.registries.registry import SyncStatus
from pepeunit.domain.units.state import UnitState
from pepeunit.domain.units.update import UpdateProgress
from pepeunit.ports.database import Census, Database
from pepeunit.ports.registries import SealedCredentials
from pepeunit.ports.units import SealedKind
from tests.doubles.rows import (
    NOON,
    Household,
    a_command,
    a_node,
    a_permission,
    a_registry,
    a_repo,
    a_unit,
    a_user,
    an_edge,
)


class Undo(Exception):
    pass


async def opened(database: Database, count: int) -> None:
    """Let the store open its connections, so that what follows really happens at once."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(database.read())


async def stored(database: Database) -> Household:
    home = Household()
    async with database.begin() as tx:
        await home.store(tx)
    return home


async def test_every_field_of_every_row_comes_back_as_it_was_put(database: Database) -> None:
    home = Household()
    home.user = evolve(home.user, grafana_org_id="3", telegram_chat_id="77", token_generation=4)
    home.registry = evolve(
        home.registry,
        releases={"v1": (("a.bin", "https://x/a"), ("ü", "")), "v0": ()},
        local_repository_size=2**40,
        sync_status=SyncStatus.PROCESSING,
        sync_error="no",
        sync_progress=40,
        sync_last_datetime=NOON + timedelta(microseconds=7),
    )
    home.repo = evolve(
        home.repo, default_commit="c" * 40, is_only_tag_update=False, is_compilable_repo=True
    )
    home.unit = evolve(
        home.unit,
        target_firmware_platform="esp32",
        repo_branch="main",
        repo_commit="a" * 40,
        built_commit="b" * 40,
        built_tag="v1",
        current_commit_version="c" * 40,
        unit_state=UnitState(
            ifconfig=("10.0.0.2", 5, None), millis=1.5, statvfs=(1, 2), pu_commit_version="\ud800\0"
        ),
        state_datetime=NOON,
        update=UpdateProgress().sent(NOON).failed("late", NOON),
        token_generation=2,
        is_online=True,
        last_seen_datetime=NOON,
    )
    home.output = evolve(
        home.output,
        topic_name="long/" * 13_000,
        max_connections=2**31,
        state="21.5",
        state_datetime=NOON,
        is_data_pipe_active=True,
        data_pipe_yml="a: 1",
        data_pipe_status="Active",
        data_pipe_error="none",
    )
    edge = an_edge(home.output, home.input)
    async with database.begin() as tx:
        await home.store(tx)
        await tx.edges.put(edge)
    async with database.read() as rows:
        assert await rows.users.get(home.user.uuid) == home.user
        assert await rows.registries.get(home.registry.uuid) == home.registry
        assert await rows.repos.get(home.repo.uuid) == home.repo
        assert await rows.units.get(home.unit.uuid) == home.unit
        assert await rows.nodes.get(home.output.uuid) == home.output
        assert list(await rows.nodes.of_unit(home.unit.uuid)) == [home.input, home.output]
        assert await rows.edges.between(home.output.uuid, home.input.uuid) == edge
        assert await rows.edges.between(home.input.uuid, home.output.uuid) is None
        assert await rows.census() == Census(1, 1, 1, 1, 2, 1)
        assert await rows.users.count() == 1
        found = await rows.nodes.get(home.output.uuid)
        assert found is not None and type(found.uuid) is type(home.output.uuid)


async def test_putting_again_replaces(database: Database) -> None:
    home = await stored(database)
    changed = evolve(home.unit, name="another", visibility_level=Visibility.PRIVATE)
    async with database.begin() as tx:
        await tx.units.put(changed)
        await tx.nodes.put([evolve(home.output, max_connections=3)])
    async with database.read() as rows:
        assert await rows.units.get(home.unit.uuid) == changed
        assert await rows.nodes.get(home.output.uuid) == evolve(home.output, max_connections=3)


async def test_an_exception_rolls_everything_back(database: Database) -> None:
    home = await stored(database)
    with pytest.raises(Undo):
        async with database.begin() as tx:
            await tx.units.delete(home.unit.uuid)
            await tx.users.put(a_user())
            raise Undo
    async with database.read() as rows:
        assert await rows.census() == Census(1, 1, 1, 1, 2, 0)


async def test_a_reader_sees_nothing_before_the_commit(database: Database) -> None:
    async with database.begin() as tx, database.read() as rows:
        await tx.users.put(a_user())
        assert await tx.users.count() == 1
        assert await rows.users.count() == 0
    async with database.read() as rows:
        assert await rows.users.count() == 1


async def test_a_reader_may_neither_write_nor_lock(database: Database) -> None:
    home = await stored(database)
    async with database.read() as rows:
        with pytest.raises(RuntimeError, match="begin"):
            await rows.users.put(home.user)
        with pytest.raises(RuntimeError, match="begin"):
            await rows.users.get(home.user.uuid, for_update=True)
        with pytest.raises(RuntimeError, match="begin"):
            await rows.outbox.claim(NOON, NOON, 1)
    async with database.read() as rows:
        assert await rows.users.get(home.user.uuid) == home.user


async def test_a_swallowed_conflict_never_commits(database: Database) -> None:
    home = await stored(database)
    with pytest.raises(RuntimeError):
        async with database.begin() as tx:
            await tx.users.put(a_user(login="before"))
            with pytest.raises(Conflict):
                await tx.users.put(a_user(login=home.user.login))
    async with database.read() as rows:
        assert await rows.users.by_login("before") is None


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        ("login", Topic.USER),
        ("url", Topic.REGISTRY),
        ("repo", Topic.REPO),
        ("unit", Topic.UNIT),
        ("node", Topic.NODE),
        ("edge", Topic.NODE),
        ("registry with repos", Topic.ENTITY),
        ("repo with units", Topic.ENTITY),
        ("registry gone", Topic.ENTITY),
        ("repo gone", Topic.ENTITY),
        ("unit gone", Topic.ENTITY),
        ("node gone", Topic.ENTITY),
        ("user gone", Topic.ENTITY),
        ("command of nobody", Topic.ENTITY),
        ("sealed of nobody", Topic.ENTITY),
    ],
)
async def test_a_clash_is_a_conflict_with_its_topic(
    database: Database, kind: str, topic: Topic
) -> None:
    home = Household(a_user(login="Anna"))
    stranger = Household()
    edge = an_edge(home.output, home.input)
    async with database.begin() as tx:
        await home.store(tx)
        await tx.edges.put(edge)
    with pytest.raises(Conflict) as refusal:
        async with database.begin() as tx:
            actions = {
                "login": lambda: tx.users.put(a_user(login="aNNa")),
                "url": lambda: tx.registries.put(
                    a_registry(home.user, repository_url=home.registry.repository_url)
                ),
                "repo": lambda: tx.repos.put(a_repo(home.registry, home.user, name=home.repo.name)),
                "unit": lambda: tx.units.put(a_unit(home.repo, home.user, name=home.unit.name)),
                "node": lambda: tx.nodes.put(
                    [a_node(home.unit, topic_name=home.output.topic_name)]
                ),
                "edge": lambda: tx.edges.put(an_edge(home.output, home.input)),
                "registry with repos": lambda: tx.registries.delete(home.registry.uuid),
                "repo with units": lambda: tx.repos.delete(home.repo.uuid),
                "registry gone": lambda: tx.repos.put(a_repo(stranger.registry, home.user)),
                "repo gone": lambda: tx.units.put(a_unit(stranger.repo, home.user)),
                "unit gone": lambda: tx.nodes.put(
                    [evolve(home.output, uuid=uuid4(), unit_uuid=stranger.unit.uuid)]
                ),
                "node gone": lambda: tx.edges.put(
                    evolve(edge, uuid=uuid4(), node_output_uuid=stranger.output.uuid)
                ),
                "user gone": lambda: tx.repos.put(a_repo(home.registry, stranger.user)),
                "command of nobody": lambda: tx.outbox.put(a_command(stranger.unit)),
                "sealed of nobody": lambda: tx.units.put_sealed(
                    stranger.unit.uuid, SealedKind.ENV, "x"
                ),
            }
            await actions[kind]()
    assert refusal.value.topic is topic
    assert "_" not in refusal.value.message


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_no_store_holds_is_invalid(database: Database, text: str) -> None:
    home = await stored(database)
    with pytest.raises(Invalid) as refusal:
        async with database.begin() as tx:
            await tx.users.put(a_user(login=text, grafana_org_name=text))
    assert [path for path, _ in refusal.value.violations] == ["login", "grafana_org_name"]
    for write in (
        lambda tx: tx.units.put(evolve(home.unit, update=UpdateProgress(error=text))),
        lambda tx: tx.nodes.store_states([(home.output.uuid, text, NOON)]),
        lambda tx: tx.units.put_sealed(home.unit.uuid, SealedKind.ENV, text),
        lambda tx: tx.outbox.put(a_command(home.unit, payload=text)),
    ):
        with pytest.raises(Invalid):
            async with database.begin() as tx:
                await write(tx)
    async with database.read() as rows:
        assert await rows.users.by_login(text) is None


async def test_a_state_that_json_cannot_express_is_invalid(database: Database) -> None:
    home = await stored(database)
    with pytest.raises(Invalid):
        async with database.begin() as tx:
            state = UnitState(ifconfig=(float("nan"),))
            await tx.units.put(evolve(home.unit, unit_state=state))


async def test_logins_are_found_without_case(database: Database) -> None:
    user = a_user(login="Anna.B")
    async with database.begin() as tx:
        await tx.users.put(user)
        await tx.users.put(evolve(user, login="ANNA.b"))
    async with database.read() as rows:
        assert await rows.users.by_login("anna.B") == evolve(user, login="ANNA.b")
        assert await rows.users.by_login("anna_B") is None


async def test_deleting_a_unit_leaves_nothing_of_it(database: Database) -> None:
    home, other = Household(), Household()
    async with database.begin() as tx:
        await home.store(tx)
        await other.store(tx)
        await tx.edges.put(an_edge(home.output, other.input))
        await tx.edges.put(an_edge(other.output, home.input))
        await tx.edges.put(an_edge(other.output, other.input))
        for kind in SealedKind:
            await tx.units.put_sealed(home.unit.uuid, kind, "text")
        await tx.outbox.put(a_command(home.unit))
        pairs = [
            (home.user, home.unit),
            (home.unit, home.output),
            (home.unit, other.output),
            (other.unit, home.output),
            (other.unit, other.output),
        ]
        await tx.permissions.put([a_permission(a.uuid, r.uuid) for a, r in pairs])
    async with database.begin() as tx:
        await tx.units.delete(home.unit.uuid)
    async with database.begin() as tx:
        assert await tx.census() == Census(2, 2, 2, 1, 2, 1)
        held = [await tx.permissions.exists(a.uuid, r.uuid) for a, r in pairs]
        assert held == [False, False, False, False, True]
        assert list(await tx.outbox.claim(NOON, NOON, 10)) == []
        assert await tx.units.sealed(home.unit.uuid, SealedKind.ENV) is None
        await tx.units.put(home.unit)
        assert await tx.units.sealed(home.unit.uuid, SealedKind.ENV) is None


async def test_deleting_nodes_takes_their_edges_and_permissions(database: Database) -> None:
    home = await stored(database)
    async with database.begin() as tx:
        await tx.edges.put(an_edge(home.output, home.input))
        await tx.permissions.put([a_permission(home.unit.uuid, home.output.uuid)])
        await tx.nodes.delete([home.output.uuid, uuid4()])
        assert list(await tx.edges.touching([home.input.uuid])) == []
        assert not await tx.permissions.exists(home.unit.uuid, home.output.uuid)
        assert list(await tx.nodes.of_unit(home.unit.uuid)) == [home.input]


async def test_deleting_upwards_ends_with_an_empty_house(database: Database) -> None:
    home = await stored(database)
    async with database.begin() as tx:
        await tx.permissions.put([a_permission(home.user.uuid, home.repo.uuid)])
        await tx.registries.put_credentials(
            SealedCredentials(home.registry.uuid, home.user.uuid, "s", CredentialStatus.VALID)
        )
        await tx.units.delete(home.unit.uuid)
        await tx.repos.delete(home.repo.uuid)
        await tx.registries.delete(home.registry.uuid)
    async with database.read() as rows:
        assert await rows.census() == Census(1, 0, 0, 0, 0, 0)
        assert not await rows.permissions.exists(home.user.uuid, home.repo.uuid)
        assert list(await rows.registries.credentials(home.registry.uuid)) == []


async def test_edges_are_found_by_either_end_and_deleted_alone(database: Database) -> None:
    home = await stored(database)
    edge = an_edge(home.output, home.input)
    async with database.begin() as tx:
        await tx.edges.put(edge)
    async with database.begin() as tx:
        assert list(await tx.edges.touching([home.output.uuid])) == [edge]
        assert list(await tx.edges.touching({home.input.uuid, home.output.uuid})) == [edge]
        assert list(await tx.edges.touching([])) == []
        await tx.edges.delete(edge)
        assert list(await tx.edges.touching([home.input.uuid])) == []
        assert await tx.nodes.get(home.input.uuid) == home.input


async def test_credentials_keep_the_order_of_their_first_coming(database: Database) -> None:
    home, second = Household(), a_user()
    slots = [
        SealedCredentials(home.registry.uuid, user.uuid, user.login, CredentialStatus.VALID)
        for user in (home.user, second)
    ]
    renewed = evolve(slots[0], sealed="new", status=CredentialStatus.ERROR)
    async with database.begin() as tx:
        await home.store(tx)
        await tx.users.put(second)
        for slot in (*slots, renewed):
            await tx.registries.put_credentials(slot)
        assert list(await tx.registries.credentials(home.registry.uuid)) == [renewed, slots[1]]


async def test_a_permission_is_stored_once_and_forgotten_from_both_sides(
    database: Database,
) -> None:
    agent, resource, third = uuid4(), uuid4(), uuid4()
    async with database.begin() as tx:
        await tx.permissions.put([a_permission(agent, resource), a_permission(agent, resource)])
        await tx.permissions.put([a_permission(agent, resource), a_permission(third, agent)])
        await tx.permissions.put([])
        assert await tx.permissions.exists(agent, resource)
        assert not await tx.permissions.exists(resource, agent)
        await tx.permissions.delete_about([agent])
        assert not await tx.permissions.exists(agent, resource)
        assert not await tx.permissions.exists(third, agent)


async def test_questions_about_the_units_of_a_repo(database: Database) -> None:
    home = Household()
    units = [
        a_unit(home.repo, home.user, current_commit_version=version, **more)
        for version, more in [
            ("b" * 40, {"is_auto_update_from_repo_unit": False}),
            ("a" * 40, {"visibility_level": Visibility.PRIVATE}),
            ("b" * 40, {}),
            ("c" * 40, {"visibility_level": Visibility.INTERNAL}),
            (None, {"visibility_level": Visibility.INTERNAL}),
        ]
    ]
    home.unit = evolve(home.unit, visibility_level=Visibility.PRIVATE)
    async with database.begin() as tx:
        await home.store(tx)
        for unit in units:
            await tx.units.put(unit)
        repos = tx.units
        assert list(await repos.versions(home.repo.uuid)) == [
            ("b" * 40, 2),
            ("a" * 40, 1),
            ("c" * 40, 1),
        ]
        assert set(await repos.following(home.repo.uuid)) == {
            unit.uuid for unit in (*units[1:], home.unit)
        }
        assert await repos.widest_visibility(home.repo.uuid) is Visibility.PUBLIC
        await repos.delete(units[0].uuid)
        await repos.delete(units[2].uuid)
        assert await repos.widest_visibility(home.repo.uuid) is Visibility.INTERNAL
        assert await repos.widest_visibility(uuid4()) is None
        assert list(await repos.versions(uuid4())) == []


async def test_overdue_updates_come_oldest_first(database: Database) -> None:
    home = Household()
    sent = UpdateProgress().sent
    units = [
        a_unit(home.repo, home.user, update=progress)
        for progress in (
            sent(NOON - timedelta(minutes=1)),
            sent(NOON - timedelta(minutes=2)),
            sent(NOON),
            sent(NOON - timedelta(minutes=3)).failed("x", NOON),
        )
    ]
    async with database.begin() as tx:
        await home.store(tx)
        for unit in units:
            await tx.units.put(unit)
        assert list(await tx.units.overdue(NOON, 10)) == [units[1].uuid, units[0].uuid]
        assert list(await tx.units.overdue(NOON, 1)) == [units[1].uuid]


async def test_presence_touches_nothing_else(database: Database) -> None:
    home = await stored(database)
    async with database.begin() as tx:
        await tx.units.mark_presence(home.unit.uuid, is_online=True, at=NOON)
        await tx.units.mark_presence(uuid4(), is_online=True, at=NOON)
    seen = evolve(home.unit, is_online=True, last_seen_datetime=NOON)
    async with database.begin() as tx:
        assert await tx.units.get(home.unit.uuid) == seen
        await tx.units.mark_all_offline()
        assert await tx.units.get(home.unit.uuid) == evolve(seen, is_online=False)


async def test_sealed_texts_are_kept_by_kind_and_forgotten(database: Database) -> None:
    home = await stored(database)
    uuid = home.unit.uuid
    async with database.begin() as tx:
        await tx.units.put_sealed(uuid, SealedKind.ENV, "one")
        await tx.units.put_sealed(uuid, SealedKind.ENV, "two")
        await tx.units.put_sealed(uuid, SealedKind.STATE_STORAGE, "three")
        assert await tx.units.sealed(uuid, SealedKind.ENV) == "two"
        await tx.units.put_sealed(uuid, SealedKind.ENV, None)
        assert await tx.units.sealed(uuid, SealedKind.ENV) is None
        assert await tx.units.sealed(uuid, SealedKind.STATE_STORAGE) == "three"


async def test_repos_of_a_registry_and_those_that_follow_their_branch(database: Database) -> None:
    home = Household()
    fixed = a_repo(home.registry, home.user, is_auto_update_repo=False)
    async with database.begin() as tx:
        await home.store(tx)
        await tx.repos.put(fixed)
        assert list(await tx.repos.auto_updated()) == [home.repo]
        of_registry = await tx.repos.of_registry(home.registry.uuid)
        assert {repo.uuid for repo in of_registry} == {home.repo.uuid, fixed.uuid}
        assert list(await tx.registries.all_ids()) == [home.registry.uuid]


async def test_two_who_lock_one_row_come_one_after_the_other(database: Database) -> None:
    home = await stored(database)
    events: list[str] = []

    async def raise_connections(name: str) -> None:
        async with database.begin() as tx:
            node = await tx.nodes.get(home.output.uuid, for_update=True)
            assert node is not None
            events.append(name)
            for _ in range(20):
                await tx.users.count()
            await tx.nodes.put([evolve(node, max_connections=node.max_connections + 1)])
            events.append(name)

    await opened(database, 4)
    await asyncio.gather(*(raise_connections(name) for name in "abcd"))
    assert events[::2] == events[1::2]
    async with database.read() as rows:
        node = await rows.nodes.get(home.output.uuid)
    assert node == evolve(home.output, max_connections=home.output.max_connections + 4)


async def test_a_named_lock_is_held_until_the_transaction_ends(database: Database) -> None:
    events: list[str] = []

    async def work(name: str) -> None:
        async with database.begin() as tx:
            await tx.lock("first user")
            events.append(name)
            for _ in range(20):
                await tx.users.count()
            events.append(name)

    await opened(database, 4)
    await asyncio.gather(*(work(name) for name in "abcd"))
    assert events[::2] == events[1::2]


async def test_the_newer_command_of_a_kind_replaces_the_older(database: Database) -> None:
    home = await stored(database)
    old, new = a_command(home.unit, payload="old"), a_command(home.unit, payload="new")
    other = a_command(home.unit, kind=CommandKind.LOG_SYNC)
    later = NOON + timedelta(minutes=1)
    async with database.begin() as tx:
        for command in (old, new, other):
            await tx.outbox.put(command)
        await tx.outbox.delete([old.uuid])
        claimed = await tx.outbox.claim(NOON, later, 10)
        assert {command.payload for command in claimed} == {"new", "{}"}
        assert {(command.attempts, command.retry_datetime) for command in claimed} == {(1, later)}
        await tx.outbox.delete([new.uuid, other.uuid])
        assert list(await tx.outbox.claim(later, later, 10)) == []


async def test_commands_are_claimed_oldest_first_and_when_they_are_due(database: Database) -> None:
    home, other = Household(), Household()
    commands = [
        a_command(unit, kind=kind, create_datetime=NOON - timedelta(seconds=age))
        for unit, kind, age in [
            (home.unit, CommandKind.UPDATE, 2),
            (home.unit, CommandKind.LOG_SYNC, 1),
            (other.unit, CommandKind.UPDATE, 3),
        ]
    ]
    soon, later = NOON + timedelta(seconds=1), NOON + timedelta(seconds=9)
    async with database.begin() as tx:
        await home.store(tx)
        await other.store(tx)
        for command in commands:
            await tx.outbox.put(command)
    async with database.begin() as tx:
        first = await tx.outbox.claim(NOON, later, 2)
        assert [command.uuid for command in first] == [commands[2].uuid, commands[0].uuid]
    async with database.begin() as tx:
        rest = await tx.outbox.claim(soon, later, 10)
        assert [command.uuid for command in rest] == [commands[1].uuid]
        of_unit = await tx.outbox.claim(soon, later, 10, home.unit.uuid)
        assert [command.uuid for command in of_unit] == [commands[0].uuid, commands[1].uuid]
        assert [command.attempts for command in of_unit] == [2, 2]
        assert len(await tx.outbox.claim(later, later, 10)) == 3


async def test_two_claimers_never_get_one_command(database: Database) -> None:
    home = Household()
    units = [a_unit(home.repo, home.user) for _ in range(30)]
    async with database.begin() as tx:
        await home.store(tx)
        for unit in units:
            await tx.units.put(unit)
            await tx.outbox.put(a_command(unit))
    later = NOON + timedelta(minutes=1)

    async def claim() -> list[object]:
        async with database.begin() as tx:
            claimed = await tx.outbox.claim(NOON, later, 20)
            for _ in range(5):
                await tx.users.count()
            return [command.uuid for command in claimed]

    await opened(database, 2)
    both = await asyncio.gather(claim(), claim())
    assert len(both[0]) + len(both[1]) == 30
    assert len({*both[0], *both[1]}) == 30


async def test_the_newest_state_wins_whatever_the_order(database: Database) -> None:
    home = await stored(database)
    at = [NOON + timedelta(seconds=second) for second in range(4)]
    output, input_ = home.output.uuid, home.input.uuid
    async with database.begin() as tx:
        rows = [(output, "2", at[2]), (output, "1", at[1]), (input_, "x", at[0])]
        assert await tx.nodes.store_states([*rows, (uuid4(), "?", at[3])]) == 2
        assert await tx.nodes.store_states([(output, "0", at[0]), (output, "same", at[2])]) == 0
        assert await tx.nodes.store_states([]) == 0
        expected = evolve(home.output, state="2", state_datetime=at[2])
        assert await tx.nodes.get(output) == expected
        assert await tx.nodes.store_states([(output, "", at[3])]) == 1
        node = await tx.nodes.get(output)
        assert node is not None and node.state == ""


async def test_nodes_of_a_unit_come_by_type_and_name(database: Database) -> None:
    home = Household()
    nodes = [
        a_node(home.unit, type=kind, topic_name=name)
        for kind in (NodeType.INPUT, NodeType.OUTPUT)
        for name in ("B/1", "a", "a/pepeunit", "b")
    ]
    async with database.begin() as tx:
        await home.store(tx)
        await tx.nodes.delete([home.input.uuid, home.output.uuid])
        await tx.nodes.put(nodes[::-1])
        assert list(await tx.nodes.of_unit(home.unit.uuid)) == nodes
