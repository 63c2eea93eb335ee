"""Each collection is asked once, whatever the nesting: no N+1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import define, field, frozen

from pepeunit.adapters.memory.database import MemoryDatabase
from tests.doors.graphql.platform import Gql, served
from tests.doubles.rows import a_node, a_registry, a_repo, a_unit, a_user

UNITS = 30

NESTED = """
query($f: UnitFilterInput!) {
  getUnits(filters: $f) { count units { name ...Nodes more: unitNodes { ...Node } } }
}
fragment Nodes on UnitType { unitNodes { ...Node unitUuid } }
fragment Node on UnitNodeType { uuid state type }
"""
PLAIN = "query($f: UnitFilterInput!) { getUnits(filters: $f) { count units { name } } }"


@frozen
class Noting:
    """Anything whose calls are noted by the names that lead to them."""

    inner: Any
    name: str
    seen: list[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return Noting(found, name, self.seen)

        def call(*given: Any, **named: Any) -> Any:
            self.seen.append(f"{self.name}.{name}")
            return found(*given, **named)

        return call


@frozen
class NotingDatabase:
    """Notes every question to a collection while reading; each is a statement or, of a list with
    more pages, one and its count."""

    inner: MemoryDatabase
    seen: list[str]

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        async with self.inner.read() as rows:
            yield Noting(rows, "rows", self.seen)

    def begin(self) -> Any:
        return self.inner.begin()


@define
class Town:
    gql: Gql
    seen: list[str] = field(factory=list)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    database, seen = MemoryDatabase(), []
    async with served(NotingDatabase(database, seen)) as gql:
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
        yield Town(gql, seen)


async def test_units_and_their_nodes_are_asked_for_once_each(town: Town) -> None:
    for limit in (1, UNITS):
        town.seen.clear()
        found = await town.gql.done(NESTED, "alice", f={"limit": limit})
        assert len(found["units"]) == limit
        assert all(unit["unitNodes"] for unit in found["units"])
        assert town.seen == ["users.recall", "units.find", "nodes.find"]


async def test_units_without_their_nodes_are_asked_for_alone(town: Town) -> None:
    town.seen.clear()
    await town.gql.done(PLAIN, "alice", f={"limit": UNITS})
    assert town.seen == ["users.recall", "units.find"]


async def test_a_token_is_looked_up_once_for_a_request(town: Town) -> None:
    text = "{ " + " ".join(f"a{i}: getUnits(filters: {{limit: 1}}) {{ count }}" for i in range(4))
    town.seen.clear()
    await town.gql.done(text + " }", "alice")
    assert town.seen == ["users.recall", *["units.find"] * 4]


async def test_introspection_asks_no_store(town: Town) -> None:
    town.seen.clear()
    await town.gql.done("{ __schema { types { name } } }", "alice")
    assert town.seen == []
