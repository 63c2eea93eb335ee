"""List queries: scopes, filters, search, orders and pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepeunit.domain.access.agent import ANONYMOUS, BACKEND, Agent
from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.policy import Action, Resource, may
from pepeunit.domain.access.restriction import Restriction, TokenScope
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Invalid
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import UserRole, UserStatus
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.nodes import EdgeQuery, NodeQuery
from pepeunit.ports.paging import Order, OrderKey, Slice
from pepeunit.ports.permissions import PermissionQuery
from pepeunit.ports.registries import RegistryQuery
from pepeunit.ports.repos import RepoQuery
from pepeunit.ports.units import UnitQuery
from pepeunit.ports.users import UserQuery
from tests.doubles.rows import (
    NOON,
    Household,
    Town,
    a_node,
    a_registry,
    a_repo,
    a_unit,
    a_user,
    an_edge,
)

ALL = Scope(everything=True)
EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SEEDS = st.integers(0, 10**9)
LEVELS = st.none() | st.frozensets(st.sampled_from(list(Visibility)))


class Undo(Exception):
    pass


@asynccontextmanager
async def town(
    database: Database, seed: int, built: Town | None = None
) -> AsyncIterator[tuple[Town, Transaction]]:
    """A random town, or this one, that is gone afterwards."""
    built = built or Town.random(seed)
    try:
        async with database.begin() as tx:
            await built.store(tx)
            yield built, tx
            raise Undo
    except Undo:
        pass


def agents(town: Town) -> list[Agent]:
    return [
        ANONYMOUS,
        BACKEND,
        Agent.user(town.users[0].uuid, UserRole.ADMIN),
        *(Agent.user(user.uuid) for user in town.users),
        *(Agent.unit(unit.uuid) for unit in town.units[:3]),
    ]


def with_api_tokens(town: Town, seed: int) -> list[Agent]:
    """The agents, and people behind tokens of every scope, some of them limited to units."""
    dice = Random(seed)
    units = [unit.uuid for unit in town.units]
    limits = [None, frozenset(dice.sample(units, dice.randint(1, len(units))))]
    people = [agent for agent in agents(town) if agent.user_id is not None]
    return [
        *agents(town),
        *(
            agent.restricted(Restriction(dice.choice(list(TokenScope)), limit))
            for agent in people
            for limit in limits
        ),
    ]


def joined_by_edges(town: Town) -> set[tuple[UUID, UUID]]:
    """Agent and resource, as rulings 11 derive them from edges."""
    nodes = {node.uuid: node for node in town.nodes}
    ends = [(nodes[edge.node_output_uuid], nodes[edge.node_input_uuid]) for edge in town.edges]
    return {
        pair
        for output, input_ in ends
        for pair in (
            (output.unit_uuid, input_.uuid),
            (output.unit_uuid, input_.unit_uuid),
            (input_.unit_uuid, output.uuid),
        )
    }


@EXAMPLES
@given(seed=SEEDS)
async def test_rulings_11_an_edge_grants_the_same_as_a_row(database: Database, seed: int) -> None:
    async with town(database, seed) as (built, tx):
        granted = {(row.agent_uuid, row.resource_uuid) for row in built.permissions}
        granted |= joined_by_edges(built)
        things = [row.uuid for row in (*built.units, *built.nodes)]
        for agent in built.units:
            for thing in things:
                exists = await tx.permissions.exists(agent.uuid, thing)
                assert exists is ((agent.uuid, thing) in granted)


async def turned(collection: Any, query: Any) -> tuple[Any, ...]:
    """The items of every page of two, one after the other; each page knows how many there are."""
    found: list[Any] = []
    while True:
        page = await collection.find(evolve(query, slice=Slice(len(found), 2)))
        found += page.items
        if len(found) >= page.count:
            assert len(found) == page.count
            return tuple(found)


@EXAMPLES
@given(seed=SEEDS, levels=LEVELS)
async def test_rulings_7_a_list_shows_exactly_what_the_scope_admits(
    database: Database, seed: int, levels: frozenset[Visibility] | None
) -> None:
    async with town(database, seed) as (built, tx):
        granted = {(row.agent_uuid, row.resource_uuid) for row in built.permissions}
        granted |= joined_by_edges(built)
        for agent in with_api_tokens(built, seed):
            scope = Scope.of(agent, levels)

            def admitted(rows: Sequence[Repo | Unit | Node], scope: Scope = scope) -> set[UUID]:
                return {
                    row.uuid
                    for row in rows
                    if scope.admits(
                        row.resource(permitted=(scope.permitted_agent, row.uuid) in granted)
                    )
                }

            def seen_singly(rows: Sequence[Repo | Unit | Node], agent: Agent = agent) -> set[UUID]:
                wanted = frozenset(Visibility) if levels is None else levels
                return {
                    row.uuid
                    for row in rows
                    if row.visibility_level in wanted
                    and may(
                        agent,
                        Action.SEE,
                        row.resource(permitted=(agent.uuid, row.uuid) in granted),
                    )
                }

            repos = await tx.repos.find(RepoQuery(scope))
            units = await tx.units.find(UnitQuery(scope))
            nodes = await tx.nodes.find(NodeQuery(scope))
            owners = await tx.units.find(UnitQuery(scope, owning=NodeQuery(scope)))
            seen = admitted(built.nodes)
            with_nodes = {node.unit_uuid for node in built.nodes if node.uuid in seen}
            assert {row.uuid for row in repos.items} == admitted(built.repos)
            assert {row.uuid for row in units.items} == admitted(built.units)
            assert {row.uuid for row in nodes.items} == seen == seen_singly(built.nodes)
            assert admitted(built.units) == seen_singly(built.units)
            assert admitted(built.repos) == seen_singly(built.repos)
            assert {row.uuid for row in owners.items} == admitted(built.units) & with_nodes
            assert (repos.count, nodes.count) == (len(repos.items), len(nodes.items))
            owning = UnitQuery(scope, owning=NodeQuery(scope))
            for collection, whole, query in (
                (tx.repos, repos, RepoQuery(scope)),
                (tx.units, units, UnitQuery(scope)),
                (tx.units, owners, owning),
                (tx.nodes, nodes, NodeQuery(scope)),
            ):
                assert await turned(collection, query) == tuple(whole.items)


@EXAMPLES
@given(seed=SEEDS)
async def test_rulings_11_a_list_of_edges_shows_exactly_what_the_scope_admits(
    database: Database, seed: int
) -> None:
    async with town(database, seed) as (built, tx):
        granted = {(row.agent_uuid, row.resource_uuid) for row in built.permissions}
        granted |= joined_by_edges(built)
        nodes = {node.uuid: node for node in built.nodes}
        for agent in with_api_tokens(built, seed):
            scope = Scope.of(agent)

            def thing(uuid: UUID, scope: Scope = scope) -> Resource:
                return nodes[uuid].resource(permitted=(scope.permitted_agent, uuid) in granted)

            found = await tx.edges.find(EdgeQuery(scope))
            expected = [
                edge
                for edge in sorted(built.edges, key=lambda edge: edge.uuid)
                if scope.admits_link(thing(edge.node_output_uuid), thing(edge.node_input_uuid))
            ]
            assert list(found.items) == expected
            page = await tx.edges.find(EdgeQuery(scope, slice=Slice(1, 2)))
            assert (page.count, list(page.items)) == (len(expected), expected[1:3])


@EXAMPLES
@given(seed=SEEDS)
async def test_rulings_11_who_may_see_a_thing_is_listed_as_it_is_judged(
    database: Database, seed: int
) -> None:
    async with town(database, seed) as (built, tx):
        rows = {(row.agent_uuid, row.resource_uuid): row for row in built.permissions}
        candidates = sorted(row.uuid for row in (*built.users, *built.units))
        for thing, kind in [
            *((row.uuid, PermissionEntity.REPO) for row in built.repos),
            *((row.uuid, PermissionEntity.UNIT) for row in built.units),
            *((row.uuid, PermissionEntity.UNIT_NODE) for row in built.nodes),
        ]:
            found = await tx.permissions.find(PermissionQuery(thing, kind))
            assert [row.agent_uuid for row in found.items] == [
                agent for agent in candidates if await tx.permissions.exists(agent, thing)
            ]
            for row in found.items:
                stored = rows.get((row.agent_uuid, thing))
                assert row.is_from_edge is (stored is None)
                assert (
                    row.uuid == (stored or Permission.from_edge(row.agent_uuid, thing, kind)).uuid
                )
            units = frozenset({PermissionEntity.UNIT})
            page = await tx.permissions.find(PermissionQuery(thing, kind, units, Slice(1, 1)))
            of_units = [row for row in found.items if row.agent_type is PermissionEntity.UNIT]
            assert (page.count, list(page.items)) == (len(of_units), of_units[1:2])


ORDERS = st.lists(st.builds(Order, st.sampled_from(list(OrderKey)), st.booleans()), max_size=3).map(
    tuple
)
KEYS: dict[OrderKey, Callable[[object], object]] = {
    key: lambda row, k=key: getattr(row, k.value) for key in OrderKey
}


@EXAMPLES
@given(seed=SEEDS, orders=ORDERS, limit=st.integers(1, 4))
async def test_pages_follow_the_order_and_never_overlap(
    database: Database, seed: int, orders: tuple[Order, ...], limit: int
) -> None:
    async with town(database, seed) as (built, tx):
        expected = sorted(built.units, key=lambda unit: unit.uuid)
        for order in reversed(orders):
            expected.sort(key=KEYS[order.key], reverse=order.descending)
        whole = await tx.units.find(UnitQuery(ALL, order=orders))
        assert list(whole.items) == expected
        for offset in range(0, len(expected) + limit, limit):
            found = await tx.units.find(UnitQuery(ALL, order=orders, slice=Slice(offset, limit)))
            assert list(found.items) == expected[offset : offset + limit]
            assert found.count == len(expected)


@EXAMPLES
@given(seed=SEEDS, search=st.text("aAbB%_\\ ", max_size=4))
async def test_w41_every_word_must_occur_and_no_sign_is_a_wildcard(
    database: Database, seed: int, search: str
) -> None:
    def fits(*columns: str | None) -> bool:
        texts = [column.lower() for column in columns if column]
        return all(any(word in text for text in texts) for word in search.lower().split())

    async with town(database, seed) as (built, tx):
        urls = {registry.uuid: registry.repository_url for registry in built.registries}
        units = await tx.units.find(UnitQuery(ALL, search=search))
        nodes = await tx.nodes.find(NodeQuery(ALL, search=search))
        repos = await tx.repos.find(RepoQuery(ALL, search=search))
        users = await tx.users.find(UserQuery(search=search))
        assert {u.uuid for u in units.items} == {u.uuid for u in built.units if fits(u.name)}
        assert {n.uuid for n in nodes.items} == {n.uuid for n in built.nodes if fits(n.topic_name)}
        assert {r.uuid for r in repos.items} == {
            r.uuid
            for r in built.repos
            if fits(r.name, urls[r.repository_registry_uuid], r.default_branch)
        }
        assert {u.uuid for u in users.items} == {u.uuid for u in built.users if fits(u.login)}


async def test_words_may_occur_in_different_columns(database: Database) -> None:
    home = Household()
    registry = a_registry(home.user, repository_url="https://git.example/Pumps/x.git")
    repo = a_repo(registry, home.user, name="valve", default_branch="develop")
    async with database.begin() as tx:
        await home.store(tx)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        found = await tx.repos.find(RepoQuery(ALL, search="pumps  VALV\tdev"))
        assert list(found.items) == [repo]
        assert (await tx.repos.find(RepoQuery(ALL, search="pumps nothing"))).count == 0
        by_url = await tx.registries.find(RegistryQuery(search="pumps"))
        assert list(by_url.items) == [registry]


async def test_a_search_for_what_no_store_holds_is_invalid(database: Database) -> None:
    async with database.read() as rows:
        with pytest.raises(Invalid):
            await rows.users.find(UserQuery(search="a\0"))


async def test_filters_narrow_and_an_empty_set_finds_nothing(database: Database) -> None:
    home, other = Household(), Household(a_user(role=UserRole.ADMIN, status=UserStatus.BLOCKED))
    other.registry = evolve(other.registry, is_public_repository=False)
    other.repo = evolve(other.repo, is_auto_update_repo=False)
    other.unit = evolve(other.unit, is_auto_update_from_repo_unit=False)
    none: frozenset[UUID] = frozenset()
    async with database.begin() as tx:
        await home.store(tx)
        await other.store(tx)
        users, registries, repos = tx.users.find, tx.registries.find, tx.repos.find
        units, nodes = tx.units.find, tx.nodes.find
        for query in (
            UserQuery(roles=frozenset({UserRole.ADMIN})),
            UserQuery(statuses=frozenset({UserStatus.BLOCKED})),
        ):
            assert list((await users(query)).items) == [other.user]
        assert (await users(UserQuery(uuids=none))).count == 0
        for wanted in (
            RegistryQuery(creator_uuid=other.user.uuid),
            RegistryQuery(is_public_repository=False),
            RegistryQuery(uuids=frozenset({other.registry.uuid})),
        ):
            assert list((await registries(wanted)).items) == [other.registry]
        for of_repos in (
            RepoQuery(ALL, repository_registry_uuid=other.registry.uuid),
            RepoQuery(ALL, creators=frozenset({other.user.uuid})),
            RepoQuery(ALL, is_auto_update_repo=False),
            RepoQuery(ALL, uuids=frozenset({other.repo.uuid})),
        ):
            assert list((await repos(of_repos)).items) == [other.repo]
        assert (await repos(RepoQuery(ALL, creators=none))).count == 0
        for of_units in (
            UnitQuery(ALL, creator_uuid=other.user.uuid),
            UnitQuery(ALL, repos=frozenset({other.repo.uuid})),
            UnitQuery(ALL, is_auto_update_from_repo_unit=False),
            UnitQuery(ALL, owning=NodeQuery(ALL, uuids=frozenset({other.input.uuid}))),
        ):
            assert list((await units(of_units)).items) == [other.unit]
        assert (await units(UnitQuery(ALL, repos=none))).count == 0
        inputs = await nodes(
            NodeQuery(ALL, types=frozenset({NodeType.INPUT}), units=frozenset({home.unit.uuid}))
        )
        assert list(inputs.items) == [home.input]
        assert (await nodes(NodeQuery(ALL, units=none))).count == 0


async def test_nodes_and_units_are_found_through_edges(database: Database) -> None:
    home, other = Household(), Household()
    lonely = a_unit(home.repo, home.user)
    async with database.begin() as tx:
        await home.store(tx)
        await other.store(tx)
        await tx.units.put(lonely)
        await tx.nodes.put([a_node(lonely)])
        await tx.edges.put(an_edge(home.output, other.input))
        fed = await tx.nodes.find(NodeQuery(ALL, fed_by=home.output.uuid))
        feeding = NodeQuery(ALL, feeding=other.input.uuid, slice=Slice(5, 1))
        assert list(fed.items) == [other.input]
        assert list((await tx.nodes.find(evolve(feeding, slice=Slice()))).items) == [home.output]
        assert (await tx.nodes.find(feeding)).count == 1
        owners = await tx.units.find(UnitQuery(ALL, owning=feeding))
        assert list(owners.items) == [home.unit]


async def test_edges_are_found_by_unit_and_by_node(database: Database) -> None:
    home, other = Household(), Household()
    async with database.begin() as tx:
        await home.store(tx)
        await other.store(tx)
        across, within = an_edge(home.output, other.input), an_edge(home.output, home.input)
        await tx.edges.put(across)
        await tx.edges.put(within)
        both = sorted([across, within], key=lambda edge: edge.uuid)
        for query, expected in [
            (EdgeQuery(ALL), both),
            (EdgeQuery(ALL, units=frozenset({other.unit.uuid})), [across]),
            (EdgeQuery(ALL, units=frozenset({home.unit.uuid})), both),
            (EdgeQuery(ALL, nodes=frozenset({home.input.uuid})), [within]),
            (EdgeQuery(ALL, nodes=frozenset({home.output.uuid})), both),
            (
                EdgeQuery(
                    ALL,
                    units=frozenset({other.unit.uuid}),
                    nodes=frozenset({home.input.uuid}),
                ),
                [],
            ),
            (EdgeQuery(ALL, nodes=frozenset()), []),
        ]:
            assert list((await tx.edges.find(query)).items) == expected


async def test_no_limit_and_limit_zero_mean_every_row(database: Database) -> None:
    people = [a_user(create_datetime=NOON + timedelta(seconds=n)) for n in range(5)]
    newest = (Order(OrderKey.CREATE_DATETIME, descending=True),)
    async with database.begin() as tx:
        for user in people:
            await tx.users.put(user)
        for cut, expected in [
            (Slice(), people[::-1]),
            (Slice(limit=0), people[::-1]),
            (Slice(0, 0), people[::-1]),
            (Slice(3), people[1::-1]),
            (Slice(1, 2), people[3:1:-1]),
            (Slice(9, 2), []),
            (Slice(9), []),
        ]:
            page = await tx.users.find(UserQuery(order=newest, slice=cut))
            assert (page.count, list(page.items)) == (5, expected)
