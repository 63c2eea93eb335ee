"""Programs on their way: git remotes, repos, updates and rollouts."""

from __future__ import annotations

from dependency_injector import providers

from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.foundation import MIB
from pepeunit.entrypoints.wiring.ingest import IngestUseCases
from pepeunit.entrypoints.wiring.pipe_forms import default_pipe
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
from pepeunit.usecases.updates.advance_rollout import AdvanceRollout
from pepeunit.usecases.updates.build import Builder
from pepeunit.usecases.updates.drain_outbox import DrainOutbox
from pepeunit.usecases.updates.move_units import MoveUnits
from pepeunit.usecases.updates.programs import Programs
from pepeunit.usecases.updates.rollouts import GetRollout, SetRolloutRule, SteerRollout
from pepeunit.usecases.updates.settle_commands import SettleCommands
from pepeunit.usecases.updates.sweep import SweepUpdates
from pepeunit.usecases.updates.update_repo import (
    BulkUpdate,
    StartRollout,
    UpdateFollowers,
    UpdateRepoUnits,
)
from pepeunit.usecases.updates.update_unit import UpdateUnit

One = providers.Singleton


def _mirror_bytes(settings: Settings) -> int:
    return settings.git.max_external_repo_mib * MIB


class ProgramUseCases(IngestUseCases):
    """Registries, repos, and moving units to their target versions."""

    # what reaches code hosts
    keyring = One(
        Keyring,
        database=IngestUseCases.database,
        cipher=IngestUseCases.cipher,
        hosts=IngestUseCases.ports.code_hosts,
    )
    fetch_firmware = One(FetchFirmware, files=IngestUseCases.ports.firmware_files, keyring=keyring)
    announce_firmware = One(
        AnnounceFirmware, fetch=fetch_firmware, api_url=IngestUseCases.facts.provided.api_url
    )

    # updates
    programs = One(
        Programs,
        mirrors=IngestUseCases.mirrors,
        topic_symbols=IngestUseCases.settings.provided.people.topic_symbols,
    )
    builder = One(
        Builder,
        clock=IngestUseCases.clock,
        new_uuid=IngestUseCases.new_uuid,
        default_pipe=providers.Callable(default_pipe, IngestUseCases.settings),
        await_pipes=IngestUseCases.await_pipes,
    )
    settle_commands = One(
        SettleCommands, database=IngestUseCases.database, clock=IngestUseCases.clock
    )
    drain = One(
        DrainOutbox,
        database=IngestUseCases.database,
        publisher=IngestUseCases.publisher,
        clock=IngestUseCases.clock,
        domain=IngestUseCases.domain,
        settle=settle_commands,
    )
    update_unit = One(
        UpdateUnit,
        database=IngestUseCases.database,
        programs=programs,
        builder=builder,
        announce=announce_firmware,
    )
    move_units = One(
        MoveUnits,
        programs=programs,
        builder=builder,
        announce=announce_firmware,
        clock=IngestUseCases.clock,
    )
    start_rollout = One(
        StartRollout,
        database=IngestUseCases.database,
        programs=programs,
        clock=IngestUseCases.clock,
        new_uuid=IngestUseCases.new_uuid,
    )
    advance_rollout = One(
        AdvanceRollout,
        database=IngestUseCases.database,
        programs=programs,
        move=move_units,
        drain=drain,
        leases=IngestUseCases.ports.leases,
        clock=IngestUseCases.clock,
    )
    followers = One(
        UpdateFollowers,
        database=IngestUseCases.database,
        programs=programs,
        start=start_rollout,
        advance=advance_rollout,
        move=move_units,
        drain=drain,
    )
    get_rollout = One(GetRollout, database=IngestUseCases.database)
    set_rollout_rule = One(SetRolloutRule, database=IngestUseCases.database)
    steer_rollout = One(
        SteerRollout,
        database=IngestUseCases.database,
        programs=programs,
        advance=advance_rollout,
        background=IngestUseCases.background,
        clock=IngestUseCases.clock,
    )
    update_repo_units = One(UpdateRepoUnits, database=IngestUseCases.database, followers=followers)
    bulk_update = One(BulkUpdate, followers=followers, background=IngestUseCases.background)
    sweep_updates = One(
        SweepUpdates,
        database=IngestUseCases.database,
        clock=IngestUseCases.clock,
        send_interval_seconds=IngestUseCases.state_seconds,
    )

    # registries
    synchronise = One(
        Synchronise,
        database=IngestUseCases.database,
        mirrors=IngestUseCases.mirrors,
        keyring=keyring,
        leases=IngestUseCases.ports.leases,
        clock=IngestUseCases.clock,
        mirror_bytes_max=providers.Callable(_mirror_bytes, IngestUseCases.settings),
    )
    sync_then_update = One(SyncThenUpdate, synchronise=synchronise, followers=followers)
    register_registry = One(
        RegisterRegistry,
        database=IngestUseCases.database,
        keyring=keyring,
        synchronise=synchronise,
        background=IngestUseCases.background,
        clock=IngestUseCases.clock,
        new_uuid=IngestUseCases.new_uuid,
        wait_seconds=IngestUseCases.sync_wait_seconds,
        quotas=IngestUseCases.quotas,
    )
    describe_registry = One(DescribeRegistry, mirrors=IngestUseCases.mirrors)
    get_registry = One(GetRegistry, database=IngestUseCases.database, describe=describe_registry)
    list_registries = One(
        ListRegistries, database=IngestUseCases.database, describe=describe_registry
    )
    list_branch_commits = One(
        ListBranchCommits, database=IngestUseCases.database, mirrors=IngestUseCases.mirrors
    )
    set_credentials = One(SetCredentials, database=IngestUseCases.database, keyring=keyring)
    get_credentials = One(GetCredentials, database=IngestUseCases.database, keyring=keyring)
    sync_registry = One(
        SyncRegistry,
        database=IngestUseCases.database,
        sync=sync_then_update,
        background=IngestUseCases.background,
        clock=IngestUseCases.clock,
        interval_seconds=IngestUseCases.settings.provided.git.min_interval_sync_seconds,
        wait_seconds=IngestUseCases.sync_wait_seconds,
    )
    sync_missing = One(
        SyncMissing,
        database=IngestUseCases.database,
        mirrors=IngestUseCases.mirrors,
        sync=sync_then_update,
    )
    sync_all = One(SyncAll, database=IngestUseCases.database, sync=sync_then_update)
    poll_remotes = One(
        PollRemotes,
        database=IngestUseCases.database,
        mirrors=IngestUseCases.mirrors,
        keyring=keyring,
        sync=sync_then_update,
        clock=IngestUseCases.clock,
    )
    receive_push = One(
        ReceivePush,
        database=IngestUseCases.database,
        sync=sync_then_update,
        background=IngestUseCases.background,
        instance_key=IngestUseCases.settings.provided.keys.secret_key,
    )
    get_push_secret = One(
        GetPushSecret,
        database=IngestUseCases.database,
        instance_key=IngestUseCases.settings.provided.keys.secret_key,
    )
    delete_registry = One(
        DeleteRegistry,
        database=IngestUseCases.database,
        mirrors=IngestUseCases.mirrors,
        firmware=IngestUseCases.ports.firmware_files,
    )
    recover_syncs = One(
        RecoverSyncs,
        database=IngestUseCases.database,
        leases=IngestUseCases.ports.leases,
        sync=sync_then_update,
        background=IngestUseCases.background,
    )

    # repos
    create_repo = One(
        CreateRepo,
        database=IngestUseCases.database,
        mirrors=IngestUseCases.mirrors,
        clock=IngestUseCases.clock,
        new_uuid=IngestUseCases.new_uuid,
        quotas=IngestUseCases.quotas,
        name_symbols=IngestUseCases.name_symbols,
    )
    get_repo = One(GetRepo, database=IngestUseCases.database)
    list_repos = One(ListRepos, database=IngestUseCases.database)
    get_repo_versions = One(GetRepoVersions, database=IngestUseCases.database, programs=programs)
    list_platforms = One(ListPlatforms, database=IngestUseCases.database, programs=programs)
    edit_repo = One(
        EditRepo,
        database=IngestUseCases.database,
        programs=programs,
        followers=followers,
        clock=IngestUseCases.clock,
        name_symbols=IngestUseCases.name_symbols,
    )
    delete_repo = One(DeleteRepo, database=IngestUseCases.database)
