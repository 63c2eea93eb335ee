"""The wiring: every use case built once from the ports, before the first request.

``ports`` is the one hole; :mod:`pepeunit.entrypoints.lifespan` fills it whole with embedded or
external parts, tests and library users with the memory ones. Nothing on a hot path asks a
container: the doors take their use cases out of it at start-up.
"""

from __future__ import annotations

from dependency_injector import containers, providers

from pepeunit.codecs.samples import pack_samples, unpack_samples
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.domain.users.registration import Registration
from pepeunit.entrypoints.settings import Settings
from pepeunit.usecases.access.authenticate import Authenticate
from pepeunit.usecases.access.quotas import Quotas
from pepeunit.usecases.audit.read_audit import ListAudit, PurgeAudit
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.audit.recording import RecordingDatabase
from pepeunit.usecases.background import Background
from pepeunit.usecases.instance.backlog import CountBacklog
from pepeunit.usecases.instance.metrics import GetMetrics
from pepeunit.usecases.messages.admit_device import AdmitDevice
from pepeunit.usecases.messages.authorize_topic import AnswerBroker, AuthorizeTopic
from pepeunit.usecases.messages.presence import TrackPresence
from pepeunit.usecases.messages.receive import ReceiveMessages, StoreState
from pepeunit.usecases.nodes.edit_node import EditNode
from pepeunit.usecases.nodes.link import CreateEdge, DeleteEdge, ListEdges
from pepeunit.usecases.nodes.read_nodes import GetNode, ListNodes
from pepeunit.usecases.nodes.set_input import SetInput
from pepeunit.usecases.permissions.create_permission import CreatePermission
from pepeunit.usecases.permissions.delete_permission import DeletePermission
from pepeunit.usecases.permissions.list_permissions import ListPermissions
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
from pepeunit.usecases.registries.recover import RecoverSyncs
from pepeunit.usecases.registries.register import RegisterRegistry
from pepeunit.usecases.registries.sync_registry import (
    GetPushSecret,
    PollRemotes,
    ReceivePush,
    SyncAll,
    SyncMissing,
    SyncRegistry,
    SyncThenUpdate,
)
from pepeunit.usecases.registries.synchronise import Synchronise
from pepeunit.usecases.repos.create_repo import CreateRepo
from pepeunit.usecases.repos.edit_repo import DeleteRepo, EditRepo
from pepeunit.usecases.repos.read_repos import GetRepo, GetRepoVersions, ListPlatforms, ListRepos
from pepeunit.usecases.samples.ingest import Ingest
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
from pepeunit.usecases.units.tokens import EndOldTokens, RevokeUnitToken, RotateUnitToken
from pepeunit.usecases.updates.advance_rollout import AdvanceRollout
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.move_units import MoveUnits
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.rollouts import GetRollout, SetRolloutRule, SteerRollout
from pepeunit.usecases.updates.sweep import SweepUpdates
from pepeunit.usecases.updates.update_repo import (
    BulkUpdate,
    StartRollout,
    UpdateFollowers,
    UpdateRepoUnits,
)
from pepeunit.usecases.updates.update_unit import UpdateUnit
from pepeunit.usecases.users.administrators import ChangeRole
from pepeunit.usecases.users.block_user import BlockUser, UnblockUser
from pepeunit.usecases.users.delete_user import DeleteUser
from pepeunit.usecases.users.edit_user import EditUser
from pepeunit.usecases.users.first_admin import EnsureAdmin, ResetPassword
from pepeunit.usecases.users.invites import CreateInvite, ListInvites, RevokeInvite
from pepeunit.usecases.users.read_users import GetUser, ListUsers
from pepeunit.usecases.users.sign_in import SignIn
from pepeunit.usecases.users.sign_out import SignOutEverywhere, SignOutUser
from pepeunit.usecases.users.sign_up import SignUp

One = providers.Singleton
KIB = 1024
MIB = 1024 * KIB


def _mirror_bytes(settings: Settings) -> int:
    return settings.git.max_external_repo_mib * MIB


def _payload_bytes(settings: Settings) -> int:
    return settings.mqtt.max_payload_kib * KIB


def _accepted_domains(settings: Settings, facts: InstanceFacts) -> frozenset[str]:
    return frozenset((facts.domain, *settings.site.domain_aliases))


