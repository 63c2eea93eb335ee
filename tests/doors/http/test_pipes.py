"""Pipes over REST: configs, reading, and why a value is missing (spec datapipe.md 3, 8, 11)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import yaml

from pepeunit.domain.ids import NodeId
from pepeunit.domain.pipes.moments import to_ms
from pepeunit.ports.series_writer import SeriesBatch
from tests.doors.http.conftest import Life
from tests.doors.http.piping import (
    EPOCH,
    LAST,
    VECTORS,
    aggregated,
    at,
    import_csv,
    node_of,
    piped,
    read,
    records,
    set_clock,
    set_config,
    upload,
    windowed,
)

CHECK = "/unit_nodes/check_data_pipe_config"
RELATIVE = "&relative_time="


def is_the_code_8_of_a_pipe(reply) -> bool:
    return reply.status == 422 and reply.detail.startswith("422: 8: DataPipe Validation Error: ")


@pytest.mark.parametrize("vector", VECTORS["validate"], ids=lambda v: v["id"])
async def test_a_check_tells_each_violation_with_its_stage(life: Life, vector) -> None:
    content = yaml.safe_dump(vector["config"]).encode()
    reply = await life.ask("POST", CHECK, data=upload(content))
    if vector["expect"].get("raises"):
        assert is_the_code_8_of_a_pipe(reply)
        return
    assert reply.status == 200
    assert [entry["stage"] for entry in reply.json] == vector["expect"]["errors"]
    assert all(set(entry) == {"stage", "message"} and entry["message"] for entry in reply.json)


@pytest.mark.parametrize("who", ["none", "alice", "lamp", "backend"])
async def test_every_kind_of_agent_may_check(life: Life, who: str) -> None:
    await life.device()
    reply = await life.ask("POST", CHECK, who, data=upload(json.dumps(LAST)))
    assert (reply.status, reply.json) == (200, [])


@pytest.mark.parametrize(
    "content",
    [b"", b"a: [", b"- 1", b"just text", b"\xff\xfe", b"x: &a [*a]", b"a: b: c"],
    ids=repr,
)
async def test_what_is_no_yaml_mapping_is_a_422_and_no_incident(life: Life, content: bytes) -> None:
    assert is_the_code_8_of_a_pipe(await life.ask("POST", CHECK, data=upload(content)))
    node = await piped(life, LAST)
    assert is_the_code_8_of_a_pipe(await set_config(life, node, content))


async def test_rulings_15_a_check_is_bounded_in_size_and_in_rate(life: Life) -> None:
    large = b"a: " + b"x" * (64 * 1024)
    assert is_the_code_8_of_a_pipe(await life.ask("POST", CHECK, data=upload(large)))
    larger = await life.ask("POST", CHECK, "none", data=upload(b"x" * 100_000))
    assert larger.status == 413
    statuses = Counter()
    for _ in range(62):
        reply = await life.ask("POST", CHECK, data=upload(json.dumps(LAST)))
        statuses[reply.status] += 1
    assert statuses[429] >= 2 and statuses[200] >= 58
    assert int(reply.headers["Retry-After"]) > 0


async def test_a_config_is_stored_as_json_and_exported_as_yaml(life: Life) -> None:
    config = records(3, type_input_value="Number", threshold_min=1.5, type_value_threshold="Min")
    config["active_period"] = {"type": "FromDate", "start": "2025-01-01T00:00:00"}
    node = await piped(life, yaml.safe_dump(config))
    shown = await life.done("GET", f"/unit_nodes/{node}", "alice")
    stored = json.loads(shown["data_pipe_yml"])
    assert stored["active_period"] == {
        "type": "FromDate",
        "start": "2025-01-01T00:00:00+00:00",
        "end": None,
    }
    assert list(stored) == ["active_period", "filters", "transformations", "processing_policy"]
    assert (shown["data_pipe_status"], shown["data_pipe_error"]) == ("Active", None)
    reply = await life.ask("GET", f"/unit_nodes/get_data_pipe_config/{node}", "alice")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    exported = yaml.safe_load(reply.content)
    assert exported["filters"]["threshold_min"] == 1.5
    assert "null" not in reply.content.decode() and "transformations" not in exported
    assert (await set_config(life, node, reply.content)).status == 204
    again = await life.done("GET", f"/unit_nodes/{node}", "alice")
    assert json.loads(again["data_pipe_yml"]) == stored


async def test_an_invalid_config_tells_the_number_of_errors_and_changes_nothing(life: Life) -> None:
    node = await piped(life, LAST)
    before = await life.done("GET", f"/unit_nodes/{node}", "alice")
    wrong = records(0, max_rate=-1)
    reply = await set_config(life, node, wrong)
    assert reply.detail.startswith("422: 8: DataPipe Validation Error: 2 ")
    assert await life.done("GET", f"/unit_nodes/{node}", "alice") == before


async def test_b7_a_datetime_without_offset_is_utc_and_mixed_ones_are_no_incident(
    life: Life,
) -> None:
    config = records(3)
    config["active_period"] = {
        "type": "DateRange",
        "start": "2025-01-01T00:00:00",
        "end": "2025-01-01T03:00:00+02:00",
    }
    node = await piped(life, config)
    stored = json.loads((await life.done("GET", f"/unit_nodes/{node}", "alice"))["data_pipe_yml"])
    assert stored["active_period"]["start"] == "2025-01-01T00:00:00+00:00"
    text = "state,create_datetime\na,2025-01-01 00:59:59\n"
    assert (await import_csv(life, node, text)).status == 204
    late = "state,create_datetime\na,2025-01-01 01:00:01\n"
    assert "Row 1: " in (await import_csv(life, node, late)).detail


async def test_b8_what_is_not_finite_is_never_saved(life: Life) -> None:
    node = await piped(life, LAST)
    for number in (".nan", ".inf", "-.inf", "1e999"):
        config = json.dumps(records(3, type_input_value="Number")).replace(
            '"max_size": 0', f'"max_size": 0, "threshold_min": {number}'
        )
        assert is_the_code_8_of_a_pipe(await set_config(life, node, config))


async def test_while_inactive_config_and_csv_are_refused_and_data_can_be_read_and_deleted(
    life: Life,
) -> None:
    node = await piped(life, records(3))
    assert (
        await import_csv(life, node, "state,create_datetime\na,2025-03-01 00:00:00\n")
    ).status == 204
    off = await life.done(
        "PATCH", f"/unit_nodes/{node}", "alice", json={"is_data_pipe_active": False}
    )
    assert off["data_pipe_status"] == "Inactive"
    for method, path in (
        ("GET", f"/unit_nodes/get_data_pipe_config/{node}"),
        ("GET", f"/unit_nodes/get_data_pipe_data_csv/{node}"),
    ):
        assert is_the_code_8_of_a_pipe(await life.ask(method, path, "alice"))
    assert is_the_code_8_of_a_pipe(await set_config(life, node, LAST))
    assert is_the_code_8_of_a_pipe(await import_csv(life, node, "state,create_datetime\n"))
    assert (await read(life, node, "NRecords"))["count"] == 1
    await life.done("DELETE", f"/unit_nodes/delete_data_pipe_data/{node}", "alice")
    assert (await read(life, node, "NRecords"))["count"] == 0
    on = await life.done(
        "PATCH", f"/unit_nodes/{node}", "alice", json={"is_data_pipe_active": True}
    )
    assert json.loads(on["data_pipe_yml"])["processing_policy"]["n_records_count"] == 3


async def test_an_active_pipe_without_a_config_has_no_csv(life: Life) -> None:
    node = await node_of(life, await life.device())
    await life.done("PATCH", f"/unit_nodes/{node}", "alice", json={"is_data_pipe_active": True})
    for reply in (
        await life.ask("GET", f"/unit_nodes/get_data_pipe_config/{node}", "alice"),
        await life.ask("GET", f"/unit_nodes/get_data_pipe_data_csv/{node}", "alice"),
        await import_csv(life, node, "state,create_datetime\n"),
    ):
        assert is_the_code_8_of_a_pipe(reply)


async def test_each_change_waits_until_the_pipeline_received_it(life: Life) -> None:
    seen = life.platform.pipeline.versions
    node = await piped(life, records(3))
    assert seen == sorted(set(seen)) and len(seen) == 2
    await import_csv(life, node, "state,create_datetime\na,2025-03-01 00:00:00\n")
    await life.done("DELETE", f"/unit_nodes/delete_data_pipe_data/{node}", "alice")
    await life.done("PATCH", f"/unit_nodes/{node}", "alice", json={"is_data_pipe_active": False})
    assert len(seen) == 5
    await life.done("PATCH", f"/unit_nodes/{node}", "alice", json={"max_connections": 3})
    assert len(seen) == 5


async def stored(life: Life, node: str, **tables) -> None:
    """Rows of the node's current generation."""
    async with life.platform.database.read() as rows:
        series = await rows.pipes.series(NodeId(UUID(node)))
    key = (series.node, series.generation)
    batch = {name: [(*key, *row) for row in rows] for name, rows in tables.items()}
    await life.platform.series.write(SeriesBatch(uuid4().hex, **batch))


