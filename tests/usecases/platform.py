"""The real use cases on memory ports, wired as the platform wires them."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from attrs import evolve

from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.adapters.crypto.passwords import Argon2Cost, Argon2Passwords
from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.memory.broker import MemoryBroker
from pepeunit.adapters.memory.checkpoint import MemoryCheckpoint
from pepeunit.adapters.memory.code_host import MemoryCodeHost
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.firmware import MemoryFirmware
from pepeunit.adapters.memory.journal import MemoryJournal
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.adapters.memory.mirrors import MemoryMirrors, MemoryRemote
from pepeunit.adapters.memory.pipeline import MemoryPipeline
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.adapters.memory.throttle import MemoryThrottle
from pepeunit.codecs import records
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import AuditEntry
from pepeunit.domain.ids import NodeId, RegistryId, RepoId, UnitId, UserId
from pepeunit.domain.messaging.command import PendingCommand
from pepeunit.domain.nodes.node import Node
from pepeunit.domain.registries.credentials import GitCredentials
from pepeunit.domain.registries.registry import GitPlatform, Registry
from pepeunit.domain.repos.repo import Repo
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.domain.units.schema import DEFAULT_TOPIC_SYMBOLS
from pepeunit.domain.units.unit import Unit
from pepeunit.domain.users.user import User, UserRole
from pepeunit.entrypoints.wiring.pipe_forms import pipe_forms
from pepeunit.ports.audit import AuditQuery
from pepeunit.usecases.access.authenticate import Authenticate
from pepeunit.usecases.audit.read_audit import ListAudit
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.audit.recording import RecordingDatabase
from pepeunit.usecases.background import Background
from pepeunit.usecases.messages.admit_device import AdmitDevice
from pepeunit.usecases.messages.authorize_topic import AnswerBroker, AuthorizeTopic
from pepeunit.usecases.messages.presence import TrackPresence
from pepeunit.usecases.messages.receive import ReceiveMessages, StoreState
from pepeunit.usecases.nodes.edit_node import EditNode, NodeChanges
from pepeunit.usecases.nodes.link import CreateEdge, DeleteEdge, ListEdges
from pepeunit.usecases.nodes.set_input import SetInput
from pepeunit.usecases.permissions.create_permission import CreatePermission
from pepeunit.usecases.permissions.delete_permission import DeletePermission
from pepeunit.usecases.permissions.list_permissions import ListPermissions
from pepeunit.usecases.pipes.await_pipes import AwaitPipes
from pepeunit.usecases.pipes.configure import CheckPipeConfig, GetPipeConfig, SetPipeConfig
from pepeunit.usecases.pipes.drops import ReadPipeDrops
from pepeunit.usecases.pipes.export_series import ExportSeries
from pepeunit.usecases.pipes.import_series import ImportSeries
from pepeunit.usecases.pipes.purge import PurgeSeries
from pepeunit.usecases.pipes.read_series import ReadSeries
from pepeunit.usecases.pipes.rules import PipeRules
from pepeunit.usecases.registries.firmware import AnnounceFirmware, FetchFirmware
from pepeunit.usecases.registries.keyring import Keyring
from pepeunit.usecases.registries.read_registries import (
    DescribeRegistry,
    GetRegistry,
    ListBranchCommits,
)
from pepeunit.usecases.registries.register import RegisterRegistry
from pepeunit.usecases.registries.sync_registry import PollRemotes, SyncRegistry, SyncThenUpdate
from pepeunit.usecases.registries.synchronise import Synchronise
from pepeunit.usecases.repos.create_repo import CreateRepo, RepoSettings
from pepeunit.usecases.repos.edit_repo import EditRepo
from pepeunit.usecases.repos.read_repos import ListPlatforms
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.ingest_parts import IngestParts
from pepeunit.usecases.samples.limits import IngestLimits
from pepeunit.usecases.units.create_unit import CreateUnit, UnitRules, UnitSettings
from pepeunit.usecases.units.downloads import GetArchive, GetSchema
from pepeunit.usecases.units.edit_unit import DeleteUnit, EditUnit
from pepeunit.usecases.units.env import EnvVault, GetEnv, ResetEnv, SetEnv
from pepeunit.usecases.units.firmware import GetFirmware
from pepeunit.usecases.units.send_command import SendCommand
from pepeunit.usecases.units.tokens import EndOldTokens, RevokeUnitToken, RotateUnitToken
from pepeunit.usecases.updates.advance_rollout import AdvanceRollout
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.move_units import MoveUnits
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.rollouts import SteerRollout
from pepeunit.usecases.updates.settle_commands import SettleCommands
from pepeunit.usecases.updates.sweep import SweepUpdates
from pepeunit.usecases.updates.update_repo import StartRollout, UpdateFollowers
from pepeunit.usecases.updates.update_unit import UpdateUnit
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.api_tokens import CreateApiToken, ListApiTokens, RevokeApiToken
from pepeunit.usecases.users.block_user import BlockUser
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.edit_user import EditUser
from pepeunit.usecases.users.first_admin import EnsureAdmin
from pepeunit.usecases.users.invites import CreateInvite, ListInvites, RevokeInvite
from pepeunit.usecases.users.sign_in import SignIn
from pepeunit.usecases.users.sign_out import SignOutEverywhere, SignOutUser
from pepeunit.usecases.users.sign_up import SignUp
from tests.doubles.archives import RememberingArchives

DOMAIN = "iot.example.com"
ALIAS = "old.example.com"
URL = "https://git.example.com/me/program.git"
PASSWORD = "correct-horse"
INTERVAL = 60.0

SCHEMA: dict[str, Any] = {
    "input_base_topic": [
        "update/pepeunit",
        "env_update/pepeunit",
        "schema_update/pepeunit",
        "log_sync/pepeunit",
    ],
    "output_base_topic": ["state/pepeunit", "log/pepeunit"],
    "input_topic": ["led/pepeunit"],
    "output_topic": ["temp/pepeunit"],
}


def program(schema: Mapping[str, Any] | None = None, **files: str) -> dict[str, str]:
    """The files of a commit; keywords replace or add, ``""`` stays an empty file."""
    return {
        "schema_example.json": json.dumps(SCHEMA | dict(schema or {})),
        "env_example.json": json.dumps({"WIFI": "", "PU_DOMAIN": ""}),
        "main.py": "print('hi')",
    } | {name.replace("__", "."): body for name, body in files.items()}


class MovableClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class CountingUuids:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> UUID:
        self.count += 1
        return UUID(int=self.count)

    def secret(self) -> str:
        self.count += 1
        return b64encode(self.count.to_bytes(32, "big").replace(b"\0", b"Q")).decode()


class Platform:
    """Everything an instance is; the attributes are its use cases."""

    def __init__(
        self,
        *,
        mirrors: MemoryMirrors | None = None,
        database: MemoryDatabase | None = None,
        broker: Any = None,
        default_pipe: str | None = None,
    ) -> None:
        self.clock, self.ids = MovableClock(), CountingUuids()
        self.stored = database or MemoryDatabase()
        self.database = RecordingDatabase(self.stored, self.clock, uuid4)
        self.acts = RecordActs(self.database)
        self.remote = MemoryRemote()
        self.remotes: dict[str, MemoryRemote] = {URL: self.remote}
        self.mirrors = mirrors or MemoryMirrors(self.remotes)
        self.mirrors.remotes = self.remotes
        self.host = MemoryCodeHost(self.remotes)
        self.broker, self.logs = broker or MemoryBroker(), MemoryLogs()
        self.leases, self.journal = MemoryLeases(), MemoryJournal()
        self.tokens = JwtTokens("k" * 44)
        self.cipher = AesGcmCipher(keys={"k1": b"k" * 32})
        self.passwords = Argon2Passwords("pepper", Argon2Cost(1, 8, 1))
        self.throttle = MemoryThrottle(10, 300, self.clock)
        self.archives, self.background = RememberingArchives(), Background()
        self.default_pipe = default_pipe
        self.pipeline, self.series = MemoryPipeline(), MemorySeries()
        self.forms = pipe_forms(256 * 1024)
        self._wire_people()
        self._wire_updates()
        self._wire_registries()
        self._wire_units()
        self._wire_messages()
        self._wire_accounts()
        self._wire_pipes()

    def _wire_people(self) -> None:
        database, clock, new_uuid = self.database, self.clock, self.ids
        self.authenticate = Authenticate(database, self.tokens, clock, self.broker, DOMAIN)
        self.sign_up = SignUp(database, self.passwords, clock, new_uuid)
        self.sign_in = SignIn(
            database, self.passwords, self.tokens, self.throttle, clock, new_uuid, 3600, 10
        )
        self.edit_user = EditUser(database, self.passwords)
        self.ensure_admin = EnsureAdmin(database, self.sign_up, self.ids.secret)

    def _wire_updates(self) -> None:
        database, clock = self.database, self.clock
        self.programs = Programs(self.mirrors, DEFAULT_TOPIC_SYMBOLS)
        self.await_pipes = AwaitPipes(database, self.pipeline)
        self.builder = Builder(clock, self.ids, self.default_pipe, self.await_pipes)
        self.drain = DrainOutbox(
            database, self.broker, clock, DOMAIN, SettleCommands(database, clock)
        )
        self.keyring = Keyring(
            database, self.cipher, {GitPlatform.GITLAB: self.host, GitPlatform.GITHUB: self.host}
        )
        self.firmware = MemoryFirmware()
        self.fetch_firmware = FetchFirmware(self.firmware, self.keyring)
        self.announce = AnnounceFirmware(self.fetch_firmware, f"https://{DOMAIN}/pepeunit/api/v1")
        self.update_unit = UpdateUnit(database, self.programs, self.builder, self.announce)
        self.move = MoveUnits(self.programs, self.builder, self.announce, clock)
        self.advance = AdvanceRollout(
            database, self.programs, self.move, self.drain, self.leases, clock
        )
        self.followers = UpdateFollowers(
            database,
            self.programs,
            StartRollout(database, self.programs, clock, self.ids),
            self.advance,
            self.move,
            self.drain,
        )
        self.steer = SteerRollout(database, self.programs, self.advance, self.background, clock)
        self.sweep = SweepUpdates(database, clock, INTERVAL)

    def _wire_registries(self) -> None:
        database, clock = self.database, self.clock
        self.synchronise = Synchronise(
            database, self.mirrors, self.keyring, self.leases, clock, 10_000
        )
        self.sync_then_update = SyncThenUpdate(self.synchronise, self.followers)
        self.register = RegisterRegistry(
            database, self.keyring, self.synchronise, self.background, clock, self.ids, 5.0
        )
        self.sync_registry = SyncRegistry(
            database, self.sync_then_update, self.background, clock, 10.0, 5.0
        )
        self.poll = PollRemotes(database, self.mirrors, self.keyring, self.sync_then_update, clock)
        self.get_registry = GetRegistry(database, DescribeRegistry(self.mirrors))
        self.list_branch_commits = ListBranchCommits(database, self.mirrors)
        self.create_repo = CreateRepo(database, self.mirrors, clock, self.ids)
        self.edit_repo = EditRepo(database, self.programs, self.followers, clock)
        self.list_platforms = ListPlatforms(database, self.programs)

    def _wire_units(self) -> None:
        database, clock = self.database, self.clock
        facts = InstanceFacts(DOMAIN, True, "mqtt.example.com", 1883)
        self.vault = EnvVault(self.cipher, self.tokens, facts)
        rules = UnitRules(self.programs)
        self.create_unit = CreateUnit(
            database, rules, self.builder, self.vault, clock, self.ids, self.ids.secret
        )
        self.edit_unit = EditUnit(
            database, rules, self.builder, self.announce, self.drain, self.broker, clock
        )
        self.get_firmware = GetFirmware(database, self.fetch_firmware, self.firmware)
        self.delete_unit = DeleteUnit(database, self.builder, self.drain, self.broker, self.logs)
        self.get_env = GetEnv(database, self.vault, self.programs)
        self.set_env = SetEnv(database, self.vault, self.programs)
        self.reset_env = ResetEnv(database, self.vault)
        self.get_schema = GetSchema(database, self.programs, DOMAIN)
        self.get_archive = GetArchive(database, self.get_env, self.get_schema, self.archives)
        self.send_command = SendCommand(
            database, self.programs, self.builder, self.update_unit, self.drain
        )
        self.rotate_token = RotateUnitToken(
            database, self.programs, self.builder, self.drain, clock
        )
        self.revoke_token = RevokeUnitToken(database, self.broker)
        self.end_old_tokens = EndOldTokens(database, self.broker, clock)
        self.edit_node = EditNode(database, self.broker, self.pipeline, clock)
        self.set_input = SetInput(database, self.broker, clock, DOMAIN, 1024)
        self.create_edge = CreateEdge(database, self.builder, self.drain, self.broker, self.ids)
        self.list_edges = ListEdges(database)
        self.delete_edge = DeleteEdge(database, self.builder, self.drain, self.broker)
        self.create_permission = CreatePermission(database, self.broker, self.ids)
        self.list_permissions = ListPermissions(database)
        self.delete_permission = DeletePermission(database, self.broker)

    def _wire_messages(self) -> None:
        database, clock = self.database, self.clock
        parts = IngestParts(
            database=database,
            journal=self.journal,
            journal_id=UUID(int=1),
            checkpoint=MemoryCheckpoint(),
            codec=records,
            series_writer=self.series,
            series_admin=self.series,
            logs=self.logs,
            clock=clock,
            new_uuid=uuid4,
            limits=IngestLimits(flush_seconds=0.005),
            payload_bytes_max=262_144,
            reread_seconds=60,
        )
        self.ingest = Ingest(parts, self.leases)
        self.store_state = StoreState(database, clock, INTERVAL)
        self.receive = ReceiveMessages(self.ingest, self.store_state, clock, 86_400)
        self.admit = AdmitDevice(database, self.authenticate, DOMAIN)
        self.authorize = AuthorizeTopic(database, frozenset((DOMAIN, ALIAS)))
        self.answer_broker = AnswerBroker(self.authenticate, self.authorize)
        self.presence = TrackPresence(database, self.drain, clock)

    def _wire_pipes(self, *, is_enabled: bool = True) -> None:
        database, clock, series = self.database, self.clock, self.series
        rules = PipeRules(self.forms, is_enabled)
        throttle = MemoryThrottle(60, 60, clock)
        self.check_pipe = CheckPipeConfig(rules, throttle, 60)
        self.set_pipe = SetPipeConfig(database, rules, self.pipeline, clock)
        self.get_pipe = GetPipeConfig(database, rules)
        self.read_pipe = ReadSeries(database, rules, series, clock)
        self.export_pipe = ExportSeries(database, rules, series, clock)
        self.import_pipe = ImportSeries(database, rules, series, series, self.pipeline, clock)
        self.purge_pipe = PurgeSeries(database, rules, self.pipeline)
        self.pipe_drops = ReadPipeDrops(database, rules, self.pipeline)

    def _wire_accounts(self) -> None:
        database, clock = self.database, self.clock
        self.block_user = BlockUser(database, self.broker)
        self.change_role = ChangeRole(database)
        self.sign_out_everywhere = SignOutEverywhere(database)
        self.sign_out_user = SignOutUser(database)
        self.create_invite = CreateInvite(database, clock, self.ids, self.ids.secret)
        self.list_invites = ListInvites(database, clock)
        self.revoke_invite = RevokeInvite(database)
        self.delete_user = DeleteUser(database, self.builder, self.drain, self.broker, self.logs)
        self.list_audit = ListAudit(database)
        self.create_api_token = CreateApiToken(
            database, self.throttle, clock, self.ids, self.ids.secret, 10
        )
        self.list_api_tokens = ListApiTokens(database)
        self.revoke_api_token = RevokeApiToken(database)

    async def entries(self) -> list[AuditEntry]:
        """The audit log, oldest first."""
        async with self.database.read() as rows:
            return list((await rows.audit.find(AuditQuery(newest_first=False))).items)

    async def run_pipes(self) -> None:
        """What was accepted goes through the pipes and is stored."""
        running = asyncio.create_task(self.ingest.run())
        assert await self.ingest.ready()
        assert await self.ingest.stop()
        running.cancel()
        await asyncio.wait([running])

    async def close(self) -> None:
        await self.background.stop()
        self.passwords.close()

    # What the tests do before their fact, and what they look at after it.

    async def user(self, login: str, role: UserRole = UserRole.USER) -> Agent:
        user = await self.sign_up(ANONYMOUS, login, PASSWORD)
        if role is UserRole.ADMIN:
            async with self.database.begin() as tx:
                await tx.users.put(evolve(user, role=role))
        return Agent.user(user.uuid, role)

    async def registry(
        self, owner: Agent, credentials: GitCredentials | None = None, url: str = URL
    ) -> RegistryId:
        registry = await self.register(
            owner, GitPlatform.GITLAB, url, credentials is None, credentials
        )
        return registry.uuid

    async def repo(
        self,
        owner: Agent,
        registry: RegistryId | None = None,
        name: str = "repo",
        visibility: Visibility = Visibility.PUBLIC,
        **settings: Any,
    ) -> RepoId:
        known = registry or await self.registry(owner)
        chosen = {"default_branch": "main", "is_compilable_repo": False} | settings
        repo = await self.create_repo(
            owner, known, RepoSettings(name=name, visibility_level=visibility, **chosen)
        )
        return repo.uuid

    async def unit(
        self,
        owner: Agent,
        repo: RepoId,
        name: str = "unit",
        visibility: Visibility = Visibility.PUBLIC,
        **settings: Any,
    ) -> UnitId:
        chosen = {"is_auto_update_from_repo_unit": True} | settings
        unit = await self.create_unit(
            owner, repo, UnitSettings(name=name, visibility_level=visibility, **chosen)
        )
        return unit.uuid

    async def token_of(self, unit: UnitId, owner: Agent) -> str:
        return str((await self.get_env(owner, unit))["PU_AUTH_TOKEN"])

    async def report(self, unit: UnitId, version: str | None) -> None:
        """A state message that is due."""
        self.clock.move(INTERVAL)
        await self.store_state(unit, json.dumps({"pu_commit_version": version}).encode())

    async def row(self, unit: UnitId) -> Unit:
        async with self.database.read() as rows:
            found = await rows.units.get(unit)
        assert found is not None
        return found

    async def registry_row(self, uuid: RegistryId) -> Registry:
        async with self.database.read() as rows:
            found = await rows.registries.get(uuid)
        assert found is not None
        return found

    async def repo_row(self, uuid: RepoId) -> Repo:
        async with self.database.read() as rows:
            found = await rows.repos.get(uuid)
        assert found is not None
        return found

    async def user_row(self, agent: Agent) -> User:
        async with self.database.read() as rows:
            found = await rows.users.get(UserId(agent.uuid)) if agent.uuid else None
        assert found is not None
        return found

    async def node(self, unit: UnitId, name: str) -> Node:
        async with self.database.read() as rows:
            nodes = await rows.nodes.of_unit(unit)
        return next(node for node in nodes if node.topic_name == name)

    async def node_row(self, uuid: NodeId) -> Node | None:
        async with self.database.read() as rows:
            return await rows.nodes.get(uuid)

    async def change_node(self, owner: Agent, node: Node, **changes: Any) -> Node:
        return await self.edit_node(owner, node.uuid, NodeChanges(**changes))

    async def outbox(self) -> list[PendingCommand]:
        """Everything that waits, looked at in a transaction that is rolled back."""
        found: list[PendingCommand] = []
        far = self.clock.now + timedelta(days=365)
        try:
            async with self.database.begin() as tx:
                found = list(await tx.outbox.claim(far, far, 1000))
                raise _LookedError
        except _LookedError:
            return found

    def sent(self) -> list[tuple[str, dict[str, Any]]]:
        """The published commands: the topic's word and the payload."""
        return [
            (found.topic.split("/")[-2], json.loads(found.payload))
            for found in self.broker.published
            if "/input_base_topic/" in found.topic
        ]


class _LookedError(Exception):
    pass
