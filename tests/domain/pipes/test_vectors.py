"""The stream and CSV vectors of the specification."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from uuid import UUID

import pytest

from pepeunit.codecs.pipe_stream import StreamEntry, dump_replayed, read_streams
from pepeunit.domain.pipes.csv_check import CsvCheck, RefusedRow
from pepeunit.domain.pipes.entries import aggregate_entry, record_entry, window_entry
from pepeunit.domain.pipes.replay import replay
from pepeunit.domain.pipes.validation import read_config
from tests.domain.pipes.making import EPOCH_MS, MORE_FILE, STREAMS, VECTORS, VECTORS_FILE, close

ENTRIES = [*read_streams(VECTORS_FILE.read_bytes()), *read_streams(MORE_FILE.read_bytes())]
EXPECTED = {vector["id"]: vector["expect"] for vector in STREAMS}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_stream_vector(entry: StreamEntry) -> None:
    wanted = EXPECTED[entry.id]
    found = json.loads(dump_replayed(entry, replay(entry.stream)))
    for key in {"accepted", "last_value", "rows"} & wanted.keys():
        assert close(found[key], wanted[key]), (key, found[key])
    for name in set(wanted) - {"accepted", "last_value", "rows"}:
        assert close(found["rows"][name], wanted[name]["rows"])
    decided = [*found["accepted"], *(drop["index"] for drop in found["dropped"])]
    assert len(decided) == len(set(decided))


def test_no_stream_vector_is_left_out() -> None:
    assert [entry.id for entry in ENTRIES] == [vector["id"] for vector in STREAMS]


def told(row: tuple[Any, ...], policy: str) -> dict[str, Any]:
    def t(time_ms: int) -> float:
        return (time_ms - EPOCH_MS) / 1000

    if policy == "Aggregation":
        window = aggregate_entry(row)  # type: ignore[arg-type]
        times = {"start": t(window.start_ms), "end": t(window.end_ms)}
        return {
            "state": window.state,
            "fn": window.function,
            "window": window.window_seconds,
        } | times
    if policy == "TimeWindow":
        kept = window_entry(row)  # type: ignore[arg-type]
        limit = {"expires": t(kept.expires_ms)}
    else:
        kept = record_entry(row)  # type: ignore[arg-type,assignment]
        limit = {"max_count": kept.max_count}  # type: ignore[attr-defined]
    text = {"state": kept.state, "state_type": kept.state_type, "size": kept.size}
    return text | {"t": t(kept.created_ms)} | limit


@pytest.mark.parametrize("vector", VECTORS["csv"], ids=lambda vector: vector["id"])
def test_csv_vector(vector: dict[str, Any]) -> None:
    header, *rows = csv.reader(io.StringIO(vector["csv"]))
    wanted = vector["expect"]
    made = read_config(vector["config"])

    def check() -> list[dict[str, Any]]:
        now_ms = EPOCH_MS + vector["now"] * 1000
        checking = CsvCheck(made, header, now_ms, UUID(int=1), 1)
        passed = checking.check(rows)
        checking.end()
        return [told(row, made.processing_policy.policy_type.value) for row in passed]

    if "rows" in wanted:
        assert close(check(), wanted["rows"])
    else:
        with pytest.raises(RefusedRow) as refused:
            check()
        assert refused.value.row == wanted["error_row"]