class UseCases(containers.DeclarativeContainer):
    """``ports``, ``settings`` and the instance's ``facts`` are given; everything else follows."""

    ports = providers.DependenciesContainer()
    settings = providers.Dependency(instance_of=Settings)
    facts = providers.Dependency(instance_of=InstanceFacts)

    mirrors = ports.mirrors
    clock = ports.clock
    new_uuid = ports.new_uuid
    database = One(RecordingDatabase, inner=ports.database, clock=clock, new_uuid=new_uuid)
    new_secret = ports.new_secret
    passwords = ports.passwords
    tokens = ports.tokens
    cipher = ports.cipher
    sessions = ports.sessions
    publisher = ports.publisher
    logs = ports.logs
    domain = facts.provided.domain
    state_seconds = settings.provided.devices.state_send_interval_seconds
    sync_wait_seconds = settings.provided.git.sync_wait_seconds

    background = One(Background)
    authenticate = One(
        Authenticate,
        database=database,
        tokens=tokens,
        clock=clock,
        sessions=sessions,
        domain=domain,
    )

    # audit, names, quotas
    record_acts = One(RecordActs, database=database)
    list_audit = One(ListAudit, database=database)
    purge_audit = One(
        PurgeAudit,
        database=database,
        clock=clock,
        retention_days=settings.provided.people.audit_retention_days,
    )
    name_symbols = settings.provided.people.name_symbols
    password_symbols = settings.provided.people.password_symbols
    quotas = One(
        Quotas,
        registries_max=settings.provided.people.quota_registries_max,
        repos_max=settings.provided.people.quota_repos_max,
        units_max=settings.provided.people.quota_units_max,
        disk_mib=settings.provided.people.quota_disk_mib,
    )

    # what reaches code hosts
    keyring = One(Keyring, database=database, cipher=cipher, hosts=ports.code_hosts)
    fetch_firmware = One(FetchFirmware, files=ports.firmware_files, keyring=keyring)
    announce_firmware = One(AnnounceFirmware, fetch=fetch_firmware, api_url=facts.provided.api_url)

    # updates
    programs = One(Programs, mirrors=mirrors, topic_symbols=settings.provided.people.topic_symbols)
    builder = One(Builder, clock=clock, new_uuid=new_uuid)
    drain = One(DrainOutbox, database=database, publisher=publisher, clock=clock, domain=domain)
    update_unit = One(
        UpdateUnit,
        database=database,
        programs=programs,
        builder=builder,
        announce=announce_firmware,
    )
    move_units = One(
        MoveUnits, programs=programs, builder=builder, announce=announce_firmware, clock=clock
    )
    start_rollout = One(
        StartRollout, database=database, programs=programs, clock=clock, new_uuid=new_uuid
    )
    advance_rollout = One(
        AdvanceRollout,
        database=database,
        programs=programs,
        move=move_units,
        drain=drain,
        leases=ports.leases,
        clock=clock,
    )
    followers = One(
        UpdateFollowers,
        database=database,
        programs=programs,
        start=start_rollout,
        advance=advance_rollout,
        move=move_units,
        drain=drain,
    )
    get_rollout = One(GetRollout, database=database)
    set_rollout_rule = One(SetRolloutRule, database=database)
    steer_rollout = One(
        SteerRollout,
        database=database,
        programs=programs,
        advance=advance_rollout,
        background=background,
        clock=clock,
    )
    update_repo_units = One(UpdateRepoUnits, database=database, followers=followers)
    bulk_update = One(BulkUpdate, followers=followers, background=background)
    sweep_updates = One(
        SweepUpdates, database=database, clock=clock, send_interval_seconds=state_seconds
    )

    # users
    sign_up = One(
        SignUp,
        database=database,
        passwords=passwords,
        clock=clock,
        new_uuid=new_uuid,
        first_user_is_admin=settings.provided.features.first_user_admin,
        registration=providers.Callable(Registration, settings.provided.people.registration),
        name_symbols=name_symbols,
        password_symbols=password_symbols,
    )
    sign_in = One(
        SignIn,
        database=database,
        passwords=passwords,
        tokens=tokens,
        throttle=ports.throttle,
        clock=clock,
        new_uuid=new_uuid,
        token_seconds=settings.provided.people.auth_token_expiration_seconds,
        tries_max=settings.provided.people.login_tries_max,
    )
    get_user = One(GetUser, database=database)
    list_users = One(ListUsers, database=database)
    edit_user = One(
        EditUser,
        database=database,
        passwords=passwords,
        name_symbols=name_symbols,
        password_symbols=password_symbols,
    )
    sign_out_everywhere = One(SignOutEverywhere, database=database)
    sign_out_user = One(SignOutUser, database=database)
    change_role = One(ChangeRole, database=database)
    create_invite = One(
        CreateInvite, database=database, clock=clock, new_uuid=new_uuid, new_secret=new_secret
    )
    list_invites = One(ListInvites, database=database, clock=clock)
    revoke_invite = One(RevokeInvite, database=database)
    delete_user = One(
        DeleteUser, database=database, builder=builder, drain=drain, sessions=sessions, logs=logs
    )
    block_user = One(BlockUser, database=database, sessions=sessions)
    unblock_user = One(UnblockUser, database=database)
    ensure_admin = One(EnsureAdmin, database=database, sign_up=sign_up, new_secret=new_secret)
    reset_password = One(
        ResetPassword, database=database, passwords=passwords, new_secret=new_secret
    )

    # registries
    synchronise = One(
        Synchronise,
        database=database,
        mirrors=mirrors,
        keyring=keyring,
        leases=ports.leases,
        clock=clock,
        mirror_bytes_max=providers.Callable(_mirror_bytes, settings),
    )
    sync_then_update = One(SyncThenUpdate, synchronise=synchronise, followers=followers)
    register_registry = One(
        RegisterRegistry,
        database=database,
        keyring=keyring,
        synchronise=synchronise,
        background=background,
        clock=clock,
        new_uuid=new_uuid,
        wait_seconds=sync_wait_seconds,
        quotas=quotas,
    )
    describe_registry = One(DescribeRegistry, mirrors=mirrors)
    get_registry = One(GetRegistry, database=database, describe=describe_registry)
    list_registries = One(ListRegistries, database=database, describe=describe_registry)
    list_branch_commits = One(ListBranchCommits, database=database, mirrors=mirrors)
    set_credentials = One(SetCredentials, database=database, keyring=keyring)
    get_credentials = One(GetCredentials, database=database, keyring=keyring)
    sync_registry = One(
        SyncRegistry,
        database=database,
        sync=sync_then_update,
        background=background,
        clock=clock,
        interval_seconds=settings.provided.git.min_interval_sync_seconds,
        wait_seconds=sync_wait_seconds,
    )
    sync_missing = One(SyncMissing, database=database, mirrors=mirrors, sync=sync_then_update)
    sync_all = One(SyncAll, database=database, sync=sync_then_update)
    poll_remotes = One(
        PollRemotes,
        database=database,
        mirrors=mirrors,
        keyring=keyring,
        sync=sync_then_update,
        clock=clock,
    )
    receive_push = One(
        ReceivePush,
        database=database,
        sync=sync_then_update,
        background=background,
        instance_key=settings.provided.keys.secret_key,
    )
    get_push_secret = One(
        GetPushSecret, database=database, instance_key=settings.provided.keys.secret_key
    )
    delete_registry = One(
        DeleteRegistry, database=database, mirrors=mirrors, firmware=ports.firmware_files
    )

    recover_syncs = One(
        RecoverSyncs,
        database=database,
        leases=ports.leases,
        sync=sync_then_update,
        background=background,
    )

    # repos
    create_repo = One(
        CreateRepo,
        database=database,
        mirrors=mirrors,
        clock=clock,
        new_uuid=new_uuid,
        quotas=quotas,
        name_symbols=name_symbols,
    )
    get_repo = One(GetRepo, database=database)
    list_repos = One(ListRepos, database=database)
    get_repo_versions = One(GetRepoVersions, database=database, programs=programs)
    list_platforms = One(ListPlatforms, database=database, programs=programs)
    edit_repo = One(
        EditRepo,
        database=database,
        programs=programs,
        followers=followers,
        clock=clock,
        name_symbols=name_symbols,
    )
    delete_repo = One(DeleteRepo, database=database)

    # units
    vault = One(EnvVault, cipher=cipher, tokens=tokens, facts=facts)
    unit_rules = One(UnitRules, programs=programs, name_symbols=name_symbols)
    create_unit = One(
        CreateUnit,
        database=database,
        rules=unit_rules,
        builder=builder,
        vault=vault,
        clock=clock,
        new_uuid=new_uuid,
        new_secret=new_secret,
        quotas=quotas,
    )
    get_unit = One(GetUnit, database=database)
    list_units = One(ListUnits, database=database)
    edit_unit = One(
        EditUnit,
        database=database,
        rules=unit_rules,
        builder=builder,
        announce=announce_firmware,
        drain=drain,
        sessions=sessions,
        clock=clock,
    )
    delete_unit = One(
        DeleteUnit, database=database, builder=builder, drain=drain, sessions=sessions, logs=logs
    )
    get_env = One(GetEnv, database=database, vault=vault, programs=programs)
    set_env = One(SetEnv, database=database, vault=vault, programs=programs)
    reset_env = One(ResetEnv, database=database, vault=vault)
    get_target_version = One(GetTargetVersion, database=database, programs=programs)
    get_schema = One(GetSchema, database=database, programs=programs, domain=domain)
    get_archive = One(
        GetArchive,
        database=database,
        get_env=get_env,
        get_schema=get_schema,
        archives=ports.archives,
    )
    get_firmware = One(
        GetFirmware, database=database, fetch=fetch_firmware, files=ports.firmware_files
    )
    get_state_storage = One(GetStateStorage, database=database, cipher=cipher)
    set_state_storage = One(SetStateStorage, database=database, cipher=cipher)
    send_command = One(
        SendCommand,
        database=database,
        programs=programs,
        builder=builder,
        update_unit=update_unit,
        drain=drain,
    )
    import_units = One(ImportUnits, database=database, create_unit=create_unit, new_uuid=new_uuid)
    export_units = One(ExportUnits, database=database)
    command_units = One(CommandUnits, database=database, send_command=send_command)
    rotate_unit_token = One(
        RotateUnitToken,
        database=database,
        programs=programs,
        builder=builder,
        drain=drain,
        clock=clock,
    )
    revoke_unit_token = One(RevokeUnitToken, database=database, sessions=sessions)
    end_old_tokens = One(EndOldTokens, database=database, sessions=sessions, clock=clock)
    list_unit_logs = One(ListUnitLogs, database=database, logs=logs, clock=clock)

    # nodes
    get_node = One(GetNode, database=database)
    list_nodes = One(ListNodes, database=database)
    edit_node = One(EditNode, database=database, sessions=sessions, clock=clock)
    set_input = One(
        SetInput,
        database=database,
        publisher=publisher,
        clock=clock,
        domain=domain,
        payload_bytes_max=providers.Callable(_payload_bytes, settings),
    )
    create_edge = One(
        CreateEdge,
        database=database,
        builder=builder,
        drain=drain,
        sessions=sessions,
        new_uuid=new_uuid,
    )
    list_edges = One(ListEdges, database=database)
    delete_edge = One(
        DeleteEdge, database=database, builder=builder, drain=drain, sessions=sessions
    )

    # permissions
    create_permission = One(
        CreatePermission, database=database, sessions=sessions, new_uuid=new_uuid
    )
    list_permissions = One(ListPermissions, database=database)
    delete_permission = One(DeletePermission, database=database, sessions=sessions)

    # messages
    ingest = One(
        Ingest,
        database=database,
        journal=ports.journal,
        pack=providers.Object(pack_samples),
        unpack=providers.Object(unpack_samples),
        flush_seconds=settings.provided.pipes.buffer_flush_seconds,
    )
    store_state = One(
        StoreState, database=database, clock=clock, send_interval_seconds=state_seconds
    )
    receive_messages = One(
        ReceiveMessages,
        ingest=ingest,
        store_state=store_state,
        logs=logs,
        clock=clock,
        log_seconds=settings.provided.devices.unit_log_expiration_seconds,
    )
    admit_device = One(AdmitDevice, database=database, authenticate=authenticate, domain=domain)
    authorize_topic = One(
        AuthorizeTopic,
        database=database,
        domains=providers.Callable(_accepted_domains, settings, facts),
    )
    answer_broker = One(AnswerBroker, authenticate=authenticate, authorize=authorize_topic)
    presence = One(TrackPresence, database=database, drain=drain, clock=clock)

    get_metrics = One(GetMetrics, database=database, clock=clock)
    count_backlog = One(CountBacklog, database=database, clock=clock)
    journal = ports.journal
