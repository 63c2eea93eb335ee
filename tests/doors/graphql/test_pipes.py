"""Pipes over GraphQL: what REST does, in the contract's types (spec graphql.md 4, 6, 7)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pepeunit.codecs.pipe_csv import moment_text
from pepeunit.domain.access.agent import BACKEND
from pepeunit.domain.ids import NodeId
from pepeunit.domain.messaging.topic import NodeTopic
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.entrypoints.cli.demo_journey import within
from pepeunit.ports.audit import AuditQuery
from tests.doors.graphql.platform import CHECKS, Gql, served
from tests.doors.http.piping import LAST, aggregated, records, windowed
from tests.doubles.memory import forget_peak, peak_mib
from tests.doubles.rows import node_of

CHECK = "query($file: Upload!) { checkDataPipeConfig(file: $file) { stage message } }"
SET = """mutation($u: UUID!, $file: Upload!) {
    setDataPipeConfig(uuid: $u, file: $file) { isNone } }"""
GET = "query($u: UUID!) { getDataPipeConfig(uuid: $u) }"
CSV = """mutation($u: UUID!, $file: Upload!) {
    setDataPipeDataCsv(uuid: $u, file: $file) { isNone } }"""
DELETE = "mutation($u: UUID!) { deleteDataPipeData(uuid: $u) { isNone } }"
READ = """
query($filters: DataPipeFilterInput!) {
  getPipeData(filters: $filters) {
    count
    pipeData {
      __typename
      ... on NRecordsType { unitNodeUuid state stateType createDatetime maxCount size }
      ... on TimeWindowType { state stateType createDatetime expirationDatetime size }
      ... on AggregationType {
        number: state aggregationType timeWindowSize createDatetime
        startWindowDatetime endWindowDatetime
      }
      ... on LastValueType { unitNodeUuid state lastUpdateDatetime }
    }
  }
}
"""
DROPS = """query($u: UUID!) {
    getPipeDrops(uuid: $u) { unitNodeUuid accepted dropped { reason count } } }"""
NOW = datetime(2026, 11, 23, 8, 30)  # noqa: DTZ001 the wire form, UTC
MIB = 1024 * 1024


async def piped(gql: Gql, config: Any) -> str:
    """An output of alice's with an active pipe of this config."""
    if "alice" not in gql.signed:
        await gql.sign_up("alice")
    node = await node_of(gql.database, "alice", is_data_pipe_active=True, state="21.5")
    await sent(gql, SET, str(node.uuid), json.dumps(config))
    return str(node.uuid)


async def sent(gql: Gql, query: str, node: str, content: str | bytes) -> None:
    body = content.encode() if isinstance(content, str) else content
    answer = await gql.ask(query, "alice", files={"file": body}, u=node)
    assert "errors" not in answer, answer
    assert next(iter(answer["data"].values())) == {"isNone": True}


async def refused(gql: Gql, query: str, content: bytes, who: str = "alice", **given: Any) -> str:
    answer = await gql.ask(query, who, files={"file": content}, **given)
    (error,) = answer["errors"]
    return str(error["message"])


async def read(gql: Gql, node: str, policy: str, **filters: Any) -> list[dict[str, Any]]:
    told = await gql.done(READ, "alice", filters={"uuid": node, "type": policy} | filters)
    assert told["count"] == len(told["pipeData"])
    return list(told["pipeData"])


async def test_a_check_tells_each_violation_with_its_stage(gql: Gql) -> None:
    await gql.sign_up("alice")
    for who in ("none", "alice"):
        good = await gql.ask(CHECK, who, files={"file": json.dumps(LAST).encode()})
        assert good == {"data": {"checkDataPipeConfig": []}}
        bad = await gql.ask(
            CHECK, who, files={"file": json.dumps(records(0, max_rate=-1)).encode()}
        )
        found = bad["data"]["checkDataPipeConfig"]
        assert [one["stage"] for one in found] == ["FILTERS", "PROCESSING_POLICY"]
        assert all(one["message"] for one in found)


async def test_rulings_15_checks_are_bounded_in_size_and_in_rate(gql: Gql) -> None:
    await gql.sign_up("alice")
    for content in (b"", b"a: [", b"- 1", b"\xff\xfe", b"a: " + b"x" * 65_536):
        assert (await refused(gql, CHECK, content)).startswith("422: 8: DataPipe Validation Error")
    large = await refused(gql, CHECK, b"x" * 100_000, "none")
    assert large.startswith("413: ")
    for _ in range(CHECKS):
        answer = await gql.ask(CHECK, files={"file": json.dumps(LAST).encode()})
    (error,) = answer["errors"]
    assert error["message"].startswith("429: ")
    assert error["extensions"]["retryAfter"] > 0


