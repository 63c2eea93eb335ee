"""Transactions: everything or nothing, and what a store refuses."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from attrs import evolve

from pepeunit.adapters.memory.database import MemoryDatabase
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.errors import Conflict, Invalid, Topic
from pepeunit.domain.registries.registry import SyncStatus
from pepeunit.domain.registries.version import Asset
from pepeunit.domain.units.state import UnitState
from pepeunit.domain.units.update import UpdateProgress
from pepeunit.ports.database import Census, Database
from pepeunit.ports.units import SealedKind
from tests.doubles.rows import (
    NOON,
    Household,
    a_command,
    a_node,
    a_registry,
    a_repo,
    a_unit,
    a_user,
    an_edge,
    stored,
)


class Undo(Exception):
    pass


async def test_every_field_of_every_row_comes_back_as_it_was_put(database: Database) -> None:
    home = Household()
    home.user = evolve(
        home.user,
        grafana_org_id="3",
        telegram_chat_id="77",
        token_generation=4,
        kept_token_id="this session",
    )
    home.registry = evolve(
        home.registry,
        releases={
            "v1": (Asset("a.bin", "https://x/a"), Asset("ü", "", "0" * 64, "https://y/a")),
            "v0": (),
        },
        local_repository_size=2**40,
        sync_status=SyncStatus.PROCESSING,
        sync_error="no",
        sync_progress=40,
        sync_last_datetime=NOON + timedelta(microseconds=7),
    )
    home.repo = evolve(
        home.repo, default_commit="c" * 40, is_only_tag_update=False, is_compilable_repo=True
    )
    home.unit = evolve(
        home.unit,
        target_firmware_platform="esp32",
        repo_branch="main",
        repo_commit="a" * 40,
        built_commit="b" * 40,
        built_tag="v1",
        current_commit_version="c" * 40,
        unit_state=UnitState(
            ifconfig=("10.0.0.2", 5, None), millis=1.5, statvfs=(1, 2), pu_commit_version="c" * 40
        ),
        state_datetime=NOON,
        update=UpdateProgress().sent(NOON).failed("late", NOON),
        token_generation=2,
        is_online=True,
        last_seen_datetime=NOON,
    )
    home.output = evolve(
        home.output,
        topic_name="long/" * 13_000,
        max_connections=2**31,
        state="21.5",
        state_datetime=NOON,
        is_data_pipe_active=True,
        data_pipe_yml="a: 1",
        data_pipe_status="Active",
        data_pipe_error="none",
    )
    edge = an_edge(home.output, home.input)
    async with database.begin() as tx:
        await home.store(tx)
        await tx.edges.put(edge)
    async with database.read() as rows:
        assert await rows.users.get(home.user.uuid) == home.user
        assert await rows.registries.get(home.registry.uuid) == home.registry
        assert await rows.repos.get(home.repo.uuid) == home.repo
        assert await rows.units.get(home.unit.uuid) == home.unit
        assert await rows.nodes.get(home.output.uuid) == home.output
        assert list(await rows.nodes.of_unit(home.unit.uuid)) == [home.input, home.output]
        assert await rows.edges.between(home.output.uuid, home.input.uuid) == edge
        assert await rows.edges.between(home.input.uuid, home.output.uuid) is None
        assert await rows.census() == Census(1, 1, 1, 1, 2, 1)
        assert await rows.users.count() == 1
        found = await rows.nodes.get(home.output.uuid)
        assert found is not None and type(found.uuid) is type(home.output.uuid)


async def test_putting_again_replaces(database: Database) -> None:
    home = await stored(database)
    changed = evolve(home.unit, name="another", visibility_level=Visibility.PRIVATE)
    async with database.begin() as tx:
        await tx.units.put(changed)
        await tx.nodes.put([evolve(home.output, max_connections=3)])
    async with database.read() as rows:
        assert await rows.units.get(home.unit.uuid) == changed
        assert await rows.nodes.get(home.output.uuid) == evolve(home.output, max_connections=3)


async def test_an_exception_rolls_everything_back(database: Database) -> None:
    home = await stored(database)
    with pytest.raises(Undo):
        async with database.begin() as tx:
            await tx.units.delete(home.unit.uuid)
            await tx.users.put(a_user())
            raise Undo
    async with database.read() as rows:
        assert await rows.census() == Census(1, 1, 1, 1, 2, 0)


async def test_a_reader_sees_nothing_before_the_commit(database: Database) -> None:
    async with database.begin() as tx, database.read() as rows:
        await tx.users.put(a_user())
        assert await tx.users.count() == 1
        assert await rows.users.count() == 0
    async with database.read() as rows:
        assert await rows.users.count() == 1


async def test_a_reader_may_neither_write_nor_lock(database: Database) -> None:
    home = await stored(database)
    async with database.read() as rows:
        with pytest.raises(RuntimeError, match="begin"):
            await rows.users.put(home.user)
        with pytest.raises(RuntimeError, match="begin"):
            await rows.users.get(home.user.uuid, for_update=True)
        with pytest.raises(RuntimeError, match="begin"):
            await rows.outbox.claim(NOON, NOON, 1)
    async with database.read() as rows:
        assert await rows.users.get(home.user.uuid) == home.user


async def test_a_swallowed_conflict_never_commits(database: Database) -> None:
    home = await stored(database)
    with pytest.raises(RuntimeError):
        async with database.begin() as tx:
            await tx.users.put(a_user(login="before"))
            with pytest.raises(Conflict):
                await tx.users.put(a_user(login=home.user.login))
            with pytest.raises(RuntimeError, match="roll back"):
                await tx.users.count()
    async with database.read() as rows:
        assert await rows.users.by_login("before") is None


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        ("login", Topic.USER),
        ("url", Topic.REGISTRY),
        ("repo", Topic.REPO),
        ("unit", Topic.UNIT),
        ("node", Topic.NODE),
        ("edge", Topic.NODE),
        ("registry with repos", Topic.ENTITY),
        ("repo with units", Topic.ENTITY),
        ("registry gone", Topic.ENTITY),
        ("repo gone", Topic.ENTITY),
        ("unit gone", Topic.ENTITY),
        ("node gone", Topic.ENTITY),
        ("user gone", Topic.ENTITY),
        ("command of nobody", Topic.ENTITY),
        ("sealed of nobody", Topic.ENTITY),
    ],
)
async def test_a_clash_is_a_conflict_with_its_topic(
    database: Database, kind: str, topic: Topic
) -> None:
    home = Household(a_user(login="Anna"))
    stranger = Household()
    edge = an_edge(home.output, home.input)
    async with database.begin() as tx:
        await home.store(tx)
        await tx.edges.put(edge)
    with pytest.raises(Conflict) as refusal:
        async with database.begin() as tx:
            actions = {
                "login": lambda: tx.users.put(a_user(login="aNNa")),
                "url": lambda: tx.registries.put(
                    a_registry(home.user, repository_url=home.registry.repository_url)
                ),
                "repo": lambda: tx.repos.put(a_repo(home.registry, home.user, name=home.repo.name)),
                "unit": lambda: tx.units.put(a_unit(home.repo, home.user, name=home.unit.name)),
                "node": lambda: tx.nodes.put(
                    [a_node(home.unit, topic_name=home.output.topic_name)]
                ),
                "edge": lambda: tx.edges.put(an_edge(home.output, home.input)),
                "registry with repos": lambda: tx.registries.delete(home.registry.uuid),
                "repo with units": lambda: tx.repos.delete(home.repo.uuid),
                "registry gone": lambda: tx.repos.put(a_repo(stranger.registry, home.user)),
                "repo gone": lambda: tx.units.put(a_unit(stranger.repo, home.user)),
                "unit gone": lambda: tx.nodes.put(
                    [evolve(home.output, uuid=uuid4(), unit_uuid=stranger.unit.uuid)]
                ),
                "node gone": lambda: tx.edges.put(
                    evolve(edge, uuid=uuid4(), node_output_uuid=stranger.output.uuid)
                ),
                "user gone": lambda: tx.repos.put(a_repo(home.registry, stranger.user)),
                "command of nobody": lambda: tx.outbox.put(a_command(stranger.unit)),
                "sealed of nobody": lambda: tx.units.put_sealed(
                    stranger.unit.uuid, SealedKind.ENV, "x"
                ),
            }
            await actions[kind]()
    assert refusal.value.topic is topic
    assert "_" not in refusal.value.message


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_no_store_holds_is_invalid(database: Database, text: str) -> None:
    home = await stored(database)
    with pytest.raises(Invalid) as refusal:
        async with database.begin() as tx:
            await tx.users.put(a_user(login=text, grafana_org_name=text))
    assert [path for path, _ in refusal.value.violations] == ["login", "grafana_org_name"]
    for write in (
        lambda tx: tx.units.put(evolve(home.unit, update=UpdateProgress(error=text))),
        lambda tx: tx.nodes.store_states([(home.output.uuid, text, NOON)], NOON),
        lambda tx: tx.units.put_sealed(home.unit.uuid, SealedKind.ENV, text),
        lambda tx: tx.outbox.put(a_command(home.unit, payload=text)),
    ):
        with pytest.raises(Invalid):
            async with database.begin() as tx:
                await write(tx)
    async with database.read() as rows:
        assert await rows.users.by_login(text) is None


async def test_a_state_that_json_cannot_express_is_invalid(database: Database) -> None:
    home = await stored(database)
    with pytest.raises(Invalid):
        async with database.begin() as tx:
            state = UnitState(ifconfig=(float("nan"),))
            await tx.units.put(evolve(home.unit, unit_state=state))


async def test_a_transaction_inside_ones_own_is_refused_in_memory_instead_of_waiting() -> None:
    database = MemoryDatabase()
    async with database.begin():
        with pytest.raises(RuntimeError, match="inside"):
            async with database.begin():
                pass
