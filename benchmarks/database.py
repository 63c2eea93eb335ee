"""How fast PostgreSQL answers the lists and stores states: ``python -m benchmarks.database [URL]``.

Without a URL it starts the embedded server in a temporary folder. With one it
writes into that database, which must be empty.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from sqlalchemy import insert, text

from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.postgres import nodes, units
from pepeunit.adapters.postgres.connections import connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.migrations import migrate
from pepeunit.adapters.postgres.tables import nodes as nodes_table
from pepeunit.adapters.postgres.tables import units as units_table
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import NodeId, PermissionId, RegistryId, RepoId, UnitId, UserId
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.registry import GitPlatform, Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.state import UnitState
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.nodes import NodeQuery
from pepeunit.ports.paging import Order, OrderKey, Slice
from pepeunit.ports.units import UnitQuery

UNITS = 10_000
NODES_PER_UNIT = 5
STATES = 10_000
ROUNDS = 30
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEWEST = (
    Order(OrderKey.CREATE_DATETIME, descending=True),
    Order(OrderKey.LAST_UPDATE_DATETIME, descending=True),
    Order(OrderKey.NAME, descending=False),
)


async def build(database: PostgresDatabase) -> tuple[UserId, UnitId, list[NodeId]]:
    """Fill the store; a user, a unit and the nodes of all units."""
    dice = Random(1)
    user = User(
        UserId(uuid4()), "bench", UserRole.USER, UserStatus.VERIFIED, "hash", NOW, "organisation"
    )
    registry = Registry(
        RegistryId(uuid4()), GitPlatform.GITLAB, "https://x/y.git", True, NOW, NOW, user.uuid
    )
    other = User(
        UserId(uuid4()), "other", UserRole.USER, UserStatus.VERIFIED, "hash", NOW, "organisation"
    )
    repo = Repo(
        RepoId(uuid4()), "repo", Visibility.PUBLIC, registry.uuid, user.uuid, NOW, NOW, "main"
    )
    state = UnitState(("10.0.0.1",) * 4, 1.0, 2.0, 3.0, 4.0, (1,) * 10, "a" * 40)
    devices = [
        Unit(
            UnitId(uuid4()),
            f"unit-{number:06}",
            dice.choice(list(Visibility)),
            repo.uuid,
            other.uuid,
            NOW + timedelta(seconds=number),
            NOW,
            unit_state=state,
        )
        for number in range(UNITS)
    ]
    ends = [
        Node(
            NodeId(uuid4()),
            NodeType.INPUT if number % 2 else NodeType.OUTPUT,
            f"topic_{number}/pepeunit",
            unit.uuid,
            other.uuid,
            unit.visibility_level,
            unit.create_datetime,
            NOW,
            state="21.5",
        )
        for unit in devices
        for number in range(NODES_PER_UNIT)
    ]
    allowed = [
        Permission(
            PermissionId(uuid4()),
            user.uuid,
            PermissionEntity.USER,
            unit.uuid,
            PermissionEntity.UNIT,
        )
        for unit in devices[::10]
    ]
    async with database.begin() as tx:
        for person in (user, other):
            await tx.users.put(person)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        await tx.permissions.put(allowed)
    async with database.engine.begin() as connection:
        await connection.execute(insert(units_table), [units.to_row(unit) for unit in devices])
        await connection.execute(insert(nodes_table), [nodes.to_row(node) for node in ends])
    async with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as plain:
        await plain.execute(text("VACUUM ANALYZE"))
    return user.uuid, devices[5].uuid, [node.uuid for node in ends]


async def timed(name: str, action: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> None:
    for _ in range(6):
        await action()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        await action()
        times.append((time.perf_counter() - start) * 1000)
    best, median, worst = min(times), statistics.median(times), max(times)
    print(f"| {name} | {best:.2f} | {median:.2f} | {worst:.2f} |")


async def measure(url: str) -> None:
    await migrate(url)
    engine = connect(url)
    database = PostgresDatabase(engine)
    user, unit, all_nodes = await build(database)
    person, anyone = Scope.of(Agent.user(user)), Scope.of(ANONYMOUS)
    ten, deep = Slice(0, 10), Slice(5000, 10)

    async def find_units(query: UnitQuery) -> object:
        async with database.read() as rows:
            return await rows.units.find(query)

    async def find_nodes(query: NodeQuery) -> object:
        async with database.read() as rows:
            return await rows.nodes.find(query)

    async def get_unit() -> object:
        async with database.read() as rows:
            return await rows.units.get(unit)

    async def of_unit() -> object:
        async with database.read() as rows:
            return await rows.nodes.of_unit(unit)

    async def presence() -> None:
        async with database.begin() as tx:
            await tx.units.mark_presence(unit, is_online=True, at=NOW)

    moment = NOW

    async def store_states() -> None:
        nonlocal moment
        moment += timedelta(seconds=1)
        batch: list[tuple[NodeId, str, datetime]] = [
            (uuid, "22.5", moment) for uuid in all_nodes[:STATES]
        ]
        async with database.begin() as tx:
            assert await tx.nodes.store_states(batch, moment) == STATES

    print(f"\n{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"{UNITS} units, {len(all_nodes)} nodes\n")
    print("| what | best ms | median ms | worst ms |\n|---|---|---|---|")
    await timed("get one unit", get_unit)
    await timed("nodes of a unit", of_unit)
    await timed("mark presence, committed", presence)
    for name, scope in (("a user", person), ("anyone", anyone)):
        base = UnitQuery(scope, order=NEWEST, slice=ten)
        await timed(f"10 units as {name}", partial(find_units, base))
    searched = UnitQuery(person, search="unit 0042", order=NEWEST, slice=ten)
    await timed("10 units, search of two words", lambda: find_units(searched))
    await timed(
        "10 units from row 5000", lambda: find_units(UnitQuery(person, order=NEWEST, slice=deep))
    )
    owning = UnitQuery(
        person,
        order=NEWEST,
        slice=ten,
        owning=NodeQuery(person, types=frozenset({NodeType.OUTPUT})),
    )
    await timed("10 units that own a visible output", lambda: find_units(owning))
    await timed(
        "10 nodes as a user", lambda: find_nodes(NodeQuery(person, order=NEWEST[:1], slice=ten))
    )
    await timed(
        "10 nodes, search",
        lambda: find_nodes(NodeQuery(person, search="topic_3", order=NEWEST[:1], slice=ten)),
    )
    mine: frozenset[UUID] = frozenset({unit})
    await timed("nodes of one unit, by list", lambda: find_nodes(NodeQuery(person, units=mine)))
    await timed("every unit a user sees", lambda: find_units(UnitQuery(person)), 5)
    await timed("every node a user sees", lambda: find_nodes(NodeQuery(person)), 3)
    await timed(f"store {STATES} states, committed", store_states, 8)
    await engine.dispose()


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(measure(sys.argv[1]))
        return
    asyncio.run(_on_a_server_of_its_own())


async def _on_a_server_of_its_own() -> None:
    with TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder, "cluster"), "a password", Path(folder, "log"))
        await server.start()
        try:
            await measure(server.url)
        finally:
            await server.stop()


if __name__ == "__main__":
    main()
