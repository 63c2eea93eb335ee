"""The real doors over the real use cases, on stores in memory."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from attrs import define, field, frozen

from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.adapters.crypto.passwords import Argon2Cost, Argon2Passwords
from pepeunit.adapters.crypto.tokens import JwtTokens
from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.adapters.memory.firmware import MemoryFirmware
from pepeunit.adapters.memory.leases import MemoryLeases
from pepeunit.adapters.memory.logs import MemoryLogs
from pepeunit.adapters.memory.pipeline import MemoryPipeline
from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.adapters.memory.throttle import MemoryThrottle
from pepeunit.codecs.rest.instance import FeatureFlagsModel
from pepeunit.domain.pipes.config import PAYLOAD_BYTES_MAX
from pepeunit.domain.registries.registry import GitPlatform
from pepeunit.entrypoints.http.absent import AbsentDoor
from pepeunit.entrypoints.http.access import AccessDoor
from pepeunit.entrypoints.http.accounts import AccountDoor
from pepeunit.entrypoints.http.api_tokens import ApiTokenDoor
from pepeunit.entrypoints.http.audit import AuditDoor
from pepeunit.entrypoints.http.bulk import BulkDoor
from pepeunit.entrypoints.http.devices import DeviceDoor
from pepeunit.entrypoints.http.events import EventDoor
from pepeunit.entrypoints.http.instance import InstanceDoor
from pepeunit.entrypoints.http.nodes import NodeDoor
from pepeunit.entrypoints.http.permissions import PermissionDoor
from pepeunit.entrypoints.http.pipes import PipeDoor
from pepeunit.entrypoints.http.readme import ReadmeDoor
from pepeunit.entrypoints.http.registries import RegistryDoor
from pepeunit.entrypoints.http.repos import RepoDoor
from pepeunit.entrypoints.http.rollouts import RolloutDoor
from pepeunit.entrypoints.http.route import Door
from pepeunit.entrypoints.http.tokens import TokenDoor
from pepeunit.entrypoints.http.units import UnitDoor
from pepeunit.entrypoints.http.users import UserDoor
from pepeunit.entrypoints.wiring.pipe_forms import pipe_forms
from pepeunit.usecases.access.authenticate import Authenticate
from pepeunit.usecases.access.explain_access import ExplainAccess, ListAccess
from pepeunit.usecases.access.turns import Turns
from pepeunit.usecases.audit.read_audit import ListAudit
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.audit.recording import RecordingDatabase
from pepeunit.usecases.background import Background
from pepeunit.usecases.instance.metrics import GetMetrics
from pepeunit.usecases.live.hub import Hub
from pepeunit.usecases.live.watch import WatchLive
from pepeunit.usecases.messages.authorize_topic import AnswerBroker, AuthorizeTopic
from pepeunit.usecases.nodes.check_links import CheckLinks
from pepeunit.usecases.nodes.edit_node import EditNode
from pepeunit.usecases.nodes.link import CreateEdge, DeleteEdge, ListEdges
from pepeunit.usecases.nodes.read_nodes import GetNode, ListNodes
from pepeunit.usecases.nodes.set_input import SetInput
from pepeunit.usecases.permissions.create_permission import CreatePermission
from pepeunit.usecases.permissions.delete_permission import DeletePermission
from pepeunit.usecases.permissions.list_permissions import ListPermissions
from pepeunit.usecases.pipes.await_pipes import AwaitPipes
from pepeunit.usecases.pipes.configure import CheckPipeConfig, GetPipeConfig, SetPipeConfig
from pepeunit.usecases.pipes.drops import ReadPipeDrops
from pepeunit.usecases.pipes.export_series import EXPORTS_MAX, ExportSeries
from pepeunit.usecases.pipes.import_series import ImportSeries
from pepeunit.usecases.pipes.purge import PurgeSeries
from pepeunit.usecases.pipes.read_series import ReadSeries
from pepeunit.usecases.pipes.rules import PipeRules
from pepeunit.usecases.registries.credentials import GetCredentials, SetCredentials
from pepeunit.usecases.registries.delete_registry import DeleteRegistry
from pepeunit.usecases.registries.firmware import AnnounceFirmware, FetchFirmware
from pepeunit.usecases.registries.keyring import Keyring
from pepeunit.usecases.registries.read_registries import (
    DescribeRegistry,
    GetRegistry,
    ListBranchCommits,
    ListRegistries,
)
from pepeunit.usecases.registries.register import RegisterRegistry
from pepeunit.usecases.registries.sync_registry import (
    GetPushSecret,
    ReceivePush,
    SyncMissing,
    SyncRegistry,
    SyncThenUpdate,
)
from pepeunit.usecases.registries.synchronise import Synchronise
from pepeunit.usecases.repos.create_repo import CreateRepo
from pepeunit.usecases.repos.edit_repo import DeleteRepo, EditRepo
from pepeunit.usecases.repos.read_repos import GetRepo, GetRepoVersions, ListPlatforms, ListRepos
from pepeunit.usecases.units.command_units import CommandUnits
from pepeunit.usecases.units.create_unit import CreateUnit, UnitRules
from pepeunit.usecases.units.downloads import GetArchive, GetSchema
from pepeunit.usecases.units.edit_unit import DeleteUnit, EditUnit
from pepeunit.usecases.units.env import EnvVault, GetEnv, ResetEnv, SetEnv
from pepeunit.usecases.units.export_units import ExportUnits
from pepeunit.usecases.units.firmware import GetFirmware
from pepeunit.usecases.units.import_units import ImportUnits
from pepeunit.usecases.units.read_logs import ListUnitLogs
from pepeunit.usecases.units.read_units import GetTargetVersion, GetUnit, ListUnits
from pepeunit.usecases.units.send_command import SendCommand
from pepeunit.usecases.units.state_storage import GetStateStorage, SetStateStorage
from pepeunit.usecases.units.tokens import RevokeUnitToken, RotateUnitToken
from pepeunit.usecases.updates.advance_rollout import AdvanceRollout
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.move_units import MoveUnits
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.rollouts import GetRollout, SetRolloutRule, SteerRollout
from pepeunit.usecases.updates.settle_commands import SettleCommands
from pepeunit.usecases.updates.update_repo import (
    BulkUpdate,
    StartRollout,
    UpdateFollowers,
    UpdateRepoUnits,
)
from pepeunit.usecases.updates.update_unit import UpdateUnit
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.api_tokens import CreateApiToken, ListApiTokens, RevokeApiToken
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.edit_user import EditUser
from pepeunit.usecases.users.invites import CreateInvite, ListInvites, RevokeInvite
from pepeunit.usecases.users.read_users import GetUser, ListUsers
from pepeunit.usecases.users.sign_in import SignIn
from pepeunit.usecases.users.sign_out import SignOutEverywhere, SignOutUser
from pepeunit.usecases.users.sign_up import SignUp
from tests.doors.http.outside import Broker, OwnFiles, WrittenHost, WrittenMirrors
from tests.doors.http.serving import FACTS

SECRET = "a secret for tests of thirty-two bytes"
SYMBOLS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-"
TRIES = 10
CHECKS = 60
STATE_CHARS_MAX = 1_000_000


def new_secret() -> str:
    return base64.b64encode(uuid4().bytes * 2).decode()


@define
class MovingClock:
    """Every reading is a moment later than the one before."""

    now: datetime = datetime(2026, 11, 23, 8, 39, 9, 725675, UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1000)
        return self.now


@frozen
class Platform:
    """``doors`` over one set of stores; ``close`` ends threads and tasks."""

    stored: MemoryDatabase = field(factory=MemoryDatabase)
    logs: MemoryLogs = field(factory=MemoryLogs)
    broker: Broker = field(factory=Broker)
    clock: MovingClock = field(factory=MovingClock)
    background: Background = field(factory=Background)
    tokens: JwtTokens = field(factory=lambda: JwtTokens(SECRET))
    passwords: Argon2Passwords = field(factory=lambda: Argon2Passwords("salt", Argon2Cost(1, 8, 1)))
    cipher: AesGcmCipher = field(factory=lambda: AesGcmCipher({"k1": bytes(32)}, STATE_CHARS_MAX))
    firmware: MemoryFirmware = field(factory=MemoryFirmware)
    mirrors: WrittenMirrors = field(factory=WrittenMirrors)
    series: MemorySeries = field(factory=MemorySeries)
    pipeline: MemoryPipeline = field(factory=MemoryPipeline)
    export_turns: Turns = field(factory=lambda: Turns("exports", EXPORTS_MAX))
    pipes_enabled: bool = True
    default_pipe: str | None = None

    @property
    def database(self) -> RecordingDatabase:
        return RecordingDatabase(self.stored, self.clock, uuid4)

    @property
    def acts(self) -> RecordActs:
        return RecordActs(self.database)

    @property
    def authenticate(self) -> Authenticate:
        return Authenticate(self.database, self.tokens, self.clock, self.broker, FACTS.domain)

    async def close(self) -> None:
        await self.background.stop()
        self.passwords.close()

    def doors(self) -> list[Door]:
        database, clock, mirrors = self.database, self.clock, self.mirrors
        keyring = Keyring(database, self.cipher, {GitPlatform.GITLAB: WrittenHost()})
        fetch = FetchFirmware(self.firmware, keyring)
        announce = AnnounceFirmware(fetch, FACTS.api_url)
        programs = Programs(mirrors, SYMBOLS)
        await_pipes = AwaitPipes(database, self.pipeline)
        builder = Builder(clock, uuid4, self.default_pipe, await_pipes)
        drain = DrainOutbox(
            database, self.broker, clock, FACTS.domain, SettleCommands(database, clock)
        )
        update_unit = UpdateUnit(database, programs, builder, announce)
        move = MoveUnits(programs, builder, announce, clock)
        advance = AdvanceRollout(database, programs, move, drain, MemoryLeases(), clock)
        start = StartRollout(database, programs, clock, uuid4)
        followers = UpdateFollowers(database, programs, start, advance, move, drain)
        return [
            self._accounts(builder, drain),
            ApiTokenDoor(
                CreateApiToken(
                    database, MemoryThrottle(TRIES, 300, clock), clock, uuid4, new_secret, TRIES
                ),
                ListApiTokens(database),
                RevokeApiToken(database),
            ),
            self._users(),
            self._registries(keyring, followers),
            RepoDoor(
                create_repo=CreateRepo(database, mirrors, clock, uuid4),
                get_repo=GetRepo(database),
                list_repos=ListRepos(database),
                list_platforms=ListPlatforms(database, programs),
                get_versions=GetRepoVersions(database, programs),
                edit_repo=EditRepo(database, programs, followers, clock),
                update_repo_units=UpdateRepoUnits(database, followers),
                bulk_update=BulkUpdate(followers, self.background),
                delete_repo=DeleteRepo(database),
            ),
            RolloutDoor(
                GetRollout(database),
                SetRolloutRule(database),
                SteerRollout(database, programs, advance, self.background, clock),
            ),
            ReadmeDoor(),
            *self._devices(programs, builder, drain, update_unit, announce),
            TokenDoor(
                RotateUnitToken(database, programs, builder, drain, clock),
                RevokeUnitToken(database, self.broker),
            ),
            AuditDoor(ListAudit(database)),
            NodeDoor(
                get_node=GetNode(database),
                list_nodes=ListNodes(database),
                edit_node=EditNode(database, self.broker, self.pipeline, clock),
                set_input=SetInput(database, self.broker, clock, FACTS.domain, 256 * 1024),
                create_edge=CreateEdge(database, builder, drain, self.broker, uuid4),
                list_edges=ListEdges(database),
                delete_edge=DeleteEdge(database, builder, drain, self.broker),
            ),
            PermissionDoor(
                create_permission=CreatePermission(database, self.broker, uuid4),
                list_permissions=ListPermissions(database),
                delete_permission=DeletePermission(database, self.broker),
            ),
            self._pipes(),
            EventDoor(WatchLive(database, self.authenticate, Hub(), self.clock, self.background)),
            AccessDoor(
                ExplainAccess(database, FACTS.domain),
                ListAccess(database, FACTS.domain),
                CheckLinks(database),
            ),
            InstanceDoor(GetMetrics(database, clock), FACTS, "1.2.3", FeatureFlagsModel()),
            AbsentDoor(),
        ]

    def _pipes(self) -> PipeDoor:
        database, clock, series = self.database, self.clock, self.series
        rules = PipeRules(pipe_forms(PAYLOAD_BYTES_MAX), is_enabled=self.pipes_enabled)
        return PipeDoor(
            check_config=CheckPipeConfig(rules, MemoryThrottle(CHECKS, 60, clock), CHECKS),
            set_config=SetPipeConfig(database, rules, self.pipeline, clock),
            get_config=GetPipeConfig(database, rules),
            read_data=ReadSeries(database, rules, series, clock),
            export_data=ExportSeries(database, rules, series, clock, self.export_turns),
            import_data=ImportSeries(database, rules, series, series, self.pipeline, clock),
            purge_data=PurgeSeries(database, rules, self.pipeline),
            read_drops=ReadPipeDrops(database, rules, self.pipeline),
        )

    def _accounts(self, builder: Builder, drain: DrainOutbox) -> AccountDoor:
        database, clock = self.database, self.clock
        return AccountDoor(
            create_invite=CreateInvite(database, clock, uuid4, new_secret),
            list_invites=ListInvites(database, clock),
            revoke_invite=RevokeInvite(database),
            change_role=ChangeRole(database),
            sign_out_everywhere=SignOutEverywhere(database),
            sign_out_user=SignOutUser(database),
            delete_user=DeleteUser(database, builder, drain, self.broker, self.logs),
        )

    @property
    def sign_up(self) -> SignUp:
        return SignUp(self.database, self.passwords, self.clock, uuid4)

    def _users(self) -> UserDoor:
        database, passwords = self.database, self.passwords
        throttle = MemoryThrottle(TRIES, 300, self.clock)
        return UserDoor(
            sign_up=self.sign_up,
            sign_in=SignIn(
                database, passwords, self.tokens, throttle, self.clock, uuid4, 3600, TRIES
            ),
            get_user=GetUser(database),
            list_users=ListUsers(database),
            edit_user=EditUser(database, passwords),
            block_user=BlockUser(database, self.broker),
            unblock_user=UnblockUser(database),
        )

    def _registries(self, keyring: Keyring, followers: UpdateFollowers) -> RegistryDoor:
        database, clock, mirrors = self.database, self.clock, self.mirrors
        synchronise = Synchronise(database, mirrors, keyring, MemoryLeases(), clock, 10_000_000)
        sync = SyncThenUpdate(synchronise, followers)
        describe = DescribeRegistry(mirrors)
        return RegistryDoor(
            register=RegisterRegistry(
                database, keyring, synchronise, self.background, clock, uuid4, 15
            ),
            get_registry=GetRegistry(database, describe),
            list_registries=ListRegistries(database, describe),
            list_branch_commits=ListBranchCommits(database, mirrors),
            set_credentials=SetCredentials(database, keyring),
            get_credentials=GetCredentials(database, keyring),
            sync_registry=SyncRegistry(database, sync, self.background, clock, 60, 15),
            sync_missing=SyncMissing(database, mirrors, sync),
            delete_registry=DeleteRegistry(database, mirrors, self.firmware),
            receive_push=ReceivePush(database, sync, self.background, SECRET),
            get_push_secret=GetPushSecret(database, SECRET),
        )

    def _devices(
        self,
        programs: Programs,
        builder: Builder,
        drain: DrainOutbox,
        update_unit: UpdateUnit,
        announce: AnnounceFirmware,
    ) -> tuple[BulkDoor, UnitDoor, DeviceDoor]:
        database, clock = self.database, self.clock
        vault = EnvVault(self.cipher, self.tokens, FACTS)
        rules = UnitRules(programs)
        get_env = GetEnv(database, vault, programs)
        get_schema = GetSchema(database, programs, FACTS.domain)
        create_unit = CreateUnit(database, rules, builder, vault, clock, uuid4, new_secret)
        send_command = SendCommand(database, programs, builder, update_unit, drain)
        bulk = BulkDoor(
            ImportUnits(
                database,
                create_unit,
                uuid4,
                pipe_forms(PAYLOAD_BYTES_MAX),
                AwaitPipes(database, self.pipeline),
            ),
            ExportUnits(database),
            CommandUnits(database, send_command),
        )
        units = UnitDoor(
            create_unit=create_unit,
            get_unit=GetUnit(database),
            list_units=ListUnits(database),
            edit_unit=EditUnit(database, rules, builder, announce, drain, self.broker, clock),
            delete_unit=DeleteUnit(database, builder, drain, self.broker, self.logs),
            list_logs=ListUnitLogs(database, self.logs, clock),
        )
        authorize = AuthorizeTopic(database, frozenset({FACTS.domain}))
        devices = DeviceDoor(
            get_env=get_env,
            set_env=SetEnv(database, vault, programs),
            reset_env=ResetEnv(database, vault),
            get_target_version=GetTargetVersion(database, programs),
            get_schema=get_schema,
            get_archive=GetArchive(database, get_env, get_schema, OwnFiles()),
            get_firmware=GetFirmware(database, announce.fetch, self.firmware),
            get_state_storage=GetStateStorage(database, self.cipher),
            set_state_storage=SetStateStorage(database, self.cipher),
            send_command=send_command,
            answer_broker=AnswerBroker(self.authenticate, authorize),
        )
        return bulk, units, devices
