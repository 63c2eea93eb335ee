"""What every use case is built from: the holes, the settings, and the questions asked of all."""

from __future__ import annotations

from dependency_injector import containers, providers

from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.pipe_forms import forms_of
from pepeunit.usecases.access.authenticate import Authenticate
from pepeunit.usecases.access.quotas import Quotas
from pepeunit.usecases.audit.read_audit import ListAudit, PurgeAudit
from pepeunit.usecases.audit.record_acts import RecordActs
from pepeunit.usecases.audit.recording import RecordingDatabase
from pepeunit.usecases.background import Background
from pepeunit.usecases.live.announcing import AnnouncingDatabase
from pepeunit.usecases.live.hub import Hub
from pepeunit.usecases.live.load import LoadEvents
from pepeunit.usecases.live.tap import TapMessages
from pepeunit.usecases.live.watch import WatchLive
from pepeunit.usecases.pipes.rules import PipeRules

One = providers.Singleton
KIB = 1024
MIB = 1024 * KIB


class Foundation(containers.DeclarativeContainer):
    """``ports``, ``settings`` and the instance's ``facts`` are given; everything else follows."""

    ports = providers.DependenciesContainer()
    settings = providers.Dependency(instance_of=Settings)
    facts = providers.Dependency(instance_of=InstanceFacts)
    mirrors = ports.mirrors
    clock = ports.clock
    new_uuid = ports.new_uuid
    background = One(Background)
    events = One(Hub)
    load_events = One(
        LoadEvents, database=ports.database, events=events, clock=clock, background=background
    )
    announcing = One(
        AnnouncingDatabase, inner=ports.database, events=events, load=load_events, clock=clock
    )
    database = One(RecordingDatabase, inner=announcing, clock=clock, new_uuid=new_uuid)
    new_secret = ports.new_secret
    passwords = ports.passwords
    tokens = ports.tokens
    cipher = ports.cipher
    sessions = ports.sessions
    publisher = ports.publisher
    logs = ports.logs
    series_writer = ports.series_writer
    series_reader = ports.series_reader
    series_admin = ports.series_admin
    copy_series = ports.copy_series
    domain = facts.provided.domain
    pipe_forms = One(forms_of, settings)
    pipe_rules = One(
        PipeRules, forms=pipe_forms, is_enabled=settings.provided.features.datapipe_enable
    )
    state_seconds = settings.provided.devices.state_send_interval_seconds
    sync_wait_seconds = settings.provided.git.sync_wait_seconds
    authenticate = One(
        Authenticate,
        database=database,
        tokens=tokens,
        clock=clock,
        sessions=sessions,
        domain=domain,
    )

    # live data
    tap_messages = One(TapMessages, events=events)
    watch_live = One(
        WatchLive,
        database=database,
        authenticate=authenticate,
        events=events,
        clock=clock,
        background=background,
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
