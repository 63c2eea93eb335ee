"""Programs on their way: git remotes, repos, updates and rollouts."""

from __future__ import annotations

from dependency_injector import providers

from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.foundation import MIB, Foundation
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


class ProgramUseCases(Foundation):
    """Registries, repos, and moving units to their target versions."""

    # what reaches code hosts
    keyring = One(
        Keyring,
        database=Foundation.database,
        cipher=Foundation.cipher,
        hosts=Foundation.ports.code_hosts,
    )
    fetch_firmware = One(FetchFirmware, files=Foundation.ports.firmware_files, keyring=keyring)
    announce_firmware = One(
        AnnounceFirmware, fetch=fetch_firmware, api_url=Foundation.facts.provided.api_url
    )

    # updates
    programs = One(
        Programs,
        mirrors=Foundation.mirrors,
        topic_symbols=Foundation.settings.provided.people.topic_symbols,
    )
    builder = One(
        Builder,
        clock=Foundation.clock,
        new_uuid=Foundation.new_uuid,
        default_pipe=providers.Callable(default_pipe, Foundation.settings),
    )
    settle_commands = One(SettleCommands, database=Foundation.database, clock=Foundation.clock)
    drain = One(
        DrainOutbox,
        database=Foundation.database,
        publisher=Foundation.publisher,
        clock=Foundation.clock,
        domain=Foundation.domain,
        settle=settle_commands,
    )
    update_unit = One(
        UpdateUnit,
        database=Foundation.database,
        programs=programs,
        builder=builder,
        announce=announce_firmware,
    )
    move_units = One(
        MoveUnits,
        programs=programs,
        builder=builder,
        announce=announce_firmware,
        clock=Foundation.clock,
    )
    start_rollout = One(
        StartRollout,
        database=Foundation.database,
        programs=programs,
        clock=Foundation.clock,
        new_uuid=Foundation.new_uuid,
    )
    advance_rollout = One(
        AdvanceRollout,
        database=Foundation.database,
        programs=programs,
        move=move_units,
        drain=drain,
        leases=Foundation.ports.leases,
        clock=Foundation.clock,
    )
    followers = One(
        UpdateFollowers,
        database=Foundation.database,
        programs=programs,
        start=start_rollout,
        advance=advance_rollout,
        move=move_units,
        drain=drain,
    )
    get_rollout = One(GetRollout, database=Foundation.database)
    set_rollout_rule = One(SetRolloutRule, database=Foundation.database)
    steer_rollout = One(
        SteerRollout,
        database=Foundation.database,
        programs=programs,
        advance=advance_rollout,
        background=Foundation.background,
        clock=Foundation.clock,
    )
    update_repo_units = One(UpdateRepoUnits, database=Foundation.database, followers=followers)
    bulk_update = One(BulkUpdate, followers=followers, background=Foundation.background)
    sweep_updates = One(
        SweepUpdates,
        database=Foundation.database,
        clock=Foundation.clock,
        send_interval_seconds=Foundation.state_seconds,
    )

    # registries
    synchronise = One(
        Synchronise,
        database=Foundation.database,
        mirrors=Foundation.mirrors,
        keyring=keyring,
        leases=Foundation.ports.leases,
        clock=Foundation.clock,
        mirror_bytes_max=providers.Callable(_mirror_bytes, Foundation.settings),
    )
    sync_then_update = One(SyncThenUpdate, synchronise=synchronise, followers=followers)
    register_registry = One(
        RegisterRegistry,
        database=Foundation.database,
        keyring=keyring,
        synchronise=synchronise,
        background=Foundation.background,
        clock=Foundation.clock,
        new_uuid=Foundation.new_uuid,
        wait_seconds=Foundation.sync_wait_seconds,
        quotas=Foundation.quotas,
    )
    describe_registry = One(DescribeRegistry, mirrors=Foundation.mirrors)
    get_registry = One(GetRegistry, database=Foundation.database, describe=describe_registry)
    list_registries = One(ListRegistries, database=Foundation.database, describe=describe_registry)
    list_branch_commits = One(
        ListBranchCommits, database=Foundation.database, mirrors=Foundation.mirrors
    )
    set_credentials = One(SetCredentials, database=Foundation.database, keyring=keyring)
    get_credentials = One(GetCredentials, database=Foundation.database, keyring=keyring)
    sync_registry = One(
        SyncRegistry,
        database=Foundation.database,
        sync=sync_then_update,
        background=Foundation.background,
        clock=Foundation.clock,
        interval_seconds=Foundation.settings.provided.git.min_interval_sync_seconds,
        wait_seconds=Foundation.sync_wait_seconds,
    )
    sync_missing = One(
        SyncMissing, database=Foundation.database, mirrors=Foundation.mirrors, sync=sync_then_update
    )
    sync_all = One(SyncAll, database=Foundation.database, sync=sync_then_update)
    poll_remotes = One(
        PollRemotes,
        database=Foundation.database,
        mirrors=Foundation.mirrors,
        keyring=keyring,
        sync=sync_then_update,
        clock=Foundation.clock,
    )
    receive_push = One(
        ReceivePush,
        database=Foundation.database,
        sync=sync_then_update,
        background=Foundation.background,
        instance_key=Foundation.settings.provided.keys.secret_key,
    )
    get_push_secret = One(
        GetPushSecret,
        database=Foundation.database,
        instance_key=Foundation.settings.provided.keys.secret_key,
    )
    delete_registry = One(
        DeleteRegistry,
        database=Foundation.database,
        mirrors=Foundation.mirrors,
        firmware=Foundation.ports.firmware_files,
    )
    recover_syncs = One(
        RecoverSyncs,
        database=Foundation.database,
        leases=Foundation.ports.leases,
        sync=sync_then_update,
        background=Foundation.background,
    )

    # repos
    create_repo = One(
        CreateRepo,
        database=Foundation.database,
        mirrors=Foundation.mirrors,
        clock=Foundation.clock,
        new_uuid=Foundation.new_uuid,
        quotas=Foundation.quotas,
        name_symbols=Foundation.name_symbols,
    )
    get_repo = One(GetRepo, database=Foundation.database)
    list_repos = One(ListRepos, database=Foundation.database)
    get_repo_versions = One(GetRepoVersions, database=Foundation.database, programs=programs)
    list_platforms = One(ListPlatforms, database=Foundation.database, programs=programs)
    edit_repo = One(
        EditRepo,
        database=Foundation.database,
        programs=programs,
        followers=followers,
        clock=Foundation.clock,
        name_symbols=Foundation.name_symbols,
    )
    delete_repo = One(DeleteRepo, database=Foundation.database)
