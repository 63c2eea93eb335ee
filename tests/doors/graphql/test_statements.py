"""One statement for each collection, whatever the nesting: no N+1."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import define, field
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.database import PostgresDatabase
from tests.contracts.conftest import engine, postgres_url  # noqa: F401 fixtures
from tests.doors.graphql.platform import Gql, served
from tests.doubles.rows import a_node, a_registry, a_repo, a_unit, a_user

UNITS = 30
READ = re.compile(r"^\s*(?:WITH|SELECT)\b", re.IGNORECASE)

NESTED = """
query($f: UnitFilterInput!) {
  getUnits(filters: $f) { count units { name ...Nodes more: unitNodes { ...Node } } }
}
fragment Nodes on UnitType { unitNodes { ...Node unitUuid } }
fragment Node on UnitNodeType { uuid state type }
"""
PLAIN = "query($f: UnitFilterInput!) { getUnits(filters: $f) { count units { name } } }"
METRICS = "{ getBaseMetrics { unitCount } }"


@define
class Town:
    gql: Gql
    engine: AsyncEngine
    seen: list[str] = field(factory=list)

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The reading statements sent meanwhile."""

        def note(*given: Any) -> None:
            if READ.match(given[2]):
                self.seen.append(given[2])

        self.seen.clear()
        event.listen(self.engine.sync_engine, "before_cursor_execute", note)
        try:
            yield self.seen
        finally:
            event.remove(self.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def town(engine: AsyncEngine) -> AsyncIterator[Town]:  # noqa: F811
    database = PostgresDatabase(engine)
    async with served(database) as gql:
        await gql.sign_up("alice")
        async with database.begin() as tx:
            creator = a_user()
            registry = a_registry(creator)
            repo = a_repo(registry, creator)
            units = [a_unit(repo, creator) for _ in range(UNITS)]
            await tx.users.put(creator)
            await tx.registries.put(registry)
            await tx.repos.put(repo)
            for unit in units:
                await tx.units.put(unit)
            await tx.nodes.put([a_node(unit) for unit in units for _ in range(3)])
        yield Town(gql, engine)


async def test_units_with_their_nodes_are_one_statement_each(town: Town) -> None:
    for limit in (1, UNITS):
        with town.counted() as seen:
            found = await town.gql.done(NESTED, "alice", f={"limit": limit})
        assert len(found["units"]) == limit
        assert all(unit["unitNodes"] for unit in found["units"])
        # the caller's account, the units, their nodes
        assert len(seen) == 3, seen


async def test_units_without_their_nodes_are_one_statement(town: Town) -> None:
    with town.counted() as seen:
        await town.gql.done(PLAIN, "alice", f={"limit": UNITS})
    assert len(seen) == 2, seen


async def test_a_token_is_looked_up_once_for_a_request(town: Town) -> None:
    text = "{ " + " ".join(f"a{i}: getUnits(filters: {{limit: 1}}) {{ count }}" for i in range(4))
    with town.counted() as seen:
        await town.gql.done(text + " }", "alice")
    assert len(seen) == 5, seen


async def test_introspection_asks_no_store(town: Town) -> None:
    with town.counted() as seen:
        await town.gql.done("{ __schema { types { name } } }", "alice")
    assert seen == []
