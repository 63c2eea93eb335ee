"""Transactions over collections in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field, frozen

from pepeunit.adapters.memory.api_tokens import MemoryApiTokens
from pepeunit.adapters.memory.audit import MemoryAudit
from pepeunit.adapters.memory.invites import MemoryInvites
from pepeunit.adapters.memory.nodes import MemoryEdges, MemoryNodes
from pepeunit.adapters.memory.outbox import MemoryOutbox
from pepeunit.adapters.memory.permissions import MemoryPermissions
from pepeunit.adapters.memory.pipes import MemoryPipes
from pepeunit.adapters.memory.registries import MemoryRegistries
from pepeunit.adapters.memory.repos import MemoryRepos
from pepeunit.adapters.memory.rollouts import MemoryRollouts
from pepeunit.adapters.memory.units import MemoryUnits
from pepeunit.adapters.memory.users import MemoryUsers
from pepeunit.adapters.memory.world import View, World
from pepeunit.ports.database import Census, Collections, Transaction


@frozen
class _Transaction:
    view: View
    users: MemoryUsers
    registries: MemoryRegistries
    repos: MemoryRepos
    units: MemoryUnits
    nodes: MemoryNodes
    edges: MemoryEdges
    pipes: MemoryPipes
    permissions: MemoryPermissions
    outbox: MemoryOutbox
    rollouts: MemoryRollouts
    invites: MemoryInvites
    audit: MemoryAudit
    api_tokens: MemoryApiTokens

    @classmethod
    def over(cls, view: View) -> _Transaction:
        return cls(
            view,
            MemoryUsers(view),
            MemoryRegistries(view),
            MemoryRepos(view),
            MemoryUnits(view),
            MemoryNodes(view),
            MemoryEdges(view),
            MemoryPipes(view),
            MemoryPermissions(view),
            MemoryOutbox(view),
            MemoryRollouts(view),
            MemoryInvites(view),
            MemoryAudit(view),
            MemoryApiTokens(view),
        )

    async def census(self) -> Census:
        world = self.view.world
        return Census(
            user_count=len(world.users),
            repository_registry_count=len(world.registries),
            repo_count=len(world.repos),
            unit_count=len(world.units),
            unit_node_count=len(world.nodes),
            unit_node_edge_count=len(world.edges),
        )

    async def lock(self, name: str) -> None:
        """Transactions run one after the other already."""
        self.view.for_writing()


@define(eq=False)
class MemoryDatabase:
    """Implements :class:`~pepeunit.ports.database.Database`; nothing survives the process.

    Transactions run one after the other, each on a copy that becomes the world at commit. One
    task may not open a transaction inside its own: that would wait for itself for ever.
    """

    _world: World = field(factory=World, init=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _owner: asyncio.Task[object] | None = field(default=None, init=False)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        task = asyncio.current_task()
        if self._owner is task:
            raise RuntimeError("a transaction inside a transaction of the same task")
        async with self._turn:
            self._owner = task
            world = self._world.copy()
            view = View(lambda: world, is_writable=True)
            try:
                yield _Transaction.over(view)
                if view.is_broken:
                    raise RuntimeError("a conflict was swallowed: the transaction is rolled back")
                self._world = world
            finally:
                view.is_closed = True
                self._owner = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Collections]:
        view = View(lambda: self._world, is_writable=False)
        try:
            yield _Transaction.over(view)
        finally:
            view.is_closed = True
