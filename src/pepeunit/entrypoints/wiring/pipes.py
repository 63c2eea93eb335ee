"""The pipes of nodes: configs, stored series, drops."""

from __future__ import annotations

from typing import Final

from dependency_injector import providers

from pepeunit.entrypoints.wiring.people import PeopleUseCases
from pepeunit.usecases.access.turns import Turns
from pepeunit.usecases.pipes.backtest import BacktestPipe
from pepeunit.usecases.pipes.configure import CheckPipeConfig, GetPipeConfig, SetPipeConfig
from pepeunit.usecases.pipes.drops import ReadPipeDrops
from pepeunit.usecases.pipes.export_series import EXPORTS_MAX, ExportSeries
from pepeunit.usecases.pipes.import_series import ImportSeries
from pepeunit.usecases.pipes.purge import PurgeSeries
from pepeunit.usecases.pipes.read_series import ReadSeries

One = providers.Singleton

PIPE_CHECKS_MAX: Final = 60
PIPE_CHECK_WINDOW_SECONDS: Final = 60.0
"""Checks of configs for an address (rulings 15)."""


class PipeUseCases(PeopleUseCases):
    """Everything a pipe's door needs."""

    check_pipe_config = One(
        CheckPipeConfig,
        rules=PeopleUseCases.pipe_rules,
        throttle=PeopleUseCases.ports.check_throttle,
        checks_max=PIPE_CHECKS_MAX,
    )
    set_pipe_config = One(
        SetPipeConfig,
        database=PeopleUseCases.database,
        rules=PeopleUseCases.pipe_rules,
        pipeline=PeopleUseCases.pipeline,
        clock=PeopleUseCases.clock,
    )
    get_pipe_config = One(
        GetPipeConfig, database=PeopleUseCases.database, rules=PeopleUseCases.pipe_rules
    )
    read_pipe_data = One(
        ReadSeries,
        database=PeopleUseCases.database,
        rules=PeopleUseCases.pipe_rules,
        reader=PeopleUseCases.ports.series_reader,
        clock=PeopleUseCases.clock,
    )
    export_pipe_data = One(
        ExportSeries,
        database=PeopleUseCases.database,
        rules=PeopleUseCases.pipe_rules,
        reader=PeopleUseCases.ports.series_reader,
        clock=PeopleUseCases.clock,
        turns=One(
            Turns,
            "exports",
            EXPORTS_MAX,
            PeopleUseCases.settings.provided.requests.turn_seconds_max,
        ),
    )
    import_pipe_data = One(
        ImportSeries,
        database=PeopleUseCases.database,
        rules=PeopleUseCases.pipe_rules,
        writer=PeopleUseCases.ports.series_writer,
        admin=PeopleUseCases.ports.series_admin,
        pipeline=PeopleUseCases.pipeline,
        clock=PeopleUseCases.clock,
    )
    backtest_pipe = One(
        BacktestPipe,
        database=PeopleUseCases.database,
        forms=PeopleUseCases.pipe_forms,
        reader=PeopleUseCases.ports.series_reader,
        clock=PeopleUseCases.clock,
    )
    purge_pipe_data = One(
        PurgeSeries,
        database=PeopleUseCases.database,
        rules=PeopleUseCases.pipe_rules,
        pipeline=PeopleUseCases.pipeline,
    )
    read_pipe_drops = One(
        ReadPipeDrops,
        database=PeopleUseCases.database,
        rules=PeopleUseCases.pipe_rules,
        pipeline=PeopleUseCases.pipeline,
    )
