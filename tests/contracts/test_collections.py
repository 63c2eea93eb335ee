"""What each collection answers, keeps and takes with it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from attrs import evolve

from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.nodes.node import NodeType
from pepeunit.domain.registries.credentials import CredentialStatus
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
    a_repo,
    a_unit,
    a_user,
    an_edge,
    stored,
)


async def test_logins_are_found_without_case(database: Database) -> None:
    user = a_user(login="Anna.B")
    async with database.begin() as tx:
        await tx.users.put(user)
        await tx.users.put(evolve(user, login="ANNA.b"))
    async with database.read() as rows:
        assert await rows.users.by_login("anna.B") == evolve(user, login="ANNA.b")
        assert await rows.users.by_login("anna_B") is None


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


async def test_a_second_permission_for_the_same_two_clashes(database: Database) -> None:
    row = a_permission(uuid4(), uuid4())
    async with database.begin() as tx:
        await tx.permissions.add(row)
    with pytest.raises(Conflict) as clash:
        async with database.begin() as tx:
            await tx.permissions.add(evolve(row, uuid=uuid4()))
    assert clash.value.topic is Topic.PERMISSION
    ends = row.agent_uuid, row.resource_uuid
    async with database.begin() as tx:
        assert await tx.permissions.stored(*ends) == row
        assert await tx.permissions.stored(*reversed(ends)) is None
        await tx.permissions.delete(*reversed(ends))
        assert await tx.permissions.exists(*ends)
        await tx.permissions.delete(*ends)
        assert await tx.permissions.stored(*ends) is None


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


async def test_the_newest_state_wins_whatever_the_order(database: Database) -> None:
    home = await stored(database)
    at = [NOON + timedelta(seconds=second) for second in range(4)]
    output, input_ = home.output.uuid, home.input.uuid
    async with database.begin() as tx:
        rows = [(output, "2", at[2]), (output, "1", at[1]), (input_, "x", at[0])]
        assert await tx.nodes.store_states([*rows, (uuid4(), "?", at[3])], at[3]) == 2
        assert await tx.nodes.store_states([(output, "0", at[0]), (output, "1", at[1])], at[3]) == 0
        assert await tx.nodes.store_states([], at[3]) == 0
        expected = evolve(home.output, state="2", state_datetime=at[2])
        assert await tx.nodes.get(output) == expected
        assert await tx.nodes.store_states([(output, "", at[3])], at[3]) == 1
        node = await tx.nodes.get(output)
        assert node is not None and node.state == ""


async def test_a_state_from_before_the_clock_was_set_back_yields(database: Database) -> None:
    home = await stored(database)
    output, hour = home.output.uuid, timedelta(hours=1)
    async with database.begin() as tx:
        assert await tx.nodes.store_states([(output, "before", NOON + hour)], NOON + hour) == 1
        assert await tx.nodes.store_states([(output, "replayed", NOON)], NOON + hour) == 0
        assert await tx.nodes.store_states([(output, "after", NOON)], NOON) == 1
        node = await tx.nodes.get(output)
        assert node is not None and (node.state, node.state_datetime) == ("after", NOON)


async def test_of_states_of_one_moment_the_last_one_wins(database: Database) -> None:
    home = await stored(database)
    async with database.begin() as tx:
        for states in (("a", "b"), ("c",)):
            rows = [(home.output.uuid, state, NOON) for state in states]
            assert await tx.nodes.store_states(rows, NOON) == 1
            node = await tx.nodes.get(home.output.uuid)
            assert node is not None and node.state == states[-1]


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


async def test_nodes_are_fetched_by_ids_and_permissions_by_who_holds_them(
    database: Database,
) -> None:
    home, other = await stored(database), a_user()
    row = a_permission(other.uuid, home.output.uuid)
    async with database.begin() as tx:
        await tx.users.put(other)
        await tx.edges.put(an_edge(home.output, home.input))
        await tx.permissions.put([row])
    asked = [home.input.uuid, home.output.uuid, NodeId(uuid4())]
    async with database.read() as rows:
        found = await rows.nodes.get_many(asked)
        assert list(found) == sorted([home.input, home.output], key=lambda node: node.uuid)
        assert list(await rows.nodes.get_many([])) == []
        assert await rows.permissions.held(other.uuid, asked) == {home.output.uuid}
        assert await rows.permissions.held(home.unit.uuid, asked) == frozenset()
