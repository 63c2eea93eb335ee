"""Nodes with pipes, over REST."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml

EPOCH = datetime(2025, 3, 1, tzinfo=UTC)
VECTORS = yaml.safe_load(
    (Path(__file__).parents[2] / "domain" / "pipes" / "vectors.yaml").read_text()
)


def a_config(policy: dict[str, Any], **filters: Any) -> dict[str, Any]:
    return {
        "active_period": {"type": "Permanent"},
        "filters": {"type_input_value": "Text", "max_rate": 0, "max_size": 0} | filters,
        "processing_policy": policy,
    }


def records(count: int, **filters: Any) -> dict[str, Any]:
    return a_config({"policy_type": "NRecords", "n_records_count": count}, **filters)


def windowed(seconds: int, **filters: Any) -> dict[str, Any]:
    return a_config({"policy_type": "TimeWindow", "time_window_size": seconds}, **filters)


def aggregated(seconds: int, function: str = "Avg", **filters: Any) -> dict[str, Any]:
    policy = {"policy_type": "Aggregation", "time_window_size": seconds}
    number = {"type_input_value": "Number"} | filters
    return a_config(policy | {"aggregation_functions": function}, **number)


LAST = a_config({"policy_type": "LastValue"})


def upload(content: str | bytes, part: str = "data") -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field(part, content, filename="any", content_type="application/octet-stream")
    return form


def at(seconds: float) -> str:
    """The wire form of ``t`` seconds after the epoch of the vectors."""
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def set_clock(life: Any, seconds: float) -> None:
    life.platform.clock.now = EPOCH + timedelta(seconds=seconds)


async def node_of(life: Any, unit: dict[str, Any], kind: str = "Output", who: str = "alice") -> str:
    path = f"/unit_nodes?unit_uuid={unit['uuid']}&type={kind}"
    return (await life.done("GET", path, who))["unit_nodes"][0]["uuid"]


async def set_config(life: Any, node: str, config: Any, who: str = "alice") -> Any:
    text = config if isinstance(config, str | bytes) else json.dumps(config)
    path = f"/unit_nodes/set_data_pipe_config?uuid={node}"
    return await life.ask("POST", path, who, data=upload(text))


async def piped(
    life: Any, config: Any, unit: dict[str, Any] | None = None, who: str = "alice"
) -> str:
    """An output of alice's with an active pipe of this config."""
    node = await node_of(life, unit or await life.device(), who=who)
    changes = {"is_data_pipe_active": True}
    await life.done("PATCH", f"/unit_nodes/{node}", who, json=changes)
    reply = await set_config(life, node, config, who)
    assert reply.status == 204, reply.content
    return node


async def import_csv(life: Any, node: str, text: str | bytes, who: str = "alice") -> Any:
    path = f"/unit_nodes/set_data_pipe_data_csv?uuid={node}"
    return await life.ask("POST", path, who, data=upload(text))


async def read(life: Any, node: str, policy: str, query: str = "", who: str = "alice") -> Any:
    path = f"/unit_nodes/get_data_pipe_data/?uuid={node}&type={policy}{query}"
    return await life.done("GET", path, who)


async def export(life: Any, node: str, query: str = "", who: str = "alice") -> Any:
    return await life.ask("GET", f"/unit_nodes/get_data_pipe_data_csv/{node}{query}", who)


def unzipped(content: bytes) -> tuple[str, str]:
    """Name and text of the one file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = archive.namelist()
        assert archive.testzip() is None
        return name, archive.read(name).decode()


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))
