"""Make a unit from a repo (spec devices.md 4, O13, O19, O26)."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from attrs import frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.permission import Permission, PermissionEntity
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Forbidden, Invalid, Topic
from pepeunit.domain.ids import PermissionId, RepoId, UnitId
from pepeunit.domain.names import DEFAULT_NAME_SYMBOLS, name_violations
from pepeunit.domain.registries.version import Sha
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.env import DeviceSecrets, StoredEnv
from pepeunit.domain.units.unit import Unit, version_choice_violations
from pepeunit.ports.clock import Clock
from pepeunit.ports.database import Collections, Database, Transaction
from pepeunit.ports.identifiers import NewSecret, NewUuid
from pepeunit.usecases.access.gates import registry_of, repo_for
from pepeunit.usecases.access.quotas import UNLIMITED, Quotas
from pepeunit.usecases.units.env import EnvVault
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.programs import Program, Programs


@frozen
class UnitSettings:
    """What the creator chooses."""

    name: str
    visibility_level: Visibility
    is_auto_update_from_repo_unit: bool
    target_firmware_platform: str | None = None
    repo_branch: str | None = None
    repo_commit: Sha | None = None


@frozen
class UnitRules:
    """The checks that creating and editing share."""

    programs: Programs
    name_symbols: Collection[str] = DEFAULT_NAME_SYMBOLS

    async def check(self, rows: Collections, unit: Unit, repo: Repo) -> Program:
        """The unit's program. Raises ``Invalid`` with what is wrong with the settings."""
        self.require_settings(unit, repo)
        return await self.programs.program(await registry_of(rows, repo), repo, unit)

    def require_settings(self, unit: Unit, repo: Repo) -> None:
        """The checks that need no git."""
        violations = [
            *name_violations("name", unit.name, self.name_symbols),
            *version_choice_violations(unit),
        ]
        if violations:
            raise Invalid(violations, Topic.UNIT)
        if unit.visibility_level.is_wider_than(repo.visibility_level):
            raise Invalid(
                [("visibility_level", f"the repo is {repo.visibility_level.value}")], Topic.ENTITY
            )


@frozen
class CreateUnit:
    """Row, device keys, permissions and nodes in one transaction, for a version that works."""

    database: Database
    rules: UnitRules
    builder: Builder
    vault: EnvVault
    clock: Clock
    new_uuid: NewUuid
    new_secret: NewSecret
    quotas: Quotas = UNLIMITED

    async def __call__(self, agent: Agent, repo_uuid: RepoId, settings: UnitSettings) -> Unit:
        """The unit, once the pipes of its nodes rule what is received.

        Raises ``Invalid`` (topics unit, git, json, entity) and ``Conflict`` for a taken name,
        ``OverLimit`` (topic entity) for a used-up quota.
        """
        unit = self.draft(agent, repo_uuid, settings)
        async with self.database.read() as rows:
            repo = await repo_for(rows, agent, Action.BUILD_FROM, repo_uuid)
            program = await self.rules.check(rows, unit, repo)
        async with self.database.begin() as tx:
            built = await self.store(tx, unit, program)
        await self.builder.nodes_ready([built.uuid])
        return built

    def draft(self, agent: Agent, repo_uuid: RepoId, settings: UnitSettings) -> Unit:
        """The unit before it is checked and stored."""
        require_kind(agent, AgentKind.USER)
        creator = agent.user_id
        if creator is None:
            raise Forbidden("only a User may do this")
        now = self.clock()
        return Unit(
            uuid=UnitId(self.new_uuid()),
            name=settings.name,
            visibility_level=settings.visibility_level,
            repo_uuid=repo_uuid,
            creator_uuid=creator,
            create_datetime=now,
            last_update_datetime=now,
            is_auto_update_from_repo_unit=settings.is_auto_update_from_repo_unit,
            target_firmware_platform=settings.target_firmware_platform,
            repo_branch=settings.repo_branch,
            repo_commit=settings.repo_commit,
        )

    async def store(self, tx: Transaction, unit: Unit, program: Program) -> Unit:
        """Row, keys, permissions and nodes. Raises ``Conflict`` for a taken name,
        ``OverLimit`` (topic entity) for a used-up quota."""
        secrets = DeviceSecrets(self.new_secret(), self.new_secret())
        await self.quotas.check_unit(tx, unit.creator_uuid)
        await tx.units.put(unit)
        await self.vault.put(tx, unit.uuid, StoredEnv(secrets))
        of_unit, own = PermissionEntity.UNIT, unit.uuid
        await tx.permissions.put(
            [
                self._grant(unit.creator_uuid, PermissionEntity.USER, own, of_unit),
                self._grant(own, of_unit, unit.repo_uuid, PermissionEntity.REPO),
                self._grant(own, of_unit, own, of_unit),
            ]
        )
        return await self.builder.build(tx, unit, program)

    def _grant(
        self, agent: UUID, kind: PermissionEntity, resource: UUID, resource_kind: PermissionEntity
    ) -> Permission:
        return Permission(PermissionId(self.new_uuid()), agent, kind, resource, resource_kind)
