"""Pipes by use case: what new nodes get, what a switch does, what an import of units checks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from attrs import evolve

from pepeunit.codecs.pipe import dump_pipe_json
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.access.scope import Scope
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import Deed
from pepeunit.domain.errors import Invalid, NotFound, Topic
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.record import SampleRecord
from pepeunit.domain.nodes.node import NodeType, PipeStatus
from pepeunit.domain.pipes.config import DEFAULT_PIPE, PolicyType
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.domain.units.batch import Batch
from pepeunit.ports.series_writer import SeriesBatch
from pepeunit.ports.units import UnitQuery
from pepeunit.usecases.nodes.edit_node import NodeChanges
from pepeunit.usecases.pipes.await_pipes import AwaitPipes
from pepeunit.usecases.pipes.backtest import BacktestPipe
from pepeunit.usecases.units.create_unit import UnitSettings
from pepeunit.usecases.units.edit_unit import UnitChanges
from pepeunit.usecases.units.export_units import ExportUnits
from pepeunit.usecases.units.import_units import ImportUnits
from tests.doors.http.piping import LAST, aggregated, records, windowed
from tests.usecases.platform import Platform, program

DEFAULT = dump_pipe_json(DEFAULT_PIPE)


@pytest.fixture
async def piping() -> AsyncIterator[Platform]:
    """A platform that gives new nodes the default pipe."""
    platform = Platform(default_pipe=DEFAULT)
    platform.remote.push(program({"output_topic": ["temp/pepeunit", "raw"]}), tag="v1")
    yield platform
    await platform.close()


async def nodes_of(platform: Platform, agent: Agent):
    unit = await platform.unit(agent, await platform.repo(agent))
    async with platform.database.read() as rows:
        return unit, {node.topic_name: node for node in await rows.nodes.of_unit(unit)}


async def test_new_nodes_with_the_suffix_start_with_the_default_pipe(piping: Platform) -> None:
    _, nodes = await nodes_of(piping, await piping.user("owner"))
    for name in ("temp/pepeunit", "led/pepeunit"):
        node = nodes[name]
        assert (node.is_data_pipe_active, node.data_pipe_status) == (True, "Active")
        config = json.loads(node.data_pipe_yml or "")
        assert config["processing_policy"]["policy_type"] == "LastValue"
        assert (config["filters"]["max_rate"], config["filters"]["max_size"]) == (5, 100)
    raw = nodes["raw"]
    assert (raw.is_data_pipe_active, raw.data_pipe_yml, raw.data_pipe_status) == (False, None, None)
    async with piping.database.read() as rows:
        assert {setting.config for setting in await rows.pipes.changed(0)} == {DEFAULT}


async def test_a_pipe_on_a_topic_without_the_suffix_is_refused(piping: Platform) -> None:
    owner = await piping.user("owner")
    _, nodes = await nodes_of(piping, owner)
    with pytest.raises(Invalid) as refused:
        await piping.edit_node(owner, nodes["raw"].uuid, NodeChanges(is_data_pipe_active=True))
    assert refused.value.topic is Topic.NODE


async def test_a_switch_changes_status_and_asks_the_pipeline(piping: Platform) -> None:
    owner = await piping.user("owner")
    _, nodes = await nodes_of(piping, owner)
    uuid = nodes["temp/pepeunit"].uuid
    piping.pipeline.versions.clear()
    off = await piping.edit_node(owner, uuid, NodeChanges(is_data_pipe_active=False))
    assert (off.data_pipe_status, off.data_pipe_yml) == ("Inactive", DEFAULT)
    on = await piping.edit_node(owner, uuid, NodeChanges(is_data_pipe_active=True))
    assert on.data_pipe_status == "Active"
    again = await piping.edit_node(owner, uuid, NodeChanges(is_data_pipe_active=True))
    assert again.data_pipe_status == "Active"
    assert len(piping.pipeline.versions) == 2


async def test_a_config_that_can_run_again_loses_its_error(piping: Platform) -> None:
    owner = await piping.user("owner")
    _, nodes = await nodes_of(piping, owner)
    uuid = nodes["temp/pepeunit"].uuid
    async with piping.stored.begin() as tx:
        await tx.pipes.report([uuid], PipeStatus.ERROR, "cannot run")
    await piping.set_pipe(owner, uuid, json.dumps(LAST).encode())
    async with piping.database.read() as rows:
        node = await rows.nodes.get(uuid)
    assert node is not None
    assert (node.data_pipe_status, node.data_pipe_error) == ("Active", None)


async def test_nothing_is_lost_without_a_pipeline(piping: Platform) -> None:
    owner = await piping.user("owner")
    _, nodes = await nodes_of(piping, owner)
    piping.pipeline.is_running = False
    uuid = nodes["temp/pepeunit"].uuid
    await piping.set_pipe(owner, uuid, json.dumps(records(3)).encode())
    await piping.purge_pipe(owner, uuid)
    async with piping.database.read() as rows:
        setting = await rows.pipes.setting(uuid)
    assert setting is not None and "NRecords" in (setting.config or "")


async def test_changes_of_pipes_are_told_in_the_audit_log(piping: Platform) -> None:
    owner = await piping.user("owner")
    _, nodes = await nodes_of(piping, owner)
    uuid = nodes["temp/pepeunit"].uuid
    for verb, change in (
        ("set", lambda: piping.set_pipe(owner, uuid, json.dumps(records(3)).encode())),
        ("purge", lambda: piping.purge_pipe(owner, uuid)),
    ):
        piping.clock.move(1)
        async with piping.acts(owner, verb, "::1", changes=True):
            await change()
        entry = (await piping.entries())[-1]
        assert (entry.verb, entry.subject.uuid) == (verb, uuid)
        assert entry.subject.owner == owner.uuid
        (told,) = entry.changes
        assert (told.kind, told.uuid, told.deed) == ("UnitNode", uuid, Deed.CHANGED)


async def versions_of(platform: Platform) -> int:
    async with platform.database.read() as rows:
        return max(setting.version for setting in await rows.pipes.changed(0))


async def test_a_unit_is_made_once_the_pipes_of_its_nodes_rule(piping: Platform) -> None:
    owner = await piping.user("owner")
    await nodes_of(piping, owner)
    assert piping.pipeline.versions == [await versions_of(piping)]


class Witnessed(list[int]):
    """Versions that were waited for, and how much the devices had been told by then."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.told: list[int] = []

    def append(self, version: int) -> None:
        self.told.append(len(self.platform.broker.published))
        super().append(version)