def ms(seconds: float) -> int:
    return to_ms(EPOCH + timedelta(seconds=seconds))


async def test_the_four_read_models(life: Life) -> None:
    lamp = await life.device()
    node = await piped(life, records(2), lamp)
    set_clock(life, 100)
    await stored(
        life,
        node,
        n_records=[(1, "a", "Text", ms(1.25), 2, 1), (2, "b", "Text", ms(2), 2, 1)],
        time_windows=[(1, "7", "Number", ms(50), ms(350), 1)],
        aggregates=[(20.5, "Avg", 60, ms(60.3), ms(0), ms(60), 3)],
    )
    assert await read(life, node, "NRecords") == {
        "count": 2,
        "pipe_data": [
            {
                "unit_node_uuid": node,
                "state": "b",
                "state_type": "Text",
                "create_datetime": at(2),
                "max_count": 2,
                "size": 1,
            },
            {
                "unit_node_uuid": node,
                "state": "a",
                "state_type": "Text",
                "create_datetime": at(1.25),
                "max_count": 2,
                "size": 1,
            },
        ],
    }
    assert (await read(life, node, "TimeWindow"))["pipe_data"] == [
        {
            "unit_node_uuid": node,
            "state": "7",
            "state_type": "Number",
            "create_datetime": at(50),
            "expiration_datetime": at(350),
            "size": 1,
        }
    ]
    assert (await read(life, node, "Aggregation", who="lamp"))["pipe_data"] == [
        {
            "unit_node_uuid": node,
            "state": 20.5,
            "aggregation_type": "Avg",
            "time_window_size": 60,
            "create_datetime": at(60.3),
            "start_window_datetime": at(0),
            "end_window_datetime": at(60),
        }
    ]


