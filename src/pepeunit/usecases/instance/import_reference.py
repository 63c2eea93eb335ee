"""Take over an installation of the reference platform (issue 3 part 6; access.md 2.1, 8, W34).

Uuids, logins and password hashes stay, so that tokens, topics and logins go on working. What was
sealed is opened with the reference's key and sealed anew, bound to its entity. A row that is
there already is left alone: running it again adds what is new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from attrs import define, evolve, field, frozen

from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.errors import Refused
from pepeunit.domain.ids import NodeId, UnitId, UserId
from pepeunit.domain.nodes.node import Node, NodeType
from pepeunit.domain.registries.credentials import CredentialStatus, GitCredentials
from pepeunit.domain.registries.registry import Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.env import (
    DeviceSecrets,
    StoredEnv,
    generated_env,
    imported_overrides,
)
from pepeunit.ports.cipher import Cipher
from pepeunit.ports.database import Database, Transaction
from pepeunit.ports.identifiers import NewSecret
from pepeunit.ports.nodes import NodeQuery
from pepeunit.ports.reference import (
    ReferenceRegistry,
    ReferenceRows,
    ReferenceUnit,
    ReferenceUser,
)
from pepeunit.ports.registries import RegistryQuery
from pepeunit.ports.repos import RepoQuery
from pepeunit.ports.units import SealedKind, UnitQuery
from pepeunit.ports.users import UserQuery
from pepeunit.usecases.instance.import_report import Report
from pepeunit.usecases.registries.keyring import Keyring
from pepeunit.usecases.units.env import EnvVault

THERE: Final = "is there already"
EVERYTHING: Final = Scope(everything=True)
NODES_AT_ONCE: Final = 1_000
STATUSES: Final = {status.value.casefold(): status for status in CredentialStatus}


class _Rehearsed(Exception):
    """Rolls a dry run back."""


@frozen
class ImportReference:
    """``reference_cipher`` opens what the reference sealed; vault and keyring seal it for us."""

    database: Database
    vault: EnvVault
    keyring: Keyring
    reference_cipher: Cipher
    new_secret: NewSecret

    async def __call__(self, rows: ReferenceRows, *, is_dry_run: bool = False) -> Report:
        """All in one transaction; a dry run does the same and keeps nothing."""
        report = Report(skipped=list(rows.unreadable))
        try:
            async with self.database.begin() as tx:
                await _Import(self, tx, report).run(rows)
                if is_dry_run:
                    raise _Rehearsed
        except _Rehearsed:
            pass
        return report


@define
class _Import:
    """One run; the sets know what is there, from before and from this run."""

    rules: ImportReference
    tx: Transaction
    report: Report
    users: set[UUID] = field(factory=set)
    registries: set[UUID] = field(factory=set)
    repos: set[UUID] = field(factory=set)
    units: set[UUID] = field(factory=set)
    nodes: dict[UUID, UUID] = field(factory=dict)
    """A node's unit."""
    taken: dict[str, UUID] = field(factory=dict)
    """Who has a login, address or name; the kind is part of the key."""
    topics: set[tuple[UnitId, NodeType, str]] = field(factory=set)
    edges: set[tuple[UUID, UUID]] = field(factory=set)

    async def run(self, rows: ReferenceRows) -> None:
        await self._look_around()
        for user in rows.users:
            await self._user(user)
        for registry in rows.registries:
            await self._registry(registry)
        for repo in rows.repos:
            await self._repo(repo)
        for unit in rows.units:
            await self._unit(unit)
        await self._nodes(rows)
        await self._edges(rows)
        await self._permissions(rows)

    async def _look_around(self) -> None:
        tx = self.tx
        for user in (await tx.users.find(UserQuery())).items:
            self.users.add(user.uuid)
            self.taken[f"user {user.login.lower()}"] = user.uuid
        for registry in (await tx.registries.find(RegistryQuery())).items:
            self.registries.add(registry.uuid)
            self.taken[f"registry {registry.repository_url}"] = registry.uuid
        for repo in (await tx.repos.find(RepoQuery(EVERYTHING))).items:
            self.repos.add(repo.uuid)
            self.taken[f"repo {repo.name}"] = repo.uuid
        for unit in (await tx.units.find(UnitQuery(EVERYTHING))).items:
            self.units.add(unit.uuid)
            self.taken[f"unit {unit.name}"] = unit.uuid
        for node in (await tx.nodes.find(NodeQuery(EVERYTHING))).items:
            self.nodes[node.uuid] = node.unit_uuid
            self.topics.add((node.unit_uuid, node.type, node.topic_name))

    def _is_new(
        self, kind: str, uuid: UUID, known: set[UUID], name: str, key: str, *parents: bool
    ) -> bool:
        """Whether the row can go in; the report says why not."""
        holder = self.taken.get(f"{kind} {key}")
        if uuid in known:
            self.report.skip(kind, name, THERE)
        elif holder is not None:
            self.report.skip(kind, name, f"its name is taken by {holder}")
        elif not all(parents):
            self.report.skip(kind, name, "what it belongs to was not imported")
        else:
            known.add(uuid)
            self.taken[f"{kind} {key}"] = uuid
            self.report.imported[kind] += 1
            return True
        return False

    def _open(self, kind: str, name: str, sealed: str | None, entity: UUID) -> str | None:
        if not sealed:
            return None
        try:
            return self.rules.reference_cipher.open(sealed, entity)
        except Refused as refusal:
            self.report.skip(kind, name, f"cannot be decrypted: {refusal.message}")
            return None

    async def _user(self, row: ReferenceUser) -> None:
        user = row.user
        salt = self._open("password", user.login, row.sealed_salt, user.uuid)
        if self._is_new("user", user.uuid, self.users, user.login, user.login.lower()):
            # without its salt nothing fits the hash: the password must be reset
            stored = f"pbkdf2:{salt or ''}:{row.hashed_password if salt else ''}"
            await self.tx.users.put(evolve(user, password_hash=stored))

    async def _registry(self, row: ReferenceRegistry) -> None:
        registry = row.registry
        url = registry.repository_url
        if registry.creator_uuid not in self.users:
            registry = evolve(registry, creator_uuid=None)
        if not self._is_new("registry", registry.uuid, self.registries, url, url):
            return
        await self.tx.registries.put(evolve(registry, sync_progress=None))
        opened = self._open("credentials", url, row.sealed_credentials, registry.uuid)
        if opened is not None:
            await self._credentials(registry, opened)

    async def _credentials(self, registry: Registry, opened: str) -> None:
        """One blob of all people becomes a row for each (W34)."""
        try:
            slots: dict[str, Any] = json.loads(opened)
            found = [
                (UUID(user), slot["credentials"], slot["status"]) for user, slot in slots.items()
            ]
        except (ValueError, TypeError, KeyError, AttributeError):
            self.report.skip("credentials", registry.repository_url, "are malformed")
            return
        for user, pair, status in found:
            if user not in self.users:
                self.report.skip("credentials", registry.repository_url, f"user {user} is unknown")
                continue
            given = GitCredentials(pair["username"], pair["pat_token"])
            proven = STATUSES.get(str(status).casefold(), CredentialStatus.NOT_VERIFIED)
            slot = self.rules.keyring.seal(registry.uuid, UserId(user), given, proven)
            await self.tx.registries.put_credentials(slot)
            self.report.imported["credentials"] += 1

    async def _repo(self, repo: Repo) -> None:
        parents = (
            repo.creator_uuid in self.users,
            repo.repository_registry_uuid in self.registries,
        )
        if self._is_new("repo", repo.uuid, self.repos, repo.name, repo.name, *parents):
            await self.tx.repos.put(repo)

    async def _unit(self, row: ReferenceUnit) -> None:
        unit = row.unit
        parents = (unit.creator_uuid in self.users, unit.repo_uuid in self.repos)
        if not self._is_new("unit", unit.uuid, self.units, unit.name, unit.name, *parents):
            return
        await self.tx.units.put(unit)
        opened = self._open("env", unit.name, row.sealed_env, unit.uuid)
        await self.rules.vault.put(self.tx, unit.uuid, self._env(unit.name, opened))
        storage = self._open("state storage", unit.name, row.sealed_state_storage, unit.uuid)
        if storage:
            sealed = self.rules.vault.cipher.seal(storage, unit.uuid)
            await self.tx.units.put_sealed(unit.uuid, SealedKind.STATE_STORAGE, sealed)

    def _env(self, name: str, opened: str | None) -> StoredEnv:
        """The device's keys and the person's own values; keys are new where none were saved."""
        document: Mapping[str, Any] = {}
        if opened is not None:
            try:
                document = dict(json.loads(opened))
            except (ValueError, TypeError):
                self.report.skip("env", name, "is no JSON object")
        secrets = DeviceSecrets(
            str(document.get("PU_SECRET_KEY") or self.rules.new_secret()),
            str(document.get("PU_ENCRYPT_KEY") or self.rules.new_secret()),
        )
        ours = generated_env(self.rules.vault.facts, "", secrets)
        return StoredEnv(secrets, imported_overrides(ours, document))

    async def _nodes(self, rows: ReferenceRows) -> None:
        chosen: list[Node] = []
        for node in rows.nodes:
            topic = (node.unit_uuid, node.type, node.topic_name)
            if node.uuid in self.nodes:
                self.report.skip("node", node.uuid, THERE)
            elif node.unit_uuid not in self.units or node.creator_uuid not in self.users:
                self.report.skip("node", node.uuid, "what it belongs to was not imported")
            elif topic in self.topics:
                self.report.skip("node", node.uuid, "its unit has such a node already")
            else:
                self.topics.add(topic)
                chosen.append(node)
                self.nodes[node.uuid] = node.unit_uuid
        for start in range(0, len(chosen), NODES_AT_ONCE):
            await self.tx.nodes.put(chosen[start : start + NODES_AT_ONCE])
        self.report.imported["node"] += len(chosen)

    async def _edges(self, rows: ReferenceRows) -> None:
        known = await self.tx.edges.touching([NodeId(uuid) for uuid in self.nodes])
        self.edges = {(edge.node_output_uuid, edge.node_input_uuid) for edge in known}
        for edge in rows.edges:
            pair = (edge.node_output_uuid, edge.node_input_uuid)
            if pair in self.edges:
                self.report.skip("edge", edge.uuid, THERE)
            elif not (set(pair) <= self.nodes.keys() and edge.creator_uuid in self.users):
                self.report.skip("edge", edge.uuid, "what it belongs to was not imported")
            else:
                self.edges.add(pair)
                await self.tx.edges.put(edge)
                self.report.imported["edge"] += 1

    async def _permissions(self, rows: ReferenceRows) -> None:
        """Rows that an edge stands for are not stored (rulings 11): they go with the edge."""
        derived = set()
        for output, input_ in self.edges:
            sender, receiver = self.nodes[output], self.nodes[input_]
            derived |= {(sender, input_), (receiver, output), (sender, receiver)}
        known = {
            PermissionEntity.USER: self.users,
            PermissionEntity.UNIT: self.units,
            PermissionEntity.REPO: self.repos,
            PermissionEntity.UNIT_NODE: self.nodes.keys(),
        }
        chosen: dict[tuple[UUID, UUID], Permission] = {}
        for row in rows.permissions:
            pair = (row.agent_uuid, row.resource_uuid)
            if row.agent_uuid not in known[row.agent_type]:
                self.report.skip("permission", row.uuid, "its agent was not imported")
            elif row.resource_uuid not in known[row.resource_type]:
                self.report.skip("permission", row.uuid, "its resource was not imported")
            elif pair in derived and row.agent_uuid != row.resource_uuid:
                self.report.skip("permission", row.uuid, "follows from an edge")
            elif pair in chosen or await self.tx.permissions.exists(*pair):
                self.report.skip("permission", row.uuid, THERE)
            else:
                chosen[pair] = row
        await self.tx.permissions.put(list(chosen.values()))
        self.report.imported["permission"] += len(chosen)