@pytest.mark.parametrize("way", ["followers", "one", "edit"])
async def test_a_device_is_told_of_a_new_version_once_the_pipes_of_its_nodes_rule(
    piping: Platform, way: str
) -> None:
    owner = await piping.user("owner")
    repo = await piping.repo(owner)
    names = ("one1", "two2", "six6") if way == "followers" else ("one1",)
    first = piping.remote.branches["main"]
    by_hand = {"repo_branch": "main", "repo_commit": first}
    chosen = by_hand | {"is_auto_update_from_repo_unit": False} if way == "edit" else {}
    units = [await piping.unit(owner, repo, name, **chosen) for name in names]
    piping.broker.listening.update(units)
    files = program({"output_topic": ["temp/pepeunit", "more/pepeunit"]})
    commit = piping.remote.push(files, tag="v2")
    before = len(piping.broker.published)
    piping.pipeline.versions = witnessed = Witnessed(piping)
    if way == "followers":
        await piping.poll()
    else:
        row = await piping.repo_row(repo)
        await piping.synchronise(row.repository_registry_uuid)
        if way == "one":
            await piping.update_unit(units[0])
            await piping.drain()
        else:
            await piping.edit_unit(owner, units[0], UnitChanges(repo_commit=commit))
    assert witnessed == [await versions_of(piping)]
    assert witnessed.told == [before]
    assert len(piping.broker.published) == before + len(units)


async def test_the_first_sample_of_a_new_node_is_not_ignored(piping: Platform) -> None:
    """With the pipeline itself: no look at the pipes is awaited but the one that was asked for."""
    owner = await piping.user("owner")
    repo = await piping.repo(owner)
    builder = evolve(piping.builder, await_pipes=AwaitPipes(piping.database, piping.ingest))
    create = evolve(piping.create_unit, builder=builder)
    running = asyncio.create_task(piping.ingest.run())
    assert await piping.ingest.ready()
    for number in range(3):
        settings = UnitSettings(
            f"unit-{number}", Visibility.PUBLIC, is_auto_update_from_repo_unit=True
        )
        unit = await create(owner, repo, settings)
        async with piping.database.read() as rows:
            nodes = await rows.nodes.of_unit(unit.uuid)
        (node,) = [one for one in nodes if one.topic_name == "temp/pepeunit"]
        await piping.ingest.accept(SampleRecord(to_ms(piping.clock()), {node.uuid: [b"21"]}))
    async with asyncio.timeout(5):
        while piping.ingest.counters.accepted + piping.ingest.counters.ignored < 3:
            await asyncio.sleep(0.005)
    assert (piping.ingest.counters.accepted, piping.ingest.counters.ignored) == (3, 0)
    running.cancel()
    await asyncio.wait([running])


async def test_an_import_of_units_waits_once_for_all_their_pipes(piping: Platform) -> None:
    owner = await piping.user("owner")
    await nodes_of(piping, owner)
    (draft,) = (await ExportUnits(piping.database)(owner, UnitQuery(Scope.of(owner)))).units
    batch = Batch(tuple(evolve(draft, place=f"units[{n}]", name=f"copy-{n}") for n in range(20)))
    imports = ImportUnits(
        piping.database, piping.create_unit, piping.ids, piping.forms, piping.await_pipes
    )
    piping.pipeline.versions.clear()
    await imports(owner, batch, dry_run=True)
    assert piping.pipeline.versions == []
    await imports(owner, batch, dry_run=False)
    assert piping.pipeline.versions == [await versions_of(piping)]


