"""CSV files of a node's data over REST (spec datapipe.md 9, rulings 33)."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from attrs import define, evolve, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepeunit.adapters.memory.series import MemorySeries
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.rows import StoredRow
from pepeunit.entrypoints.http.site import HttpLimits
from pepeunit.ports.series_reader import SeriesQuery
from pepeunit.ports.series_writer import SeriesBatch
from pepeunit.usecases.access.turns import Turns
from pepeunit.usecases.pipes.export_series import EXPORTS_MAX
from tests.doors.http.conftest import Life, lived
from tests.doors.http.piping import (
    EPOCH,
    LAST,
    VECTORS,
    a_config,
    aggregated,
    at,
    export,
    import_csv,
    piped,
    read,
    records,
    set_clock,
    set_config,
    table,
    unzipped,
    upload,
    windowed,
)
from tests.doors.http.platform import Platform
from tests.doors.http.serving import API, SITE
from tests.doors.http.test_pipes import is_the_code_8_of_a_pipe, ms, stored
from tests.doubles.memory import forget_peak, peak_mib

ONE = "state,create_datetime\na,2025-03-01 00:00:00\n"


def refused_at(reply, row: int) -> bool:
    start = f"422: 8: DataPipe Validation Error: Row {row}: "
    return reply.status == 422 and reply.detail.startswith(start)


async def rows_of(life: Life, node: str) -> dict[str, list[dict]]:
    return {
        policy: (await read(life, node, policy, "&order_by_create_date=asc"))["pipe_data"]
        for policy in ("NRecords", "TimeWindow", "Aggregation")
    }


def shown(row: dict, epoch: datetime = EPOCH) -> dict:
    """A stored row in the words of the vectors."""

    def t(name: str) -> float:
        return (datetime.fromisoformat(row[name]).replace(tzinfo=UTC) - epoch).total_seconds()

    moments = {
        "t": "create_datetime",
        "expires": "expiration_datetime",
        "start": "start_window_datetime",
        "end": "end_window_datetime",
    }
    words = {"fn": "aggregation_type", "window": "time_window_size"}
    return (
        {key: t(name) for key, name in moments.items() if name in row}
        | {key: row[name] for key, name in words.items() if name in row}
        | row
    )


@pytest.mark.parametrize("vector", VECTORS["csv"], ids=lambda v: v["id"])
async def test_csv_vectors(life: Life, vector) -> None:
    node = await piped(life, records(9))
    set_clock(life, 1)
    assert (await import_csv(life, node, ONE)).status == 204
    assert (await set_config(life, node, vector["config"])).status == 204
    before = await rows_of(life, node)
    set_clock(life, vector["now"])
    reply = await import_csv(life, node, vector["csv"])
    expected = vector["expect"]
    after = await rows_of(life, node)
    if "error_row" in expected:
        assert refused_at(reply, expected["error_row"]), reply.detail
        assert after == before
        return
    assert reply.status == 204, reply.content
    policy = vector["config"]["processing_policy"]["policy_type"]
    found = [shown(row) for row in after.pop(policy)]
    assert len(found) == len(expected["rows"])
    for row, wanted in zip(found, expected["rows"], strict=True):
        assert {key: row[key] for key in wanted} == wanted
    assert set(map(len, after.values())) == {0}


async def test_an_export_is_a_zip_of_one_csv_with_its_length_and_digest(life: Life) -> None:
    node = await piped(life, records(9))
    set_clock(life, 100)
    state = 'say "hi", ü\nthere'
    await stored(
        life,
        node,
        n_records=[
            (1, state, "Text", ms(1), 9, len(state.encode())),
            (2, "b", "Text", ms(2.007), 9, 1),
        ],
    )
    reply = await export(life, node)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/zip")
    assert int(reply.headers["Content-Length"]) == len(reply.content)
    assert reply.headers["ETag"] and reply.headers["Accept-Ranges"] == "bytes"
    name, text = unzipped(reply.content)
    assert name == f"dp_data_{node}.csv"
    size = len(state.encode())
    assert text == (
        "unit_node_uuid,state,state_type,create_datetime,max_count,size\r\n"
        f'{node},"say ""hi"", ü\nthere",Text,2025-03-01 00:00:01,9,{size}\r\n'
        f"{node},b,Text,2025-03-01 00:00:02.007000,9,1\r\n"
    )
    again = await life.ask(
        "GET",
        f"/unit_nodes/get_data_pipe_data_csv/{node}?is_bot_auth=false",
        "alice",
        headers={"If-None-Match": reply.headers["ETag"]},
    )
    assert again.status == 304


async def test_without_rows_and_for_last_value_there_is_no_export(life: Life) -> None:
    node = await piped(life, records(9))
    none = await export(life, node)
    assert none.detail == "422: 8: DataPipe Validation Error: No data found"
    assert (await set_config(life, node, LAST)).status == 204
    assert is_the_code_8_of_a_pipe(await export(life, node))
    assert is_the_code_8_of_a_pipe(await import_csv(life, node, ONE))


async def test_rulings_33_an_export_of_aggregates_is_of_the_current_function_and_size(
    life: Life,
) -> None:
    node = await piped(life, aggregated(60))
    set_clock(life, 1000)
    await stored(
        life,
        node,
        aggregates=[
            (1e-7, "Avg", 60, ms(60.3), ms(0), ms(60), 3),
            (2.0, "Max", 60, ms(120), ms(60), ms(120), 3),
            (3.0, "Avg", 300, ms(300), ms(0), ms(300), 3),
        ],
    )
    _, text = unzipped((await export(life, node)).content)
    assert table(text) == [
        [
            "unit_node_uuid",
            "state",
            "aggregation_type",
            "time_window_size",
            "create_datetime",
            "start_window_datetime",
            "end_window_datetime",
        ],
        [
            node,
            "1e-07",
            "Avg",
            "60",
            "2025-03-01 00:01:00.300000",
            "2025-03-01 00:00:00",
            "2025-03-01 00:01:00",
        ],
    ]
    _, every = unzipped((await export(life, node, "?all=true")).content)
    assert [line[1] for line in table(every)[1:]] == ["1e-07", "2.0", "3.0"]


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        (
            a_config(
                {"policy_type": "NRecords", "n_records_count": 5},
                type_input_value="Number",
                type_value_filtering="WhiteList",
                filtering_values=[1, 2],
                type_value_threshold="Max",
                threshold_max=2,
                last_unique_check=True,
                max_size=1,
                max_rate=5,
            )
            | {"transformations": {"multiplication_ratio": 2.5}},
            {
                "n_records": [
                    (1, "2.500000", "Number", ms(1), 5, 8),
                    (2, "5.000000", "Number", ms(6), 5, 8),
                    (3, "5.000000", "Number", ms(11.001), 5, 8),
                ]
            },
        ),
        (
            windowed(300, max_rate=1),
            {"time_windows": [(1, ' a,\r\n"b" ', "Text", ms(1), ms(301), 9)]},
        ),
        (
            aggregated(60, max_size=1, type_value_threshold="Max", threshold_max=0)
            | {"active_period": {"type": "ToDate", "end": "2025-03-01T00:00:30"}},
            {"aggregates": [(20 / 3, "Avg", 60, ms(60.4), ms(0), ms(60), 3)]},
        ),
    ],
    ids=["NRecords", "TimeWindow", "Aggregation"],
)
async def test_b17_an_unmodified_export_imports_again(life: Life, config, rows) -> None:
    """What is stored is not held to rules about what came in."""
    node = await piped(life, config)
    set_clock(life, 100)
    await stored(life, node, **rows)
    before = await rows_of(life, node)
    content = (await export(life, node)).content
    _, text = unzipped(content)
    reply = await import_csv(life, node, text)
    assert reply.status == 204, reply.content
    assert await rows_of(life, node) == before
    assert (await export(life, node)).content == content


async def test_an_expired_row_is_refused_and_nothing_is_lost(life: Life) -> None:
    node = await piped(life, windowed(60))
    set_clock(life, 30)
    assert (await import_csv(life, node, ONE)).status == 204
    _, text = unzipped((await export(life, node)).content)
    set_clock(life, 61)
    assert refused_at(await import_csv(life, node, text), 1)


HEAD = "state,create_datetime\n"
MOMENT = "2025-03-01 00:00:00"


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (b"", 0),
        (HEAD, 0),
        ("create_datetime\n", 0),
        (f"state,state,create_datetime\n1,1,{MOMENT}\n", 0),
        (f"{HEAD}1,yesterday\n", 1),
        (f"{HEAD}1,\n", 1),
        (f"{HEAD}1,2025-02-30 00:00:00\n", 1),
        (f"{HEAD}1,20250301T000000.00000\n", 1),
        (f"{HEAD}1,2025-03-01 00:00:00+00:00\n", 1),
        (f"{HEAD}1,0001-01-01 00:00:00\n", 1),
        (f"{HEAD}1,2999-01-01 00:00:00\n", 1),
        (f"{HEAD}1,{MOMENT}\nnan,{MOMENT}\n", 2),
        (f"{HEAD}1,{MOMENT}\n0x1p3,{MOMENT}\n", 2),
        (f"{HEAD}1,{MOMENT}\n,{MOMENT}\n", 2),
        (f"{HEAD}1,{MOMENT}\n1\n", 2),
        (f"{HEAD}1,{MOMENT}\n" + f'"1"2,{MOMENT}\n', 2),
        (f"{HEAD}1,{MOMENT}\n" + '"1', 2),
        (HEAD.encode() + b"\xff," + MOMENT.encode() + b"\n", 1),
        (f"{HEAD}1,{MOMENT}\n\n\n2,{MOMENT}\n3,2025\n", 3),
    ],
    ids=repr,
)
async def test_w38_a_bad_file_is_a_422_that_names_the_row_and_loses_nothing(
    life: Life, text, row: int
) -> None:
    node = await piped(life, records(9, type_input_value="Number"))
    assert (await import_csv(life, node, f"{HEAD}7,{MOMENT}\n")).status == 204
    before = await rows_of(life, node)
    reply = await import_csv(life, node, text)
    assert refused_at(reply, row), reply.detail
    assert await rows_of(life, node) == before
    assert len(await life.platform.series.known()) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{HEAD}a,{MOMENT}\n",
        f"state,create_datetime\r\na,{MOMENT}\r\n",
        "note, create_datetime ,state\nx,2025-03-01T00:00:00.000000,a",
        "state,create_datetime\na,2025-03-01 00:00:00.0009\n",
    ],
    ids=["BOM", "CRLF", "order, T and no last line end", "microseconds"],
)
async def test_forms_of_a_file_that_are_read(life: Life, text: str) -> None:
    node = await piped(life, records(9))
    reply = await import_csv(life, node, text)
    assert reply.status == 204, reply.content
    (row,) = (await read(life, node, "NRecords"))["pipe_data"]
    assert (row["state"], row["create_datetime"]) == ("a", at(0))


async def test_number_text_is_kept_as_written_and_trimmed(life: Life) -> None:
    node = await piped(life, records(9, type_input_value="Number"))
    text = f"{HEAD} 0.0000001\t,{MOMENT}\n5,{MOMENT}\n+7e0,{MOMENT}\n"
    assert (await import_csv(life, node, text)).status == 204
    found = (await read(life, node, "NRecords", "&order_by_create_date=asc"))["pipe_data"]
    assert [(row["state"], row["size"]) for row in found] == [
        ("0.0000001", 9),
        ("5", 1),
        ("+7e0", 4),
    ]


@pytest.mark.parametrize(
    ("filters", "second"),
    [
        ({"max_rate": 5}, "b,2025-03-01 00:00:04.999"),
        ({"last_unique_check": True}, "a,2025-03-01 00:00:05"),
        ({"max_size": 1}, "ü,2025-03-01 00:00:05"),
        ({"type_value_filtering": "WhiteList", "filtering_values": ["a"]}, f"b,{MOMENT}"),
        ({"type_value_filtering": "BlackList", "filtering_values": ["b"]}, f"b,{MOMENT}"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
async def test_the_filters_look_at_each_row(life: Life, filters, second: str) -> None:
    node = await piped(life, records(9, **filters))
    assert refused_at(await import_csv(life, node, f"{ONE}{second}\n"), 2)
    assert (await import_csv(life, node, ONE)).status == 204


@pytest.mark.parametrize(
    ("second", "is_taken"),
    [
        ("2025-03-01 00:02:00,2025-03-01 00:01:00,2025-03-01 00:02:00", True),
        ("2025-03-01 00:03:00,2025-03-01 00:02:00,2025-03-01 00:03:00", True),
        ("2025-03-01 00:01:00,2025-03-01 00:00:00,2025-03-01 00:01:00", False),
        ("2025-03-01 00:01:30,2025-03-01 00:01:30,2025-03-01 00:02:30", False),
        ("2025-03-01 00:03:00,2025-03-01 00:01:00,2025-03-01 00:02:00", False),
        ("2025-03-01 00:02:00,2025-03-01 00:00:00,2025-03-01 00:02:00", False),
        ("2025-03-01 00:02:00,,2025-03-01 00:02:00", False),
    ],
)
async def test_windows_follow_one_another(life: Life, second: str, is_taken: bool) -> None:
    node = await piped(life, aggregated(60))
    text = (
        "state,create_datetime,start_window_datetime,end_window_datetime\n"
        "1,2025-03-01 00:01:00,2025-03-01 00:00:00,2025-03-01 00:01:00\n"
        f"2,{second}\n"
    )
    reply = await import_csv(life, node, text)
    assert reply.status == 204 if is_taken else refused_at(reply, 2)


async def test_an_import_replaces_all_three_tables(life: Life) -> None:
    node = await piped(life, records(9))
    await stored(
        life,
        node,
        n_records=[(1, "old", "Text", ms(1), 9, 3)],
        time_windows=[(1, "7", "Number", ms(50), ms(10**9), 1)],
        aggregates=[(20.5, "Avg", 60, ms(60.3), ms(0), ms(60), 3)],
    )
    assert (await import_csv(life, node, ONE)).status == 204
    found = await rows_of(life, node)
    assert {policy: [row["state"] for row in rows] for policy, rows in found.items()} == {
        "NRecords": ["a"],
        "TimeWindow": [],
        "Aggregation": [],
    }
    async with life.platform.database.read() as rows:
        setting = await rows.pipes.setting(NodeId(UUID(node)))
    assert setting is not None and setting.seq == 1


@define(eq=False)
class StalledSeries(MemorySeries):
    """Says that a batch came, and takes it when told to; then ends as told."""

    came: asyncio.Event = field(factory=asyncio.Event)
    goes_on: asyncio.Event = field(factory=asyncio.Event)
    is_down: bool = False

    async def write(self, batch: SeriesBatch) -> None:
        await super().write(batch)
        self.came.set()
        await self.goes_on.wait()
        if self.is_down:
            raise Unavailable("ClickHouse", "is down")


@pytest.fixture
async def stalled() -> AsyncIterator[Life]:
    async with lived(Platform(series=StalledSeries())) as life:
        yield life


async def test_a_config_that_changes_meanwhile_refuses_the_file(stalled: Life) -> None:
    node = await piped(stalled, records(9))
    importing = asyncio.create_task(import_csv(stalled, node, ONE))
    await stalled.platform.series.came.wait()
    assert (await set_config(stalled, node, records(8))).status == 204
    stalled.platform.series.goes_on.set()
    assert is_the_code_8_of_a_pipe(await importing)
    assert (await read(stalled, node, "NRecords"))["count"] == 0
    assert await stalled.platform.series.known() == set()


async def test_an_import_does_not_bring_back_what_the_sweep_may_have_freed_meanwhile(
    stalled: Life,
) -> None:
    node = await piped(stalled, records(9))
    importing = asyncio.create_task(import_csv(stalled, node, ONE))
    await stalled.platform.series.came.wait()
    path = f"/unit_nodes/delete_data_pipe_data/{node}"
    assert (await stalled.ask("DELETE", path, "alice")).status == 204
    stalled.platform.series.goes_on.set()
    assert is_the_code_8_of_a_pipe(await importing)
    assert (await read(stalled, node, "NRecords"))["count"] == 0
    assert await stalled.platform.series.known() == set()


async def test_a_store_that_goes_down_meanwhile_is_a_503_and_changes_nothing(
    stalled: Life,
) -> None:
    node = await piped(stalled, records(9))
    stalled.platform.series.is_down = True
    stalled.platform.series.goes_on.set()
    reply = await import_csv(stalled, node, ONE)
    assert (reply.status, reply.detail[:20]) == (503, "503: 0: Unavailable:")
    assert (await read(stalled, node, "NRecords"))["count"] == 0


async def test_w38_an_upload_is_bounded_and_needs_its_part() -> None:
    limited = evolve(SITE, limits=HttpLimits(spooled_bytes_max=100_000))
    async with lived(Platform(), limited) as small:
        node = await piped(small, records(9))
        path = f"/unit_nodes/set_data_pipe_data_csv?uuid={node}"
        for size in (100_001, 400_000):
            reply = await small.ask("POST", path, "alice", data=upload(b"x" * size))
            assert (reply.status, reply.detail[:7]) == (413, "413: 2:"), size
        reply = await small.ask("POST", path, "alice", data=upload(ONE, part="file"))
        assert reply.status == 422 and reply.detail[0]["loc"] == ["body", "data"]
        reply = await small.ask("POST", path, "alice", json={})
        assert reply.status == 422 and reply.detail[0]["loc"] == ["body"]
        reply = await small.ask("POST", path, "none", data=upload(b"x" * 70_000))
        assert reply.status in (403, 413)
        form = aiohttp.FormData()
        form.add_field("note", "x" * 3000)
        form.add_field("data", ONE, filename="any")
        assert (await small.ask("POST", path, "alice", data=form)).status == 204


async def test_slow_strangers_do_not_keep_a_persons_file_waiting() -> None:
    limited = evolve(SITE, limits=HttpLimits(spooled_uploads_max=1, spooled_seconds_max=5))
    async with lived(Platform(), limited) as small:
        node = await piped(small, records(9))
        path = f"/unit_nodes/set_data_pipe_data_csv?uuid={node}"
        _, writer = await asyncio.open_connection("127.0.0.1", small.client.port)
        writer.write(
            f"POST {API}{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            'Content-Disposition: form-data; name="data"; filename="a"\r\n\r\nabc'.encode()
        )
        await writer.drain()
        await small.done("GET", "/metrics/", "none")  # the stranger's request was taken up before
        async with asyncio.timeout(3):
            assert (await import_csv(small, node, ONE)).status == 204
        writer.close()
        await writer.wait_closed()


async def piped_by_bert(life: Life) -> str:
    registry = await life.registry("bert", name="other")
    repo = await life.repo(registry["uuid"], "bert", name="others")
    unit = await life.unit(repo["uuid"], "bert", name="berts")
    return await piped(life, records(9), unit, "bert")


def slow_upload(token: str, path: str) -> bytes:
    """The beginning of a file that never ends."""
    return (
        f"POST {API}{path} HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {token}\r\n"
        "Content-Length: 999999\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        'Content-Disposition: form-data; name="data"; filename="a"\r\n\r\nabc'
    ).encode()


async def test_w38_one_persons_uploads_leave_turns_for_others_and_wait_no_longer_than_told() -> (
    None
):
    limited = evolve(SITE, limits=HttpLimits(turn_seconds_max=0.3))
    async with lived(Platform(), limited) as life:
        mine, theirs = await piped(life, records(9)), await piped_by_bert(life)
        path = f"/unit_nodes/set_data_pipe_data_csv?uuid={mine}"
        writers = []
        for _ in range(4):
            _, writer = await asyncio.open_connection("127.0.0.1", life.client.port)
            writer.write(slow_upload(life.tokens["alice"], path))
            await writer.drain()
            writers.append(writer)
        async with asyncio.timeout(5):
            assert (await import_csv(life, theirs, ONE, "bert")).status == 204
            reply = await import_csv(life, mine, ONE)
            assert (reply.status, reply.headers["Retry-After"]) == (429, "5")
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5):
            while (await import_csv(life, mine, ONE)).status != 204:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "part", [b"no header\r\n\r\n", b"A: " + b"b" * 20_000 + b"\r\n\r\n", b"\r\nabc", b""]
)
async def test_a_form_with_broken_heads_is_a_422(life: Life, part: bytes) -> None:
    node = await piped(life, records(9))
    path = f"/unit_nodes/set_data_pipe_data_csv?uuid={node}"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = await life.ask("POST", path, "alice", data=b"--x\r\n" + part, headers=headers)
    assert reply.status == 422


async def test_a_node_that_is_unknown_is_refused_as_everywhere(life: Life) -> None:
    await life.device()
    for method, path in (
        ("POST", "/unit_nodes/set_data_pipe_data_csv?uuid="),
        ("POST", "/unit_nodes/set_data_pipe_config?uuid="),
        ("GET", "/unit_nodes/get_data_pipe_data_csv/"),
    ):
        body = {"data": upload(ONE)} if method == "POST" else {}
        reply = await life.ask(method, path + "0" * 32, "alice", **body)
        assert reply.detail == "422: 2: Validation Error: node not found"


@define(eq=False)
class EndlessSeries(MemorySeries):
    """As many rows as wanted, made while they are read; fails at the end when told to."""

    wanted: int = 0
    is_failing: bool = False
    is_closed: bool = False

    async def stream(self, query: SeriesQuery) -> AsyncIterator[Sequence[StoredRow]]:
        node, generation = query.series.node, query.series.generation
        try:
            for start in range(0, self.wanted, 4096):
                yield [
                    (node, generation, seq, f"{seq * 0.7919:.6f}", "Number", ms(seq), 1024, 9)
                    for seq in range(start, min(start + 4096, self.wanted))
                ]
            if self.is_failing:
                raise Unavailable("ClickHouse", "went down")
        finally:
            self.is_closed = True


async def test_a_million_rows_are_sent_while_they_are_made_in_bounded_memory(
    tmp_path: Path,
) -> None:
    series = EndlessSeries()
    series.wanted = 1_000_000
    file = tmp_path / "export.zip"
    async with lived(Platform(series=series)) as life:
        node = await piped(life, records(9))
        path = f"{API}/unit_nodes/get_data_pipe_data_csv/{node}"
        url = f"http://127.0.0.1:{life.client.port}{path}"
        headers = {"X-Auth-Token": life.tokens["alice"]}
        before = forget_peak()
        async with life.client.session.get(url, headers=headers) as response:
            assert response.status == 200 and "Content-Length" not in response.headers
            with file.open("wb") as out:
                async for piece in response.content.iter_chunked(65_536):
                    out.write(piece)
        assert peak_mib() - before < 50
    with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as content:
        lines = sum(piece.count(b"\n") for piece in iter(lambda: content.read(2**20), b""))
    assert lines == 1_000_001


async def test_an_export_that_fails_late_is_cut_and_a_short_one_is_a_503() -> None:
    series = EndlessSeries()
    series.wanted, series.is_failing = 10, True
    async with lived(Platform(series=series)) as life:
        node = await piped(life, records(9))
        assert (await export(life, node)).status == 503
        series.wanted = 200_000
        with pytest.raises(aiohttp.ClientError):
            await export(life, node)


async def test_a_reader_that_hangs_up_ends_the_query() -> None:
    series = EndlessSeries()
    series.wanted = 50_000_000
    async with lived(Platform(series=series)) as life:
        node = await piped(life, records(9))
        path = f"{API}/unit_nodes/get_data_pipe_data_csv/{node}"
        url = f"http://127.0.0.1:{life.client.port}{path}"
        async with life.client.session.get(
            url, headers={"X-Auth-Token": life.tokens["alice"]}
        ) as response:
            await response.content.readany()
            response.close()
        async with asyncio.timeout(10):
            while not series.is_closed:
                await asyncio.sleep(0.01)


async def test_one_persons_exports_leave_turns_for_others_and_wait_no_longer_than_told() -> None:
    series = EndlessSeries()
    series.wanted = 50_000_000
    platform = Platform(series=series, export_turns=Turns("exports", EXPORTS_MAX, 0.3))
    async with lived(platform) as life:
        mine, theirs = await piped(life, records(9)), await piped_by_bert(life)

        @asynccontextmanager
        async def slow(node: str, who: str) -> AsyncIterator[int]:
            url = (
                f"http://127.0.0.1:{life.client.port}{API}/unit_nodes/get_data_pipe_data_csv/{node}"
            )
            headers = {"X-Auth-Token": life.tokens[who]}
            async with life.client.session.get(url, headers=headers) as response:
                yield response.status
                response.close()

        async with asyncio.timeout(60), slow(mine, "alice") as first:
            assert first == 200
            reply = await export(life, mine)
            assert (reply.status, reply.headers["Retry-After"]) == (429, "5")
            async with slow(theirs, "bert") as other:
                assert other == 200
                async with slow(mine, "alice") as second:
                    assert second == 429
        series.wanted = 10
        async with asyncio.timeout(60):
            while (await export(life, mine)).status != 200:
                await asyncio.sleep(0.05)


async def test_a_reader_that_takes_nothing_does_not_hold_the_query() -> None:
    series = EndlessSeries()
    series.wanted = 50_000_000
    patient = evolve(SITE, limits=HttpLimits(piece_seconds_max=0.3))
    async with lived(Platform(series=series), patient) as life:
        node = await piped(life, records(9))
        path = f"{API}/unit_nodes/get_data_pipe_data_csv/{node}"
        _, writer = await asyncio.open_connection("127.0.0.1", life.client.port, limit=1024)
        token = life.tokens["alice"]
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {token}\r\n\r\n".encode())
        await writer.drain()
        async with asyncio.timeout(15):
            while not series.is_closed:
                await asyncio.sleep(0.01)
        writer.close()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    states=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
        min_size=1,
        max_size=8,
    )
)
async def test_any_text_goes_out_and_in_unchanged(states: list[str]) -> None:
    async with lived(Platform()) as life:
        node = await piped(life, records(9))
        rows = [
            (seq, state, "Text", ms(seq), 9, len(state.encode()))
            for seq, state in enumerate(states, start=1)
        ]
        await stored(life, node, n_records=rows)
        before = await rows_of(life, node)
        _, text = unzipped((await export(life, node)).content)
        assert (await import_csv(life, node, text)).status == 204
        assert await rows_of(life, node) == before
