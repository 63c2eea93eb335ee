"""Rows to store: every maker fills in what a test does not care about."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

from attrs import define, field

from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.ids import (
    CommandId,
    EdgeId,
    NodeId,
    PermissionId,
    RegistryId,
    RepoId,
    UnitId,
    UserId,
)
from pepeunit.domain.messaging.command import CommandKind, PendingCommand
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.registry import GitPlatform, Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import User, UserRole, UserStatus
from pepeunit.ports.database import Database, Transaction

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def a_user(**given: Any) -> User:
    uuid = uuid4()
    return User(
        **{
            "uuid": UserId(uuid),
            "login": f"user-{uuid.hex[:12]}",
            "role": UserRole.USER,
            "status": UserStatus.VERIFIED,
            "password_hash": "hash",
            "create_datetime": NOON,
            "grafana_org_name": "org",
            **given,
        }
    )


def a_registry(creator: User, **given: Any) -> Registry:
    uuid = uuid4()
    return Registry(
        **{
            "uuid": RegistryId(uuid),
            "platform": GitPlatform.GITLAB,
            "repository_url": f"https://git.example/{uuid}.git",
            "is_public_repository": True,
            "create_datetime": NOON,
            "last_update_datetime": NOON,
            "creator_uuid": creator.uuid,
            **given,
        }
    )


def a_repo(registry: Registry, creator: User, **given: Any) -> Repo:
    uuid = uuid4()
    return Repo(
        **{
            "uuid": RepoId(uuid),
            "name": f"repo-{uuid.hex[:12]}",
            "visibility_level": Visibility.PUBLIC,
            "repository_registry_uuid": registry.uuid,
            "creator_uuid": creator.uuid,
            "create_datetime": NOON,
            "last_update_datetime": NOON,
            "default_branch": "main",
            **given,
        }
    )


def a_unit(repo: Repo, creator: User, **given: Any) -> Unit:
    uuid = uuid4()
    return Unit(
        **{
            "uuid": UnitId(uuid),
            "name": f"unit-{uuid.hex[:12]}",
            "visibility_level": Visibility.PUBLIC,
            "repo_uuid": repo.uuid,
            "creator_uuid": creator.uuid,
            "create_datetime": NOON,
            "last_update_datetime": NOON,
            **given,
        }
    )


def a_node(unit: Unit, **given: Any) -> Node:
    uuid = uuid4()
    return Node(
        **{
            "uuid": NodeId(uuid),
            "type": NodeType.OUTPUT,
            "topic_name": f"topic/{uuid.hex[:12]}",
            "unit_uuid": unit.uuid,
            "creator_uuid": unit.creator_uuid,
            "visibility_level": Visibility.PUBLIC,
            "create_datetime": NOON,
            "last_update_datetime": NOON,
            **given,
        }
    )


def an_edge(output: Node, input_: Node) -> Edge:
    return Edge(EdgeId(uuid4()), output.uuid, input_.uuid, output.creator_uuid)


def a_permission(agent: UUID, resource: UUID) -> Permission:
    kinds = PermissionEntity.USER, PermissionEntity.UNIT
    return Permission(PermissionId(uuid4()), agent, kinds[0], resource, kinds[1])


def a_command(unit: Unit, **given: Any) -> PendingCommand:
    return PendingCommand(
        **{
            "uuid": CommandId(uuid4()),
            "unit_uuid": unit.uuid,
            "kind": CommandKind.UPDATE,
            "payload": "{}",
            "create_datetime": NOON,
            **given,
        }
    )


@define
class Household:
    """One of each, stored: a user, a registry, a repo, a unit, its output and its input."""

    user: User = field(factory=a_user)
    registry: Registry = field(init=False)
    repo: Repo = field(init=False)
    unit: Unit = field(init=False)
    output: Node = field(init=False)
    input: Node = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.registry = a_registry(self.user)
        self.repo = a_repo(self.registry, self.user)
        self.unit = a_unit(self.repo, self.user)
        self.output = a_node(self.unit)
        self.input = a_node(self.unit, type=NodeType.INPUT)

    async def store(self, tx: Transaction) -> None:
        await tx.users.put(self.user)
        await tx.registries.put(self.registry)
        await tx.repos.put(self.repo)
        await tx.units.put(self.unit)
        await tx.nodes.put([self.output, self.input])


async def stored(database: Database) -> Household:
    home = Household()
    async with database.begin() as tx:
        await home.store(tx)
    return home


async def node_of(database: Database, login: str, **given: Any) -> Node:
    """A node of that person's, in a unit of a repo of a registry of theirs."""
    async with database.begin() as tx:
        creator = await tx.users.by_login(login)
        assert creator is not None
        registry = a_registry(creator)
        repo = a_repo(registry, creator)
        unit = a_unit(repo, creator)
        node = a_node(unit, **given)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
        await tx.units.put(unit)
        await tx.nodes.put([node])
    return node


@define
class Town:
    """Many random rows and who may see them."""

    users: list[User]
    registries: list[Registry]
    repos: list[Repo]
    units: list[Unit]
    nodes: list[Node]
    edges: list[Edge]
    permissions: list[Permission]

    @classmethod
    def random(cls, seed: int) -> Town:
        dice = Random(seed)
        level = lambda: dice.choice(list(Visibility))  # noqa: E731
        name = lambda: "".join(dice.choices("aAbB%_\\", k=3)) + uuid4().hex[:8]  # noqa: E731
        moment = lambda: NOON.replace(second=dice.randrange(3))  # noqa: E731
        times = lambda: {"create_datetime": moment(), "last_update_datetime": moment()}  # noqa: E731
        users = [a_user() for _ in range(3)]
        registries = [a_registry(dice.choice(users), **times()) for _ in range(2)]
        repos = [
            a_repo(
                dice.choice(registries),
                dice.choice(users),
                name=name(),
                visibility_level=level(),
                is_auto_update_repo=dice.random() < 0.5,
                default_branch=dice.choice([None, "main", "a_b"]),
                **times(),
            )
            for _ in range(dice.randrange(1, 6))
        ]
        units = [
            a_unit(
                dice.choice(repos),
                dice.choice(users),
                name=name(),
                visibility_level=level(),
                is_auto_update_from_repo_unit=dice.random() < 0.5,
                **times(),
            )
            for _ in range(dice.randrange(1, 8))
        ]
        nodes = [
            a_node(
                dice.choice(units),
                topic_name=name(),
                type=dice.choice(list(NodeType)),
                visibility_level=level(),
                **times(),
            )
            for _ in range(dice.randrange(12))
        ]
        outputs = [node for node in nodes if node.type is NodeType.OUTPUT]
        inputs = [node for node in nodes if node.type is NodeType.INPUT]
        edges = [an_edge(o, i) for o in outputs for i in inputs if dice.random() < 0.3]
        agents: list[UUID] = [row.uuid for row in (*users, *units)]
        resources: list[UUID] = [row.uuid for row in (*repos, *units, *nodes)]
        permissions = [a_permission(a, r) for a in agents for r in resources if dice.random() < 0.2]
        return cls(users, registries, repos, units, nodes, edges, permissions)

    async def store(self, tx: Transaction) -> None:
        for user in self.users:
            await tx.users.put(user)
        for registry in self.registries:
            await tx.registries.put(registry)
        for repo in self.repos:
            await tx.repos.put(repo)
        for unit in self.units:
            await tx.units.put(unit)
        await tx.nodes.put(self.nodes)
        for edge in self.edges:
            await tx.edges.put(edge)
        await tx.permissions.put(self.permissions)