async def test_b21_the_last_value_is_read_and_a_null_state_is_an_empty_list(life: Life) -> None:
    node = await piped(life, LAST)
    assert await read(life, node, "LastValue") == {"count": 0, "pipe_data": []}
    async with life.platform.database.begin() as tx:
        await tx.nodes.store_states([(NodeId(UUID(node)), "21.5", EPOCH)], EPOCH)
    found = await read(life, node, "LastValue", "&search_string=zzz&relative_time=1s&limit=1")
    assert found == {
        "count": 1,
        "pipe_data": [{"unit_node_uuid": node, "state": "21.5", "last_update_datetime": at(0)}],
    }


async def test_b22_filters_cut_a_page_and_the_count_is_of_all_that_match(life: Life) -> None:
    node = await piped(life, records(9))
    await stored(
        life,
        node,
        n_records=[
            (seq, state, "Text", ms(seq * 10), 9, 1)
            for seq, state in enumerate(["Alpha", "beta", "100%", "a_b", "gamma"], start=1)
        ],
        aggregates=[
            (float(index), function, size, ms(end), ms(end - size), ms(end), 1)
            for index, (function, size, end) in enumerate(
                [("Avg", 60, 60), ("Max", 60, 120), ("Avg", 300, 300), ("Sum", 60, 360)]
            )
        ],
    )
    set_clock(life, 60)

    async def states(policy: str, query: str) -> list[object]:
        found = await read(life, node, policy, query)
        return [row["state"] for row in found["pipe_data"]]

    asc = "&order_by_create_date=asc"
    assert await states("NRecords", asc) == ["Alpha", "beta", "100%", "a_b", "gamma"]
    assert await states("NRecords", "&search_string=A" + asc) == ["Alpha", "beta", "a_b", "gamma"]
    assert await states("NRecords", "&search_string=%25") == ["100%"]
    assert await states("NRecords", "&search_string=_") == ["a_b"]
    assert await states("NRecords", "&limit=2&offset=1") == ["a_b", "100%"]
    assert (await read(life, node, "NRecords", "&limit=2&offset=1"))["count"] == 5
    between = f"&start_create_datetime={at(20)}&end_create_datetime={at(30)}"
    assert await states("NRecords", between) == ["100%", "beta"]
    offset = "&end_create_datetime=2025-03-01T02:00:20%2B02:00"
    assert await states("NRecords", offset) == ["beta", "Alpha"]
    assert await states("NRecords", RELATIVE + "19s") == ["gamma"]
    assert await states("NRecords", RELATIVE + "1M") == ["gamma", "a_b", "100%", "beta", "Alpha"]
    ends = f"&start_agg_window_datetime={at(120)}&end_agg_window_datetime={at(300)}"
    assert await states("Aggregation", ends + asc) == [1.0, 2.0]
    assert await states("Aggregation", "&aggregation_type=Avg&aggregation_type=Sum") == [3, 2, 0]
    assert await states("Aggregation", "&time_window_size=300&search_string=zzz") == [2.0]


