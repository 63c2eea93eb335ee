"""Transactions over the relational collections."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from attrs import frozen

from pepeunit.ports.api_tokens import ApiTokens
from pepeunit.ports.audit import Audit
from pepeunit.ports.invites import Invites
from pepeunit.ports.nodes import Edges, Nodes
from pepeunit.ports.outbox import Outbox
from pepeunit.ports.permissions import Permissions
from pepeunit.ports.pipes import Pipes
from pepeunit.ports.registries import Registries
from pepeunit.ports.repos import Repos
from pepeunit.ports.rollouts import Rollouts
from pepeunit.ports.units import Units
from pepeunit.ports.users import Users


@frozen
class Census:
    """How many of each there are (spec rest.md 8.7)."""

    user_count: int
    repository_registry_count: int
    repo_count: int
    unit_count: int
    unit_node_count: int
    unit_node_edge_count: int


class Collections(Protocol):
    """What can be read."""

    @property
    def users(self) -> Users: ...
    @property
    def registries(self) -> Registries: ...
    @property
    def repos(self) -> Repos: ...
    @property
    def units(self) -> Units: ...
    @property
    def nodes(self) -> Nodes: ...
    @property
    def edges(self) -> Edges: ...
    @property
    def pipes(self) -> Pipes: ...
    @property
    def permissions(self) -> Permissions: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def rollouts(self) -> Rollouts: ...
    @property
    def invites(self) -> Invites: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def api_tokens(self) -> ApiTokens: ...

    async def census(self) -> Census: ...


class Transaction(Collections, Protocol):
    """Everything or nothing: commits on clean exit, rolls back on an exception.

    ``for_update=True`` on a ``get`` locks the row until the transaction ends. A ``put`` raises
    ``Conflict`` (topic entity) when a row it points at is gone, and ``Invalid`` for text that no
    store holds (NUL, half a surrogate pair). After a ``Conflict`` nothing but a roll back may
    follow: a clean exit then raises ``RuntimeError``.
    """

    async def lock(self, name: str) -> None:
        """Wait for a named lock, held until the transaction ends."""
        ...


class Database(Protocol):
    """Raises ``Unavailable("PostgreSQL", ...)`` when the store is down: ``begin`` at once,
    ``read`` at its first statement."""

    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    def read(self) -> AbstractAsyncContextManager[Collections]:
        """Statements outside a transaction, each on its own snapshot.

        Writing, locking and claiming here are bugs and raise ``RuntimeError``.
        """
        ...
