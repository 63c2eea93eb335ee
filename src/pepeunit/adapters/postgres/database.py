"""Transactions over collections in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from attrs import field, frozen
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres import tables
from pepeunit.adapters.postgres.api_tokens import PostgresApiTokens
from pepeunit.adapters.postgres.audit import PostgresAudit
from pepeunit.adapters.postgres.connections import advisory_key, reading, writing
from pepeunit.adapters.postgres.invites import PostgresInvites
from pepeunit.adapters.postgres.nodes import PostgresEdges, PostgresNodes
from pepeunit.adapters.postgres.outbox import PostgresOutbox
from pepeunit.adapters.postgres.permissions import PostgresPermissions
from pepeunit.adapters.postgres.pipes import PostgresPipes
from pepeunit.adapters.postgres.prepared import Prepared
from pepeunit.adapters.postgres.recent import Recent
from pepeunit.adapters.postgres.registries import PostgresRegistries
from pepeunit.adapters.postgres.repos import PostgresRepos
from pepeunit.adapters.postgres.rollouts import PostgresRollouts
from pepeunit.adapters.postgres.statements import Statements
from pepeunit.adapters.postgres.units import PostgresUnits
from pepeunit.adapters.postgres.users import PostgresUsers
from pepeunit.ports.database import Census, Collections, Transaction

_LOCK: Final = select(func.pg_advisory_xact_lock(bindparam("key")))
_COUNTED: Final = {
    "user_count": tables.users,
    "repository_registry_count": tables.registries,
    "repo_count": tables.repos,
    "unit_count": tables.units,
    "unit_node_count": tables.nodes,
    "unit_node_edge_count": tables.edges,
}
_CENSUS: Final = Prepared.of(
    select(
        *(
            select(func.count()).select_from(table).scalar_subquery().label(name)
            for name, table in _COUNTED.items()
        )
    )
)


@frozen
class _Transaction:
    statements: Statements
    users: PostgresUsers
    registries: PostgresRegistries
    repos: PostgresRepos
    units: PostgresUnits
    nodes: PostgresNodes
    edges: PostgresEdges
    pipes: PostgresPipes
    permissions: PostgresPermissions
    outbox: PostgresOutbox
    rollouts: PostgresRollouts
    invites: PostgresInvites
    audit: PostgresAudit
    api_tokens: PostgresApiTokens

    @classmethod
    def over(cls, statements: Statements) -> _Transaction:
        return cls(
            statements,
            PostgresUsers(statements),
            PostgresRegistries(statements),
            PostgresRepos(statements),
            PostgresUnits(statements),
            PostgresNodes(statements),
            PostgresEdges(statements),
            PostgresPipes(statements),
            PostgresPermissions(statements),
            PostgresOutbox(statements),
            PostgresRollouts(statements),
            PostgresInvites(statements),
            PostgresAudit(statements),
            PostgresApiTokens(statements),
        )

    async def census(self) -> Census:
        (row,) = await self.statements.rows(_CENSUS, {})
        return Census(**row._asdict())

    async def lock(self, name: str) -> None:
        await self.statements.write(_LOCK, {"key": advisory_key("lock", name)})


@frozen
class PostgresDatabase:
    """Implements :class:`~pepeunit.ports.database.Database` on an engine of :func:`connect`."""

    engine: AsyncEngine
    _recent: Recent = field(init=False, factory=Recent, eq=False, repr=False)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with writing(self.engine, self._recent) as statements:
            yield _Transaction.over(statements)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Collections]:
        async with reading(self.engine, self._recent) as statements:
            yield _Transaction.over(statements)
