"""What the collection of pipes promises."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import pytest
from attrs import evolve
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.copying import copy_in, copy_out
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.domain.errors import Invalid, NotFound
from pepeunit.domain.ids import NodeId
from pepeunit.domain.nodes.node import Node, PipeStatus
from pepeunit.domain.pipes.series import FIRST_GENERATION, Series, Trim
from pepeunit.ports.database import Database
from pepeunit.ports.pipes import PipeSetting
from tests.doubles.rows import NOON, Household, a_node

TEN = json.dumps({"processing_policy": {"policy_type": "NRecords", "n_records_count": 10}})
LAST = json.dumps({"processing_policy": {"policy_type": "LastValue", "n_records_count": 10}})


async def a_piped_node(database: Database, **given: object) -> Node:
    home = Household()
    node = a_node(
        home.unit,
        **{"topic_name": "t/pepeunit", "is_data_pipe_active": True, "data_pipe_yml": TEN, **given},
    )
    async with database.begin() as tx:
        await home.store(tx)
        await tx.nodes.put([node])
    return node


async def changes(database: Database, after: int = 0) -> list[tuple[NodeId, str | None, int, int]]:
    async with database.read() as rows:
        found = await rows.pipes.changed(after)
    assert [setting.version for setting in found] == sorted({s.version for s in found})
    assert all(setting.version > after for setting in found)
    return [(s.node, s.config, s.generation, s.seq) for s in found]


async def newest(database: Database) -> int:
    async with database.read() as rows:
        return max(setting.version for setting in await rows.pipes.changed(0))


async def test_every_way_to_change_a_pipe_is_a_change(database: Database) -> None:
    node = await a_piped_node(database)
    assert await changes(database) == [(node.uuid, TEN, FIRST_GENERATION, 0)]
    for changed, config in (
        (evolve(node, data_pipe_yml=LAST), LAST),
        (evolve(node, data_pipe_yml=LAST, is_data_pipe_active=False), None),
        (evolve(node, data_pipe_yml=LAST), LAST),
        (evolve(node, data_pipe_yml=None), None),
        (node, TEN),
    ):
        before = await newest(database)
        async with database.begin() as tx:
            await tx.nodes.put([changed])
        assert await changes(database, before) == [(node.uuid, config, FIRST_GENERATION, 0)]
    before = await newest(database)
    async with database.begin() as tx:
        generation = await tx.pipes.renew(node.uuid, seq=7)
    assert await changes(database, before) == [(node.uuid, TEN, generation, 7)]


async def test_the_newest_version_of_units_is_that_of_their_last_change(database: Database) -> None:
    first, second = await a_piped_node(database), await a_piped_node(database)
    bare = await a_piped_node(database, is_data_pipe_active=False, data_pipe_yml=None)
    async with database.begin() as tx:
        await tx.pipes.renew(first.uuid)
    async with database.read() as rows:
        settings = [await rows.pipes.setting(node.uuid) for node in (first, second)]
        older, newer = sorted(setting.version for setting in settings if setting is not None)
        assert settings[0] is not None and settings[0].version == newer
        assert await rows.pipes.newest([first.unit_uuid]) == newer
        assert await rows.pipes.newest([second.unit_uuid, bare.unit_uuid]) == older
        assert await rows.pipes.newest([second.unit_uuid, first.unit_uuid]) == newer
        assert await rows.pipes.newest([bare.unit_uuid]) == 0
        assert await rows.pipes.newest([]) == 0


async def test_what_is_no_change_of_a_pipe_has_no_version(database: Database) -> None:
    node = await a_piped_node(database)
    before = await newest(database)
    async with database.begin() as tx:
        await tx.nodes.put([evolve(node, max_connections=3)])
        await tx.nodes.store_states([(node.uuid, "1", NOON)], NOON)
        await tx.pipes.trim(node.uuid, Trim(5, 3))
        await tx.pipes.report([node.uuid], PipeStatus.ERROR, "no")
    assert await changes(database, before) == []


async def test_a_node_without_a_pipe_is_no_change_until_it_gets_one(database: Database) -> None:
    node = await a_piped_node(database, data_pipe_yml=None)
    assert await changes(database) == []
    async with database.begin() as tx:
        await tx.nodes.put([evolve(node, data_pipe_yml=TEN)])
    assert await changes(database) == [(node.uuid, TEN, FIRST_GENERATION, 0)]


async def test_a_setting_is_seen_inside_the_transaction_that_changes_it(
    database: Database,
) -> None:
    node = await a_piped_node(database)
    never = await a_piped_node(database, data_pipe_yml=None)
    before = await newest(database)
    async with database.begin() as tx:
        await tx.nodes.put([evolve(node, data_pipe_yml=LAST)])
        setting = await tx.pipes.setting(node.uuid)
        unpiped = await tx.pipes.setting(never.uuid)
        assert await tx.pipes.setting(NodeId(uuid4())) is None
    assert setting is not None and setting.version > before
    assert (setting.node, setting.config) == (node.uuid, LAST)
    assert unpiped == PipeSetting(never.uuid, None, FIRST_GENERATION, 0, 0)


async def test_only_a_pipe_that_was_renewed_changes(database: Database) -> None:
    first, second = await a_piped_node(database), await a_piped_node(database)
    async with database.begin() as tx:
        await tx.pipes.renew(first.uuid)
    assert [row[0] for row in await changes(database)] == [second.uuid, first.uuid]


async def test_a_change_that_is_rolled_back_is_none(database: Database) -> None:
    node = await a_piped_node(database)
    before = await newest(database)
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as tx:
            await tx.pipes.renew(node.uuid)
            raise ZeroDivisionError
    assert await changes(database, before) == []


async def test_putting_a_node_again_keeps_generation_seq_and_trims(database: Database) -> None:
    node = await a_piped_node(database)
    async with database.begin() as tx:
        generation = await tx.pipes.renew(node.uuid, seq=3)
        await tx.pipes.trim(node.uuid, Trim(5, 3))
        await tx.nodes.put([evolve(node, data_pipe_yml=LAST)])
    async with database.read() as rows:
        assert await rows.pipes.series(node.uuid) == Series(
            node.uuid, generation, None, (Trim(5, 3),)
        )
        assert (await rows.pipes.changed(0))[0].seq == 3


async def test_a_series_of_a_new_node_starts_at_the_first_generation(database: Database) -> None:
    node = await a_piped_node(database)
    async with database.read() as rows:
        assert await rows.pipes.series(node.uuid) == Series(node.uuid, FIRST_GENERATION, 10)
        assert await rows.pipes.series(NodeId(uuid4())) is None


async def test_renewing_empties_the_series_and_forgets_its_trims(database: Database) -> None:
    node = await a_piped_node(database)
    async with database.begin() as tx:
        await tx.pipes.trim(node.uuid, Trim(5, 3))
        generation = await tx.pipes.renew(node.uuid)
    async with database.read() as rows:
        assert await rows.pipes.series(node.uuid) == Series(node.uuid, generation, 10)
    assert generation > FIRST_GENERATION


async def test_a_reserved_generation_is_given_once_and_can_be_activated(
    database: Database,
) -> None:
    node = await a_piped_node(database)
    async with database.begin() as tx:
        reserved = await tx.pipes.reserve()
    async with database.begin() as tx:
        other = await tx.pipes.reserve()
        assert await tx.pipes.renew(node.uuid) not in (reserved, other)
    async with database.begin() as tx:
        assert await tx.pipes.renew(node.uuid, seq=9, generation=reserved) == reserved
    assert await changes(database) == [(node.uuid, TEN, reserved, 9)]
    assert len({FIRST_GENERATION, reserved, other}) == 3


async def test_trims_that_take_nothing_away_any_more_are_forgotten(database: Database) -> None:
    node = await a_piped_node(database)
    async with database.begin() as tx:
        for at, count in ((1, 9), (2, 4), (3, 4), (4, 7)):
            await tx.pipes.trim(node.uuid, Trim(at, count))
    async with database.read() as rows:
        series = await rows.pipes.series(node.uuid)
    assert series is not None and series.trims == (Trim(3, 4), Trim(4, 7))


async def test_living_series_are_those_of_nodes_that_can_have_a_pipe(database: Database) -> None:
    renewed = await a_piped_node(database)
    without = await a_piped_node(database, topic_name="t_pepeunit", data_pipe_yml=None)
    never = await a_piped_node(database, data_pipe_yml=None, is_data_pipe_active=False)
    gone = await a_piped_node(database)
    async with database.begin() as tx:
        generation = await tx.pipes.renew(renewed.uuid)
        await tx.nodes.delete([gone.uuid])
    async with database.read() as rows:
        living = await rows.pipes.living([one.uuid for one in (renewed, without, never, gone)])
        assert not await rows.pipes.living([])
        assert await rows.pipes.living([never.uuid]) == {(never.uuid, FIRST_GENERATION)}
        assert {row.node for row in await rows.pipes.changed(0)} == {renewed.uuid}
    assert living == {(renewed.uuid, generation), (never.uuid, FIRST_GENERATION)}
    assert without.uuid not in {node for node, _ in living}


async def test_nodes_are_counted_up_to_a_version_of_their_pipes(database: Database) -> None:
    first, second = [await a_piped_node(database) for _ in range(2)]
    await a_piped_node(database, data_pipe_yml=None, is_data_pipe_active=False)
    async with database.read() as rows:
        older, newer = [setting.version for setting in await rows.pipes.changed(0)]
        counts = [await rows.pipes.count(version) for version in (older - 1, older, newer)]
    assert counts == [0, 1, 2]
    async with database.begin() as tx:
        await tx.pipes.renew(first.uuid)
        await tx.nodes.delete([second.uuid])
    async with database.read() as rows:
        (latest,) = [setting.version for setting in await rows.pipes.changed(0)]
        assert [await rows.pipes.count(version) for version in (newer, latest)] == [0, 1]


async def test_a_pipe_that_cannot_run_says_so(database: Database) -> None:
    node = await a_piped_node(database)
    async with database.begin() as tx:
        await tx.pipes.report([node.uuid, NodeId(uuid4())], PipeStatus.ERROR, "why")
    async with database.read() as rows:
        found = await rows.nodes.get(node.uuid)
    assert found == evolve(node, data_pipe_status="Error", data_pipe_error="why")


async def test_a_pipe_of_no_node_is_refused(database: Database) -> None:
    for act in ("renew", "trim"):
        async with database.begin() as tx:
            with pytest.raises(NotFound):
                if act == "renew":
                    await tx.pipes.renew(NodeId(uuid4()))
                else:
                    await tx.pipes.trim(NodeId(uuid4()), Trim(1, 1))


async def test_a_read_may_not_change_a_pipe(database: Database) -> None:
    node = await a_piped_node(database)
    async with database.read() as rows:
        for change in (
            rows.pipes.renew(node.uuid),
            rows.pipes.reserve(),
            rows.pipes.trim(node.uuid, Trim(1, 1)),
            rows.pipes.report([node.uuid], PipeStatus.ACTIVE, None),
        ):
            with pytest.raises(RuntimeError):
                await change


async def test_an_error_text_that_no_store_holds_is_invalid(database: Database) -> None:
    node = await a_piped_node(database)
    async with database.begin() as tx:
        with pytest.raises(Invalid):
            await tx.pipes.report([node.uuid], PipeStatus.ERROR, "\0")


async def test_a_change_committed_late_is_seen_when_asked_from_a_little_before(
    engine: AsyncEngine,
) -> None:
    database = PostgresDatabase(engine)
    slow, fast = await a_piped_node(database), await a_piped_node(database)
    seen, written = asyncio.Event(), asyncio.Event()

    async def change_slowly() -> None:
        async with database.begin() as tx:
            await tx.pipes.renew(slow.uuid)
            written.set()
            await seen.wait()

    task = asyncio.create_task(change_slowly())
    await written.wait()
    before = await newest(database)
    async with database.begin() as tx:
        await tx.pipes.renew(fast.uuid)
    assert [row[0] for row in await changes(database, before)] == [fast.uuid]
    seen.set()
    await task
    assert [row[0] for row in await changes(database, before)] == [slow.uuid, fast.uuid]


async def test_a_statement_by_hand_is_numbered_too(engine: AsyncEngine) -> None:
    database = PostgresDatabase(engine)
    node = await a_piped_node(database)
    before = await newest(database)
    async with engine.begin() as connection:
        change = text("UPDATE nodes SET data_pipe_yml = '{}' WHERE uuid = :uuid")
        await connection.execute(change, {"uuid": node.uuid})
    assert await changes(database, before) == [(node.uuid, "{}", FIRST_GENERATION, 0)]


async def test_a_restored_database_goes_on_behind_its_versions_and_generations(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    url = engine.url.render_as_string(hide_password=False)
    database = PostgresDatabase(engine)
    node = await a_piped_node(database)
    async with database.begin() as tx:
        generation = await tx.pipes.renew(node.uuid)
    before = await newest(database)
    copied = await copy_out(url, tmp_path)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE users CASCADE"))
        for name in ("nodes_pipe_versions", "nodes_series_generations"):
            await connection.execute(text(f"ALTER SEQUENCE {name} RESTART"))
    await copy_in(url, copied.tables, tmp_path)
    assert await newest(database) == before
    async with database.begin() as tx:
        # generations given after the copy, whose rows a store may still have, are not given again
        assert await tx.pipes.renew(node.uuid) > generation + 1_000_000
    assert await newest(database) > before