async def test_a_config_is_set_read_and_told_of(gql: Gql) -> None:
    node = await piped(gql, records(3))
    config = await gql.done(GET, "alice", u=node)
    assert "n_records_count: 3" in config
    await sent(gql, SET, node, config)
    wrong = await refused(gql, SET, json.dumps(records(0)).encode(), u=node)
    assert wrong.startswith("422: 8: DataPipe Validation Error: 1 error")
    async with gql.database.read() as rows:
        found = (await rows.audit.find(AuditQuery(verb="unit_nodes.set_pipe"))).items
    assert [str(entry.subject.uuid) for entry in found] == [node] * 2


async def test_every_type_of_what_is_kept(gql: Gql) -> None:
    recent = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0)
    clock = gql.use.clock()
    clock.now = recent.replace(tzinfo=UTC)
    minute, before = recent - timedelta(minutes=1), recent - timedelta(minutes=2)
    node = await piped(gql, records(5))
    plain = f"state,create_datetime\na,{before}\nb,{minute}\n"
    await sent(gql, CSV, node, plain)
    newest, oldest = await read(gql, node, "N_RECORDS")
    assert (newest["state"], oldest["state"]) == ("b", "a")
    assert newest == {
        "__typename": "NRecordsType",
        "unitNodeUuid": node,
        "state": "b",
        "stateType": "TEXT",
        "createDatetime": minute.isoformat(),
        "maxCount": 5,
        "size": 1,
    }
    ascending = await read(gql, node, "N_RECORDS", orderByCreateDate="asc", searchString="A")
    assert [row["state"] for row in ascending] == ["a"]

    await sent(gql, SET, node, json.dumps(windowed(600)))
    await sent(gql, CSV, node, plain)
    (row, _) = await read(gql, node, "TIME_WINDOW")
    assert row["__typename"] == "TimeWindowType"
    assert row["expirationDatetime"] == (minute + timedelta(seconds=600)).isoformat()

    await sent(gql, SET, node, json.dumps(aggregated(60)))
    await sent(
        gql,
        CSV,
        node,
        "state,create_datetime,start_window_datetime,end_window_datetime\n"
        f"1.5,{recent},{minute},{recent}\n",
    )
    (row,) = await read(gql, node, "AGGREGATION")
    assert row == {
        "__typename": "AggregationType",
        "number": 1.5,
        "aggregationType": "AVG",
        "timeWindowSize": 60,
        "createDatetime": recent.isoformat(),
        "startWindowDatetime": minute.isoformat(),
        "endWindowDatetime": recent.isoformat(),
    }
    kept = {"aggregationType": None}, {"aggregationType": ["AVG", "MIN"]}, {"timeWindowSize": 60}
    for filters in kept:
        assert len(await read(gql, node, "AGGREGATION", **filters)) == 1
    gone = {"aggregationType": []}, {"aggregationType": ["MIN"]}, {"timeWindowSize": 120}
    for filters in (*gone, {"startAggWindowDatetime": f"{recent}Z", "relativeTime": "1s"}):
        clock.now += timedelta(seconds=2)
        assert await read(gql, node, "AGGREGATION", **filters) == []

    (row,) = await read(gql, node, "LAST_VALUE")
    assert (row["__typename"], row["unitNodeUuid"], row["state"]) == ("LastValueType", node, "21.5")
    assert await gql.done(DELETE, "alice", u=node) == {"isNone": True}
    assert await read(gql, node, "AGGREGATION") == []
    message = await gql.refused(
        READ, "alice", filters={"uuid": node, "type": "N_RECORDS", "relativeTime": "soon"}
    )
    assert message.startswith("422: 8: DataPipe Validation Error: ")


@pytest.mark.parametrize(
    ("content", "row"),
    [
        (b"", 0),
        (b"state\n1\n", 0),
        (b"state,create_datetime\na,yesterday\n", 1),
        (b'state,create_datetime\n"', 1),
    ],
)
async def test_a_bad_file_is_refused_by_its_row_and_loses_nothing(
    gql: Gql, content: bytes, row: int
) -> None:
    node = await piped(gql, records(5))
    await sent(gql, CSV, node, f"state,create_datetime\na,{NOW}\n")
    message = await refused(gql, CSV, content, u=node)
    assert message.startswith("422: 8: DataPipe Validation Error: Row " + str(row))
    assert [one["state"] for one in await read(gql, node, "N_RECORDS")] == ["a"]