async def test_an_import_of_units_holds_configs_to_the_same_rules(piping: Platform) -> None:
    owner = await piping.user("owner")
    unit, nodes = await nodes_of(piping, owner)
    await piping.set_pipe(owner, nodes["temp/pepeunit"].uuid, json.dumps(records(3)).encode())
    batch = await ExportUnits(piping.database)(owner, UnitQuery(Scope.of(owner)))
    (draft,) = batch.units
    imports = ImportUnits(
        piping.database, piping.create_unit, piping.ids, piping.forms, piping.await_pipes
    )

    def with_config(config: str) -> Batch:
        changed = [
            evolve(node, data_pipe_yml=config) if node.topic_name == "temp/pepeunit" else node
            for node in draft.nodes
        ]
        return Batch((evolve(draft, place="units[0]", name="copied", nodes=tuple(changed)),))

    for config, path in (
        ("{}", "active_period"),
        ("active_period: yaml", ""),
        (json.dumps(records(0)), "processing_policy.n_records_count"),
        ('{"active_period": {"type": "Permanent", "start": NaN}}', "active_period.start"),
    ):
        with pytest.raises(Invalid) as refused:
            await imports(owner, with_config(config), dry_run=False)
        places = [place for place, _ in refused.value.violations]
        assert any("data_pipe_yml" in place and place.endswith(path) for place in places), places
    report = await imports(owner, with_config(json.dumps(records(4))), dry_run=False)
    async with piping.database.read() as rows:
        made = await rows.nodes.of_unit(report.units[0][1].uuid)
    (node,) = [one for one in made if one.topic_name == "temp/pepeunit"]
    assert json.loads(node.data_pipe_yml or "")["transformations"] is None
    assert (node.type, node.data_pipe_status) == (NodeType.OUTPUT, "Active")
    assert unit != node.unit_uuid


async def test_a_backtest_tells_what_another_config_would_keep_and_changes_nothing(
    piping: Platform,
) -> None:
    owner = await piping.user("owner")
    _, nodes = await nodes_of(piping, owner)
    uuid = nodes["temp/pepeunit"].uuid
    backtest = BacktestPipe(piping.database, piping.forms, piping.series, piping.clock)
    with pytest.raises(Invalid, match="no history"):
        await backtest(uuid, json.dumps(records(3)).encode())
    number = {"type_input_value": "Number"}
    await piping.set_pipe(owner, uuid, json.dumps(windowed(86_400, **number)).encode())
    now_ms = to_ms(piping.clock())
    async with piping.database.read() as rows:
        series = await rows.pipes.series(uuid)
        settings = await rows.pipes.changed(0)
    assert series is not None
    start = now_ms - now_ms % 60_000 - 600_000
    stored = [
        (uuid, series.generation, seq, str(seq), "Number", start + seq * 10_000, now_ms + 1, 1)
        for seq in range(1, 13)
    ]
    await piping.series.write(SeriesBatch("b", time_windows=stored))
    for config, accepted, kept, dropped in (
        (records(5), 12, 5, {}),
        (records(50, max_rate=20), 6, 6, {"rate": 6}),
        (
            records(50, **number, type_value_threshold="Max", threshold_max=4),
            4,
            4,
            {"threshold": 8},
        ),
        (windowed(300, last_unique_check=True), 12, 0, {}),
        (aggregated(60, "Max"), 12, 3, {}),
        (LAST, 12, 1, {}),
    ):
        told = await backtest(uuid, json.dumps(config).encode())
        assert (told.source, told.read) == (PolicyType.TIME_WINDOW, 12)
        assert (told.accepted, told.rows, told.is_exact) == (accepted, kept, True)
        assert {reason: count for reason, count in told.dropped.items() if count} == dropped
        assert (told.first_ms, told.last_ms) == (start + 10_000, start + 120_000)
    async with piping.database.read() as rows:
        assert await rows.pipes.changed(0) == settings
    with pytest.raises(NotFound):
        await backtest(NodeId(uuid4()), json.dumps(LAST).encode())
    with pytest.raises(Invalid):
        await backtest(uuid, b"{}")


async def test_a_backtest_takes_stored_values_for_values_without_a_stamp(
    piping: Platform,
) -> None:
    owner = await piping.user("owner")
    _, nodes = await nodes_of(piping, owner)
    uuid = nodes["temp/pepeunit"].uuid
    backtest = BacktestPipe(piping.database, piping.forms, piping.series, piping.clock)
    await piping.set_pipe(owner, uuid, json.dumps(windowed(86_400)).encode())
    now_ms = to_ms(piping.clock())
    async with piping.database.read() as rows:
        series = await rows.pipes.series(uuid)
    assert series is not None
    row = (uuid, series.generation, 1, "t=5;on", "Text", now_ms - 9000, now_ms + 1, 6)
    await piping.series.write(SeriesBatch("b", time_windows=[row]))
    event_time = {"lateness_seconds": 0, "ahead_seconds": 0}
    told = await backtest(uuid, json.dumps(records(5) | {"event_time": event_time}).encode())
    assert (told.accepted, told.rows) == (1, 1)
