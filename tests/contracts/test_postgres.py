"""What PostgreSQL alone can do to us: migrations, lost connections, doors of its driver."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import evolve
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from pepeunit.adapters.postgres.connections import ConnectionLimits, connect
from pepeunit.adapters.postgres.database import PostgresDatabase
from pepeunit.adapters.postgres.migrations import (
    SCRIPTS,
    VERSION_TABLE,
    current_revision,
    migrate,
    revisions,
)
from pepeunit.adapters.postgres.tables import metadata
from pepeunit.domain.errors import Invalid, Unavailable
from tests.doubles.rows import Household, a_user


@pytest.fixture
async def empty_url(postgres_url: str) -> AsyncIterator[str]:
    """A database of its own, without a table."""
    name = f"empty_{uuid4().hex}"
    engine = connect(postgres_url, is_pooled=False)
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_the_names_of_the_scripts_are_the_chain_that_alembic_runs() -> None:
    chain = [script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()]
    assert revisions() == chain[::-1]


async def test_migrations_build_the_tables_of_the_code(empty_url: str) -> None:
    assert await current_revision(empty_url) is None
    applied = await migrate(empty_url)
    assert applied[0] == "r0001"
    assert await current_revision(empty_url) == applied[-1]
    assert await migrate(empty_url) == []
    engine = connect(empty_url, is_pooled=False)
    async with engine.connect() as connection:
        context_options = {"version_table": VERSION_TABLE, "compare_server_default": True}
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts=context_options), metadata
            )
        )
        stored = await connection.execute(
            text(
                "SELECT relname, reloptions[1] AS option FROM pg_class"
                " WHERE relkind = 'r' AND reloptions IS NOT NULL"
            )
        )
        options = {row.relname: row.option for row in stored}
    assert differences == []
    assert options == {
        table.name: f"fillfactor={settings['fillfactor']}"
        for table in metadata.sorted_tables
        if (settings := table.dialect_options["postgresql"]["with"])
    }


async def test_processes_that_migrate_at_once_apply_each_revision_once(empty_url: str) -> None:
    code = (
        "import asyncio, sys;"
        "from pepeunit.adapters.postgres.migrations import migrate;"
        "print(asyncio.run(migrate(sys.argv[1])))"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, empty_url, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [(await process.communicate())[0].decode().strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(outputs)[1] == "[]" and "r0001" in sorted(outputs)[0]


async def test_a_database_newer_than_the_code_is_refused(empty_url: str) -> None:
    await migrate(empty_url)
    async with connect(empty_url, is_pooled=False).begin() as connection:
        await connection.execute(text("UPDATE schema_version SET version_num = 'r9999'"))
    with pytest.raises(Unavailable, match="r9999"):
        await migrate(empty_url)
    assert await current_revision(empty_url) == "r9999"


async def test_a_store_that_is_down_is_unavailable() -> None:
    url = "postgresql://nobody:word@127.0.0.1:1/none"
    database = PostgresDatabase(connect(url, is_pooled=False))
    for opening in (database.begin, database.read):
        with pytest.raises(Unavailable, match="PostgreSQL") as failure:
            async with opening() as rows:
                await rows.users.get(a_user().uuid)
        assert "word" not in str(failure.value)
    with pytest.raises(Unavailable):
        await migrate(url)


async def test_a_lost_connection_is_unavailable_and_the_next_one_works(
    engine: AsyncEngine,
) -> None:
    database = PostgresDatabase(engine)
    user = a_user()
    with pytest.raises(Unavailable):
        async with database.begin() as tx:
            await tx.users.put(user)
            async with engine.connect() as killer:
                await killer.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()"
                    )
                )
            await tx.users.count()
    async with database.begin() as tx:
        assert await tx.users.get(user.uuid) is None
        await tx.users.put(user)


async def test_waiting_for_a_row_too_long_is_unavailable(
    engine: AsyncEngine, postgres_url: str
) -> None:
    hasty = connect(postgres_url, ConnectionLimits(lock_wait_seconds=0.05), is_pooled=False)
    home = Household()
    async with PostgresDatabase(engine).begin() as tx:
        await home.store(tx)
    async with PostgresDatabase(engine).begin() as tx:
        await tx.nodes.get(home.output.uuid, for_update=True)
        await tx.lock("name")
        with pytest.raises(Unavailable):
            async with PostgresDatabase(hasty).begin() as other:
                await other.nodes.get(home.output.uuid, for_update=True)
        with pytest.raises(Unavailable):
            async with PostgresDatabase(hasty).begin() as other:
                await other.lock("name")


async def test_a_statement_without_an_answer_is_unavailable(
    engine: AsyncEngine, postgres_url: str
) -> None:
    hasty = connect(postgres_url, ConnectionLimits(statement_seconds=0.2), is_pooled=False)
    home = Household()
    async with PostgresDatabase(engine).begin() as tx:
        await home.store(tx)
        with pytest.raises(Unavailable, match="time"):
            async with PostgresDatabase(hasty).begin() as other:
                await other.users.put(evolve(home.user, uuid=uuid4()))


async def test_a_full_pool_is_unavailable(engine: AsyncEngine, postgres_url: str) -> None:
    narrow = connect(postgres_url, ConnectionLimits(connections_max=1, pool_wait_seconds=0.05))
    database = PostgresDatabase(narrow)
    async with database.begin():
        with pytest.raises(Unavailable, match="in use"):
            async with database.begin():
                pass
    await narrow.dispose()


async def test_what_the_caller_raises_inside_is_left_alone(engine: AsyncEngine) -> None:
    for error in (OSError("disk"), TimeoutError("slow")):
        with pytest.raises(type(error)) as raised:
            async with PostgresDatabase(engine).begin():
                raise error
        assert raised.value is error


async def test_a_cancelled_transaction_rolls_back_and_gives_its_connection_back(
    engine: AsyncEngine,
) -> None:
    database = PostgresDatabase(engine)
    inside = asyncio.Event()

    async def wait_for_ever() -> None:
        async with database.begin() as tx:
            await tx.users.put(a_user())
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait_for_ever())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.read() as rows:
        assert await rows.users.count() == 0
    assert engine.pool.checkedout() == 0


async def test_a_statement_cut_short_never_commits(engine: AsyncEngine) -> None:
    database = PostgresDatabase(engine)
    async with database.begin() as blocker:
        await blocker.lock("name")
        with pytest.raises(RuntimeError):
            async with database.begin() as tx:
                await tx.users.put(a_user())
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await tx.lock("name")
    async with database.read() as rows:
        assert await rows.users.count() == 0


async def test_a_number_out_of_range_is_invalid(engine: AsyncEngine) -> None:
    home = Household()
    with pytest.raises(Invalid):
        async with PostgresDatabase(engine).begin() as tx:
            await home.store(tx)
            await tx.nodes.put([evolve(home.output, max_connections=2**70)])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://anna:w%40rd@db:5433/pu", "host=db port=5433"),
        ("postgresql+psycopg2://anna@db/pu?sslmode=require", "host=db ssl=require"),
        ("postgresql://anna@/pu?host=/run/pu&port=5433", "host=/run/pu port=5433"),
    ],
)
def test_the_usual_forms_of_urls_reach_the_driver(url: str, expected: str) -> None:
    engine = connect(url, is_pooled=False)
    _, found = engine.dialect.create_connect_args(engine.url)
    names = ("host", "port", "ssl")
    assert " ".join(f"{name}={found[name]}" for name in names if name in found) == expected
    assert (found["user"], found["database"]) == ("anna", "pu")
    assert "w@rd" not in repr(engine)


async def test_identities_are_plain_uuids(engine: AsyncEngine) -> None:
    home = Household()
    async with PostgresDatabase(engine).begin() as tx:
        await home.store(tx)
        unit = await tx.units.get(home.unit.uuid)
        assert unit is not None
        assert type(unit.uuid) is UUID and type(unit.repo_uuid) is UUID
        assert unit.create_datetime.utcoffset() is not None
