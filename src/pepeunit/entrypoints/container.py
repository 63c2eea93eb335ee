"""The wiring: every use case built once from the ports, before the first request.

``ports`` is the one hole; :mod:`pepeunit.entrypoints.parts` fills it whole with embedded or
external parts, tests and library users with the memory ones. Nothing on a hot path asks a
container: the doors take their use cases out of it at start-up.
"""

from __future__ import annotations

from dependency_injector import providers

from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.settings import Settings
from pepeunit.entrypoints.wiring.people import PeopleUseCases
from pepeunit.entrypoints.wiring.pipe_forms import payload_bytes
from pepeunit.entrypoints.wiring.pipes import PipeUseCases
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

One = providers.Singleton


def _accepted_domains(settings: Settings, facts: InstanceFacts) -> frozenset[str]:
    return frozenset((facts.domain, *settings.site.domain_aliases))


class UseCases(PipeUseCases):
    """Everything: what :mod:`pepeunit.entrypoints.wiring` builds, and devices on top of it."""

    # units
    vault = One(
        EnvVault,
        cipher=PeopleUseCases.cipher,
        tokens=PeopleUseCases.tokens,
        facts=PeopleUseCases.facts,
    )
    unit_rules = One(
        UnitRules, programs=PeopleUseCases.programs, name_symbols=PeopleUseCases.name_symbols
    )
    create_unit = One(
        CreateUnit,
        database=PeopleUseCases.database,
        rules=unit_rules,
        builder=PeopleUseCases.builder,
        vault=vault,
        clock=PeopleUseCases.clock,
        new_uuid=PeopleUseCases.new_uuid,
        new_secret=PeopleUseCases.new_secret,
        quotas=PeopleUseCases.quotas,
    )
    get_unit = One(GetUnit, database=PeopleUseCases.database)
    list_units = One(ListUnits, database=PeopleUseCases.database)
    edit_unit = One(
        EditUnit,
        database=PeopleUseCases.database,
        rules=unit_rules,
        builder=PeopleUseCases.builder,
        announce=PeopleUseCases.announce_firmware,
        drain=PeopleUseCases.drain,
        sessions=PeopleUseCases.sessions,
        clock=PeopleUseCases.clock,
    )
    delete_unit = One(
        DeleteUnit,
        database=PeopleUseCases.database,
        builder=PeopleUseCases.builder,
        drain=PeopleUseCases.drain,
        sessions=PeopleUseCases.sessions,
        logs=PeopleUseCases.logs,
    )
    get_env = One(
        GetEnv, database=PeopleUseCases.database, vault=vault, programs=PeopleUseCases.programs
    )
    set_env = One(
        SetEnv, database=PeopleUseCases.database, vault=vault, programs=PeopleUseCases.programs
    )
    reset_env = One(ResetEnv, database=PeopleUseCases.database, vault=vault)
    get_target_version = One(
        GetTargetVersion, database=PeopleUseCases.database, programs=PeopleUseCases.programs
    )
    get_schema = One(
        GetSchema,
        database=PeopleUseCases.database,
        programs=PeopleUseCases.programs,
        domain=PeopleUseCases.domain,
    )
    get_archive = One(
        GetArchive,
        database=PeopleUseCases.database,
        get_env=get_env,
        get_schema=get_schema,
        archives=PeopleUseCases.ports.archives,
    )
    get_firmware = One(
        GetFirmware,
        database=PeopleUseCases.database,
        fetch=PeopleUseCases.fetch_firmware,
        files=PeopleUseCases.ports.firmware_files,
    )
    get_state_storage = One(
        GetStateStorage, database=PeopleUseCases.database, cipher=PeopleUseCases.cipher
    )
    set_state_storage = One(
        SetStateStorage, database=PeopleUseCases.database, cipher=PeopleUseCases.cipher
    )
    send_command = One(
        SendCommand,
        database=PeopleUseCases.database,
        programs=PeopleUseCases.programs,
        builder=PeopleUseCases.builder,
        update_unit=PeopleUseCases.update_unit,
        drain=PeopleUseCases.drain,
    )
    import_units = One(
        ImportUnits,
        database=PeopleUseCases.database,
        create_unit=create_unit,
        new_uuid=PeopleUseCases.new_uuid,
        forms=PeopleUseCases.pipe_forms,
        await_pipes=PeopleUseCases.await_pipes,
    )
    export_units = One(ExportUnits, database=PeopleUseCases.database)
    command_units = One(CommandUnits, database=PeopleUseCases.database, send_command=send_command)
    rotate_unit_token = One(
        RotateUnitToken,
        database=PeopleUseCases.database,
        programs=PeopleUseCases.programs,
        builder=PeopleUseCases.builder,
        drain=PeopleUseCases.drain,
        clock=PeopleUseCases.clock,
    )
    revoke_unit_token = One(
        RevokeUnitToken, database=PeopleUseCases.database, sessions=PeopleUseCases.sessions
    )
    end_old_tokens = One(
        EndOldTokens,
        database=PeopleUseCases.database,
        sessions=PeopleUseCases.sessions,
        clock=PeopleUseCases.clock,
    )
    list_unit_logs = One(
        ListUnitLogs,
        database=PeopleUseCases.database,
        logs=PeopleUseCases.logs,
        clock=PeopleUseCases.clock,
    )

    # nodes
    get_node = One(GetNode, database=PeopleUseCases.database)
    list_nodes = One(ListNodes, database=PeopleUseCases.database)
    edit_node = One(
        EditNode,
        database=PeopleUseCases.database,
        sessions=PeopleUseCases.sessions,
        pipeline=PipeUseCases.pipeline,
        clock=PeopleUseCases.clock,
    )
    set_input = One(
        SetInput,
        database=PeopleUseCases.database,
        publisher=PeopleUseCases.publisher,
        clock=PeopleUseCases.clock,
        domain=PeopleUseCases.domain,
        payload_bytes_max=providers.Callable(payload_bytes, PeopleUseCases.settings),
    )
    create_edge = One(
        CreateEdge,
        database=PeopleUseCases.database,
        builder=PeopleUseCases.builder,
        drain=PeopleUseCases.drain,
        sessions=PeopleUseCases.sessions,
        new_uuid=PeopleUseCases.new_uuid,
    )
    list_edges = One(ListEdges, database=PeopleUseCases.database)
    delete_edge = One(
        DeleteEdge,
        database=PeopleUseCases.database,
        builder=PeopleUseCases.builder,
        drain=PeopleUseCases.drain,
        sessions=PeopleUseCases.sessions,
    )

    # messages
    store_state = One(
        StoreState,
        database=PeopleUseCases.database,
        clock=PeopleUseCases.clock,
        send_interval_seconds=PeopleUseCases.state_seconds,
    )
    receive_messages = One(
        ReceiveMessages,
        ingest=PipeUseCases.ingest,
        store_state=store_state,
        clock=PeopleUseCases.clock,
        log_seconds=PeopleUseCases.settings.provided.devices.unit_log_expiration_seconds,
        tap=PeopleUseCases.tap_messages,
    )
    admit_device = One(
        AdmitDevice,
        database=PeopleUseCases.database,
        authenticate=PeopleUseCases.authenticate,
        domain=PeopleUseCases.domain,
    )
    authorize_topic = One(
        AuthorizeTopic,
        database=PeopleUseCases.database,
        domains=providers.Callable(
            _accepted_domains, PeopleUseCases.settings, PeopleUseCases.facts
        ),
    )
    answer_broker = One(
        AnswerBroker, authenticate=PeopleUseCases.authenticate, authorize=authorize_topic
    )
    presence = One(
        TrackPresence,
        database=PeopleUseCases.database,
        drain=PeopleUseCases.drain,
        clock=PeopleUseCases.clock,
    )
    get_metrics = One(GetMetrics, database=PeopleUseCases.database, clock=PeopleUseCases.clock)
    count_backlog = One(CountBacklog, database=PeopleUseCases.database, clock=PeopleUseCases.clock)
    journal = PeopleUseCases.ports.journal