@pytest.mark.parametrize("interval", ["", "x", "5", "m", "-5m", "5%20m", "1.5h", "5w", "5m5s"])
async def test_a_bad_relative_time_is_a_422(life: Life, interval: str) -> None:
    node = await piped(life, records(9))
    path = f"/unit_nodes/get_data_pipe_data/?uuid={node}&type=NRecords{RELATIVE}{interval}"
    assert is_the_code_8_of_a_pipe(await life.ask("GET", path, "alice"))


@pytest.mark.parametrize("interval", ["0s", "999999999999999999y", "999999999999999999s", "12M"])
async def test_an_interval_before_the_first_year_keeps_everything(
    life: Life, interval: str
) -> None:
    node = await piped(life, records(9))
    assert (await read(life, node, "NRecords", RELATIVE + interval))["count"] == 0


async def test_b20_w4_a_type_that_is_none_is_refused_before_the_store(life: Life) -> None:
    node = await piped(life, records(9))
    for query in (
        "type=Aggregation&aggregation_type=Avg') OR 1=1 --",
        "type=Aggregation' OR '1",
        "type=NRecords&time_window_size=1;drop",
    ):
        path = f"/unit_nodes/get_data_pipe_data/?uuid={node}&{query.replace(' ', '%20')}"
        reply = await life.ask("GET", path, "alice")
        assert reply.status == 422 and isinstance(reply.detail, list)


