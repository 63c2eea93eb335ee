"""What is taken over from an installation of the reference platform (spec access.md 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from pepeunit.domain.access.permission import Permission
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import User


@frozen
class ReferenceUser:
    """``user.password_hash`` is empty: it is made of the hash and the salt, which is sealed."""

    user: User
    hashed_password: str = field(repr=False)
    sealed_salt: str = field(repr=False)


@frozen
class ReferenceRegistry:
    """``sealed_credentials``: user uuid -> ``{credentials: {username, pat_token}, status}``."""

    registry: Registry
    sealed_credentials: str | None = field(repr=False)


@frozen
class ReferenceUnit:
    """``sealed_env`` is None for a unit whose env was never saved."""

    unit: Unit
    sealed_env: str | None = field(repr=False)
    sealed_state_storage: str | None = field(repr=False)


@frozen
class Skipped:
    """A row that is not taken over, and why."""

    kind: str
    name: str
    reason: str


@frozen
class ReferenceRows:
    """Everything at one moment; ``unreadable`` are rows that hold what no rule allows."""

    users: Sequence[ReferenceUser]
    registries: Sequence[ReferenceRegistry]
    repos: Sequence[Repo]
    units: Sequence[ReferenceUnit]
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    permissions: Sequence[Permission]
    unreadable: Sequence[Skipped]


class ReferenceInstallation(Protocol):
    async def read(self) -> ReferenceRows:
        """Raises ``Unavailable`` when the database cannot be reached or is another's."""
        ...