async def test_one_file_may_go_to_two_nodes(gql: Gql) -> None:
    first, second = await piped(gql, records(5)), await piped(gql, records(5))
    query = """mutation($a: UUID!, $b: UUID!, $file: Upload!) {
        a: setDataPipeDataCsv(uuid: $a, file: $file) { isNone }
        b: setDataPipeDataCsv(uuid: $b, file: $file) { isNone } }"""
    file = f"state,create_datetime\na,{NOW}\n".encode()
    answer = await gql.ask(query, "alice", files={"file": file}, a=first, b=second)
    assert answer == {"data": {"a": {"isNone": True}, "b": {"isNone": True}}}
    assert len(await read(gql, second, "N_RECORDS")) == 1


def a_form(node: str, rows: int, row_bytes: int) -> tuple[Any, dict[str, str]]:
    """A CSV whose third column nobody wants, made while it is sent."""
    document = {"query": CSV, "variables": {"u": node, "file": None}}

    async def pieces() -> AsyncIterator[bytes]:
        yield (
            b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n'
            + json.dumps(document).encode()
            + b'\r\n--x\r\nContent-Disposition: form-data; name="map"\r\n\r\n'
            b'{"1": ["variables.file"]}\r\n--x\r\n'
            b'Content-Disposition: form-data; name="1"; filename="a.csv"\r\n\r\n'
            b"state,create_datetime,wide\n"
        )
        start = to_ms(NOW.replace(tzinfo=UTC)) - rows
        for number in range(rows):
            line = f"{number},{moment_text(start + number)},".encode()
            yield line.ljust(row_bytes - 1, b"#") + b"\n"
        yield b"\r\n--x--\r\n"

    return pieces(), {"Content-Type": "multipart/form-data; boundary=x"}


async def test_w38_a_file_of_60_mib_lies_on_disk_and_never_in_memory(gql: Gql) -> None:
    node = await piped(gql, windowed(86_400))
    before = forget_peak()
    body, headers = a_form(node, 960, MIB // 16)
    reply = await gql.send(who="alice", data=body, headers=headers)
    assert reply.json == {"data": {"setDataPipeDataCsv": {"isNone": True}}}
    assert peak_mib() - before < 30
    assert (
        await gql.done(READ, "alice", filters={"uuid": node, "type": "TIME_WINDOW", "limit": 1})
    )["count"] == 960


async def test_w38_a_file_over_the_limit_is_a_413() -> None:
    async with served(PU_CSV_BYTES_MAX=str(MIB)) as gql:
        node = await piped(gql, windowed(86_400))
        body, headers = a_form(node, 17, MIB // 16)
        reply = await gql.send(who="alice", data=body, headers=headers)
        assert reply.json["errors"][0]["message"].startswith("413: 2: Validation Error: ")
        assert await read(gql, node, "TIME_WINDOW") == []


async def test_why_a_value_is_missing(gql: Gql) -> None:
    node = await piped(gql, windowed(86_400))
    topic = NodeTopic(NodeId(UUID(node)), has_suffix=True)
    payloads = (b"1", b"\xff", b"2")
    await gql.use.receive_messages()([(topic, payload, 1, BACKEND) for payload in payloads])

    async def told() -> dict[str, Any] | None:
        found = await gql.done(DROPS, "alice", u=node)
        return found if found["accepted"] == 2 else None

    found = await within(10, "the messages are not counted", told)
    counts = {one["reason"]: one["count"] for one in found["dropped"]}
    assert (found["unitNodeUuid"], counts["encoding"], sum(counts.values())) == (node, 1, 1)


async def test_where_pipes_are_off_they_answer_so() -> None:
    async with served(PU_FF_DATAPIPE_ENABLE="false") as gql:
        await gql.sign_up("alice")
        message = await refused(gql, CHECK, b"{}")
        assert message.startswith("405: 15: Feature Flag Error: ")
        nobody = "00000000-0000-0000-0000-000000000000"
        message = await gql.refused(GET, "alice", u=nobody)
        assert message.startswith("405: 15: ")