async def test_b19_w9_only_the_creator_and_the_nodes_own_unit_read_data(life: Life) -> None:
    lamp = await life.device()
    await life.unit(lamp["repo_uuid"], name="other")
    node = await piped(life, records(9), lamp)
    assert (
        await import_csv(life, node, "state,create_datetime\na,2025-03-01 00:00:00\n")
    ).status == 204
    paths = (
        f"/unit_nodes/get_data_pipe_data/?uuid={node}&type=NRecords",
        f"/unit_nodes/get_data_pipe_data_csv/{node}",
        f"/unit_nodes/data_pipe_drops/{node}",
    )
    for path in paths:
        for who, status in (
            ("alice", 200),
            ("lamp", 200),
            ("other", 403),
            ("bert", 403),
            ("root", 403),
            ("none", 403),
        ):
            assert (await life.ask("GET", path, who)).status == status, (path, who)
    config = f"/unit_nodes/get_data_pipe_config/{node}"
    for who in ("bert", "lamp", "other", "root", "none"):
        assert (await life.ask("GET", config, who)).status == 403
    shown = await life.done("GET", f"/unit_nodes/{node}", "bert")
    assert shown["data_pipe_yml"] is None and shown["data_pipe_status"] == "Active"


async def test_drops_say_why_a_value_is_missing(life: Life) -> None:
    node = await piped(life, LAST)
    path = f"/unit_nodes/data_pipe_drops/{node}"
    reasons = [
        "inactive",
        "encoding",
        "type",
        "list",
        "threshold",
        "rate",
        "size",
        "unique",
        "nonfinite",
        "untimely",
    ]
    none = {"unit_node_uuid": node, "accepted": 0, "dropped": dict.fromkeys(reasons, 0)}
    assert await life.done("GET", path, "alice") == none
    outcomes = Counter({"accepted": 3, "rate": 2})
    life.platform.pipeline.outcomes[NodeId(UUID(node))] = outcomes
    found = await life.done("GET", path, "alice")
    assert (found["accepted"], found["dropped"]["rate"]) == (3, 2)


async def test_n_records_are_trimmed_at_once_and_a_larger_limit_brings_nothing_back(
    life: Life,
) -> None:
    node = await piped(life, records(4))
    set_clock(life, 10)
    rows = [(seq, str(seq), "Text", ms(seq), 4, 1) for seq in range(1, 5)]
    await stored(life, node, n_records=rows)
    for count, visible in ((2, ["4", "3"]), (9, ["4", "3"])):
        assert (await set_config(life, node, records(count))).status == 204
        found = (await read(life, node, "NRecords"))["pipe_data"]
        assert [row["state"] for row in found] == visible
    assert (await set_config(life, node, windowed(300))).status == 204
    await stored(life, node, n_records=[(5, "5", "Text", ms(11), 9, 1)])
    assert [row["state"] for row in (await read(life, node, "NRecords"))["pipe_data"]] == [
        "5",
        "4",
        "3",
    ]


async def test_a_purge_hides_what_is_still_on_its_way(life: Life) -> None:
    node = await piped(life, aggregated(60))
    async with life.platform.database.read() as rows:
        before = await rows.pipes.series(NodeId(UUID(node)))
    await life.done("DELETE", f"/unit_nodes/delete_data_pipe_data/{node}", "alice")
    late = (before.node, before.generation, 1.0, "Avg", 60, ms(60), ms(0), ms(60), 1)
    await life.platform.series.write(SeriesBatch("late", aggregates=[late]))
    assert (await read(life, node, "Aggregation"))["count"] == 0


async def test_with_the_feature_off_every_pipe_route_is_405_code_15(
    life_without_pipes: Life,
) -> None:
    life = life_without_pipes
    node = await node_of(life, await life.device())
    for reply in (
        await life.ask("POST", CHECK, data=upload("{}")),
        await set_config(life, node, LAST),
        await import_csv(life, node, "state,create_datetime\n"),
        *[
            await life.ask(method, f"/unit_nodes/{path}", "alice")
            for method, path in (
                ("GET", f"get_data_pipe_config/{node}"),
                ("GET", f"get_data_pipe_data/?uuid={node}&type=LastValue"),
                ("GET", f"get_data_pipe_data_csv/{node}"),
                ("GET", f"data_pipe_drops/{node}"),
                ("DELETE", f"delete_data_pipe_data/{node}"),
            )
        ],
    ):
        assert (reply.status, reply.detail[:31]) == (405, "405: 15: Feature Flag Error: da")
