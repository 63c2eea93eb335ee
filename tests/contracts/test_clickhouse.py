"""What is ClickHouse's alone: migrations, outages, crashes, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pepeunit.adapters.clickhouse.connections import (
    READ_THREADS,
    STREAMS_MAX,
    Address,
    ClickHouse,
    insert,
    open_client,
)
from pepeunit.adapters.clickhouse.migrations import SCHEMA_TABLE, migrate, steps
from pepeunit.domain.errors import Invalid, Unavailable
from pepeunit.ports.series_writer import SeriesBatch
from tests.contracts.series_stores import SeriesStore, of_clickhouse, require_engine
from tests.contracts.test_series import asked, entry, new_node, record, token
from tests.doubles.clickhouse import PASSWORD, ClickHouseServer
from tests.doubles.ports import free_port

GOLDEN = Path(__file__).parent / "clickhouse_cluster.sql"
DEADLINE_SECONDS = 60


@pytest.fixture
async def server(clickhouse_server: ClickHouseServer) -> AsyncIterator[ClickHouseServer]:
    yield clickhouse_server
    clickhouse_server.suffer()


@pytest.fixture
async def remote(server: ClickHouseServer) -> AsyncIterator[SeriesStore]:
    store = await ClickHouse.open(Address.of(server.url))
    yield of_clickhouse(store)
    await store.close()


@pytest.fixture
def fresh(clickhouse_folder: Path) -> Callable[[], Any]:
    """A client in an empty database of the engine."""

    def make() -> Any:
        client = open_client(Address(clickhouse_folder))
        name = f"d{uuid4().hex}"
        client.command(f"CREATE DATABASE {name}")
        client.database = name
        return client

    return make


def tables_of(client: Any) -> set[str]:
    return {row[0] for row in client.query("SHOW TABLES").result_rows}


def test_migrations_run_once_and_in_order(fresh: Callable[[], Any]) -> None:
    client = fresh()
    assert migrate(client) == len(steps())
    assert migrate(client) == 0
    ran = client.query(f"SELECT step FROM {SCHEMA_TABLE} ORDER BY step").result_rows
    assert [row[0] for row in ran] == list(range(1, len(steps()) + 1))
    names = {"n_last_entry", "window_entry", "aggregation_entry", "unit_logs", SCHEMA_TABLE}
    assert tables_of(client) == names
    client.close()


@pytest.mark.parametrize("reached", range(5))
@pytest.mark.parametrize("recorded", [True, False])
def test_a_migration_that_was_cut_off_is_finished(
    fresh: Callable[[], Any], reached: int, recorded: bool
) -> None:
    """The step that ran without being recorded runs again."""
    client = fresh()
    cut = Cut(client, reached, recorded=recorded)
    with pytest.raises(KeyboardInterrupt):
        migrate(cut)  # type: ignore[arg-type]
    migrate(client)
    assert len(tables_of(client)) == 5
    assert migrate(client) == 0
    client.close()


class Cut:
    """A client whose process ends after so many statements or records."""

    def __init__(self, client: Any, left: int, *, recorded: bool) -> None:
        self.client, self.left, self.recorded = client, left, recorded
        self.server_version = client.server_version

    def command(self, text: str) -> Any:
        answer = self.client.command(text)
        if text.startswith("CREATE") and not self.recorded:
            self.count()
        return answer

    def insert(self, *given: Any, **named: Any) -> None:
        if self.recorded and self.left == 0:
            raise KeyboardInterrupt
        self.client.insert(*given, **named)
        if self.recorded:
            self.count()

    def count(self) -> None:
        self.left -= 1
        if self.left < 0 or (self.recorded and self.left == 0):
            raise KeyboardInterrupt


def test_a_schema_of_a_newer_version_is_left_alone(fresh: Callable[[], Any]) -> None:
    client = fresh()
    migrate(client)
    client.command(f"INSERT INTO {SCHEMA_TABLE} (step) VALUES (99)")
    with pytest.raises(Unavailable, match=r"step 99.*newer"):
        migrate(client)
    client.close()


def test_a_server_that_is_too_old_is_named() -> None:
    class Old:
        server_version = "24.8.1.2"

    with pytest.raises(Unavailable, match=r"24\.8\.1\.2 is too old: 25\.8"):
        migrate(Old())  # type: ignore[arg-type]


def test_the_columns_of_the_contract_come_first_and_in_its_order(
    fresh: Callable[[], Any],
) -> None:
    """Spec datapipe.md 6: clients insert without a list of columns."""
    client = fresh()
    migrate(client)
    columns = {
        table: [row[0] for row in client.query(f"DESCRIBE TABLE {table}").result_rows]
        for table in ("n_last_entry", "window_entry", "aggregation_entry")
    }
    assert columns["n_last_entry"][:6] == [
        *("unit_node_uuid", "state", "state_type", "create_datetime", "max_count", "size")
    ]
    assert columns["window_entry"][:6] == [
        *("unit_node_uuid", "state", "state_type", "create_datetime"),
        *("expiration_datetime", "size"),
    ]
    assert columns["aggregation_entry"][:7] == [
        *("unit_node_uuid", "state", "aggregation_type", "time_window_size", "create_datetime"),
        *("start_window_datetime", "end_window_datetime"),
    ]
    client.close()


def test_the_tables_of_a_cluster_are_as_reviewed() -> None:
    """Never run here: the embedded engine has no replicas, and no server is at hand."""
    assert ";\n\n".join(steps("main")) + ";\n" == GOLDEN.read_text()


async def test_a_store_that_is_down_says_so_and_comes_back_by_itself(
    remote: SeriesStore, server: ClickHouseServer
) -> None:
    node = new_node()
    await remote.writer.write(SeriesBatch(token(), [record(node, 1)]))
    server.suffer(unavailable=True)
    batch = SeriesBatch(token(), [record(node, 2)])
    for call in (
        remote.writer.write(batch),
        remote.reader.find(asked(node)),
        anext(remote.reader.stream(asked(node))),
        remote.admin.known(),
        remote.admin.delete([(node, 1)]),
        remote.admin.check(),
    ):
        with pytest.raises(Unavailable) as caught:
            await call
        assert str(caught.value) == "ClickHouse: does not answer"
    server.suffer()
    await remote.writer.write(batch)
    assert [row[2] for row in (await remote.reader.find(asked(node))).items] == [2, 1]


async def test_a_killed_store_has_what_it_answered(tmp_path: Path) -> None:
    require_engine()
    server = ClickHouseServer(tmp_path / "killed", free_port())
    server.start()
    store = await ClickHouse.open(Address.of(server.url))
    series, node = of_clickhouse(store), new_node()
    try:
        for seq in range(1, 6):
            await series.writer.write(SeriesBatch(token(), [record(node, seq)]))
            server.kill()
            with pytest.raises(Unavailable):
                await series.admin.check()
            server.start()
        assert (await series.reader.find(asked(node))).count == 5
    finally:
        await store.close()
        server.kill()


async def test_a_batch_whose_answer_was_lost_is_stored_once(
    remote: SeriesStore, server: ClickHouseServer
) -> None:
    node = new_node()
    batch = SeriesBatch(token(), (), [entry(node, n) for n in range(1, 6)])
    server.suffer(lost_answers=2)  # the client library tries twice
    with pytest.raises(Unavailable):
        await remote.writer.write(batch)
    await remote.writer.write(batch)
    await remote.writer.write(batch)
    assert (await remote.reader.find(asked(node, "TimeWindow"))).count == 5
    assert remote.store is not None
    kept = "SELECT count() FROM window_entry WHERE unit_node_uuid = {node:UUID}"
    parameters = {"node": str(node)}
    stored = await remote.store.read(lambda client: client.command(kept, parameters=parameters))
    assert stored == 5  # not even as a duplicate that reading removes


@pytest.mark.parametrize(
    ("code", "leaf"),
    [
        (252, Unavailable),  # too many parts
        (241, Unavailable),  # memory limit
        (243, Unavailable),  # disk full
        (164, Unavailable),  # readonly
        (60, Unavailable),  # the table is gone
        (117, Invalid),
        (469, Invalid),
        (691, Invalid),
    ],
)
async def test_what_passes_is_told_from_what_never_will(
    remote: SeriesStore, server: ClickHouseServer, code: int, leaf: type[Exception]
) -> None:
    server.suffer(refused_with=code)
    with pytest.raises(leaf) as caught:
        await remote.writer.write(SeriesBatch(token(), [record(new_node(), 1)]))
    told = str(caught.value)
    assert "DB::Exception" not in told and "127.0.0.1" not in told and PASSWORD not in told


async def test_a_wrong_password_is_not_repeated(server: ClickHouseServer) -> None:
    url = f"http://pepeunit:other-secret@127.0.0.1:{server.port}/default"
    with pytest.raises(Unavailable) as caught:
        await ClickHouse.open(Address.of(url))
    assert str(caught.value) == "ClickHouse: refused with code 516"


async def test_a_stream_waits_no_longer_than_told_and_a_copy_not_at_all(
    clickhouse_folder: Path,
) -> None:
    store = await ClickHouse.open(Address(clickhouse_folder))
    store.stream_wait_seconds_max = 0.1
    numbers = "SELECT number FROM numbers(100000)"
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS_MAX):
            blocks: Any = store.stream(numbers, {})
            stack.push_async_callback(blocks.aclose)
            assert await anext(blocks)
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable):
                await anext(aiter(store.stream(numbers, {})))
            assert await store.apart(lambda client: client.command("SELECT 1")) == 1
    async with asyncio.timeout(10):
        assert await anext(aiter(store.stream(numbers, {})))
    await store.close()


async def test_what_looks_at_every_row_may_take_longer_than_an_answer(
    clickhouse_folder: Path,
) -> None:
    store = await ClickHouse.open(Address(clickhouse_folder))
    series, node = of_clickhouse(store), new_node()
    await series.writer.write(SeriesBatch(token(), [record(node, 7)]))
    each_thread = threading.Barrier(READ_THREADS)

    def hurry(client: Any) -> None:
        each_thread.wait(DEADLINE_SECONDS)
        client.set_client_setting("max_execution_time", "0.000001")

    await asyncio.gather(*(store.read(hurry) for _ in range(READ_THREADS)))
    with pytest.raises(Unavailable):
        await store.read(lambda client: client.query("SELECT count() FROM n_last_entry"))
    assert (await series.admin.numbers())[node, 1] == (7, 0)
    assert (node, 1) in await series.admin.known()
    await store.close()


async def test_reading_does_not_wait_for_a_slow_insert(
    remote: SeriesStore, server: ClickHouseServer
) -> None:
    node = new_node()
    server.suffer(rows_a_second=20.0)
    writing = asyncio.create_task(
        remote.writer.write(SeriesBatch(token(), [record(node, n) for n in range(1, 41)]))
    )
    began, reads = time.monotonic(), 0
    while not writing.done():
        await remote.reader.find(asked(node))
        reads += 1
    assert time.monotonic() - began > 1.5
    assert reads > 3


async def test_a_large_insert_holds_up_neither_the_loop_nor_readers(
    clickhouse_folder: Path,
) -> None:
    store = await ClickHouse.open(Address(clickhouse_folder))
    series, node, other = of_clickhouse(store), new_node(), new_node()
    rows = [entry(node, n) for n in range(1, 300_001)]
    try:
        await series.writer.write(SeriesBatch(token(), [record(other, 1)]))
        writing = asyncio.create_task(series.writer.write(SeriesBatch(token(), (), rows)))
        turns = reads = 0
        await asyncio.sleep(0)
        reading: asyncio.Task[Any] | None = None
        began = time.monotonic()
        while not writing.done():
            if reading is None or reading.done():
                reads += reading is not None
                reading = asyncio.create_task(series.reader.find(asked(other)))
            await asyncio.sleep(0.005)
            turns += 1
        took = time.monotonic() - began
        assert reading is not None
        await reading
        assert turns > 5 * took
        assert reads >= 2
    finally:
        await store.close()


def run(verb: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.engine_process", verb, str(folder)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_was_written_outlives_kill_9(tmp_path: Path) -> None:
    """Each round starts on what the killed one left; what it printed is there, once."""
    require_engine()
    told = 0
    for answers in (1, 4, 2):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.engine_process", "write", str(tmp_path / "e")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(answers):
            told = int(process.stdout.readline())
        process.kill()
        process.stdout.close()
        process.wait()
        count, last = map(int, run("count", tmp_path / "e").split())
        assert count == last >= told


def test_a_second_process_is_told_that_the_folder_is_in_use(tmp_path: Path) -> None:
    require_engine()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contracts.engine_process", "write", str(tmp_path / "e")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        told = run("count", tmp_path / "e")
        assert told == "Unavailable ClickHouse: cannot be opened: another process may use it"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_process_of_the_platform_writes_rows_without_data_frames(tmp_path: Path) -> None:
    """On a board with 1 GiB their packages take more than everything else of the platform."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from pepeunit.adapters.clickhouse.connections import Address, ClickHouse\n"
        "from pepeunit.entrypoints.memory import spare_memory\n"
        "spare_memory()\n"
        "asyncio.run(ClickHouse.open(Address(Path(sys.argv[1]))))\n"
        "print('pandas' in sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "engine")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "False\n"


class KeepingClient:
    """As the library does: it holds what it was given after the insert."""

    def insert(self, table: str, values: list[Any], **options: Any) -> None:
        assert values == [(1, 2)]
        self.kept = values


def test_an_insert_leaves_no_columns_behind() -> None:
    client = KeepingClient()
    insert(client, "table", [("seq", "UInt64")], [(1, 2)], "token")
    assert client.kept == []
