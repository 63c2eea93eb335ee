"""Pipes as YAML and JSON, and recorded streams."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from pepeunit.codecs.pipe import (
    DOCUMENT_BYTES_MAX,
    dump_pipe_json,
    dump_pipe_yaml,
    load_pipe_json,
    read_pipe_document,
    read_pipe_yaml,
)
from pepeunit.codecs.pipe_stream import dump_replayed, read_streams
from pepeunit.domain.errors import Invalid, OverLimit, Topic
from pepeunit.domain.pipes.config import DEFAULT_PIPE
from pepeunit.domain.pipes.replay import replay
from pepeunit.domain.pipes.validation import read_config
from tests.domain.pipes.making import N_RECORDS, aggregation, document

FULL = read_config(
    document(
        aggregation("Avg"),
        period={"type": "FromDate", "start": "2025-03-01T05:30:10.5+05:30", "end": 0},
        transformations={"multiplication_ratio": 0.5},
        type_value_filtering="WhiteList",
        filtering_values=[1, 2.5],
    )
)


def test_the_stored_form_has_every_key() -> None:
    stored = json.loads(dump_pipe_json(FULL))
    assert list(stored) == ["active_period", "filters", "transformations", "processing_policy"]
    assert stored["active_period"] == {
        "type": "FromDate",
        "start": "2025-03-01T05:30:10.500000+05:30",
        "end": "1970-01-01T00:00:00+00:00",
    }
    assert stored["transformations"] == {
        "multiplication_ratio": 0.5,
        "round_decimal_point": None,
        "slice_start": None,
        "slice_end": None,
    }
    assert json.loads(dump_pipe_json(DEFAULT_PIPE))["transformations"] is None


@pytest.mark.parametrize("config", [FULL, DEFAULT_PIPE])
def test_stored_and_exported_forms_read_back(config: object) -> None:
    assert load_pipe_json(dump_pipe_json(config)) == config  # type: ignore[arg-type]
    assert read_pipe_yaml(dump_pipe_yaml(config).encode()) == config  # type: ignore[arg-type]


def test_the_export_has_no_nulls_and_quotes_datetimes() -> None:
    text = dump_pipe_yaml(FULL)
    assert "null" not in text
    assert "start: '2025-03-01T05:30:10.500000+05:30'" in text
    words = read_config(document(N_RECORDS, type_input_value="Text", filtering_values=["да", "on"]))
    assert "- да\n" in dump_pipe_yaml(words)
    assert read_pipe_yaml(dump_pipe_yaml(words).encode()) == words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\nb: 2", "line 2, column 2"),
        (b"a: b: c", "line 1, column 5"),
        (b"", "the document is empty"),
        (b"# nothing", "the document is empty"),
        (b"null", "the document is empty"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b"a: \x01", "position 3"),
        (b"a: 1\n---\nb: 2", "line 2, column 1"),
        (b"!!python/object/apply:os.getcwd []", "line 1, column 1"),
        (b"a: &x [*x]", "an alias contains itself"),
        (b"a: *nobody", "line 1, column 4"),
        (b"? [a]\n: b", "line 1, column 3"),
        (b"[" * 60_000, "nested deeper than"),
        (b'a: "\\U00110000"', "an escape stands for no character"),
        (b'a: "\\UFFFFFFFF"', "an escape stands for no character"),
    ],
)
def test_broken_yaml_is_told_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_pipe_document(content)
    assert message in refused.value.message
    assert refused.value.topic is Topic.PIPE


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("merging", ["- *a{0}\n", "<<: *a{0}\n"])
def test_w38_aliases_cannot_expand_without_bound(merging: str) -> None:
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 12):
        nine = f"[{', '.join([f'*a{level - 1}'] * 9)}]"
        lines.append(f"a{level}: &a{level} " + ("{<<: " + nine + "}" if "<<" in merging else nine))
    started = time.process_time()
    with pytest.raises(Invalid, match="aliases expand"):
        read_pipe_document("\n".join(lines).encode())
    assert time.process_time() - started < 2


def test_large_documents_are_refused_unread() -> None:
    with pytest.raises(OverLimit) as refused:
        read_pipe_document(b"[" * (DOCUMENT_BYTES_MAX + 1))
    assert refused.value.limit == DOCUMENT_BYTES_MAX


@pytest.mark.parametrize(
    "scalar",
    [
        "0x" + "f" * 20_000,
        "-0b" + "1" * 20_000,
        ":".join(["59"] * 5000),
        "2025-13-45",
        "0b_",
        "9" * 5000,
        "!!int x",
        "!!float x",
        "!!bool x",
        "!!timestamp x",
    ],
)
def test_what_only_looks_like_a_number_or_a_date_stays_a_text(scalar: str) -> None:
    found = read_pipe_document(f"a: {scalar}".encode()).root
    assert isinstance(found, dict)
    assert isinstance(found["a"], str)


def test_lines_are_known_for_sections_keys_and_elements() -> None:
    found = read_pipe_document(
        b"active_period:\n  type: x\nfilters: {max_rate: 1,\n  filtering_values:\n   [1,\n    2]}\n"
    )
    assert found.line("active_period.type") == 2
    assert found.line("active_period.start") == 1
    assert found.line("filters.filtering_values[1]") == 6
    assert found.line("filters.filtering_values[9]") == 4
    assert found.line("processing_policy") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "{}"])
def test_a_stored_text_that_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        load_pipe_json(text)
    assert refused.value.topic is Topic.PIPE


ENTRY = {
    "id": "one",
    "config": document(N_RECORDS),
    "messages": [{"t": 0.5, "payload": "1"}, {"t": 1, "payload_hex": "ff"}],
}


def replayed(root: object) -> list[dict[str, object]]:
    entries = read_streams(yaml.safe_dump(root).encode())
    return [json.loads(dump_replayed(entry, replay(entry.stream))) for entry in entries]


TOLD = {
    "id": "one",
    "accepted": [0],
    "dropped": [{"index": 1, "reason": "encoding"}],
    "last_value": None,
    "rows": [{"state": "1", "state_type": "Number", "t": 0.5, "max_count": 10, "size": 1}],
}


@pytest.mark.parametrize("root", [ENTRY, [ENTRY], {"stream": [ENTRY]}])
def test_a_file_holds_one_entry_or_several(root: object) -> None:
    assert replayed(root) == [TOLD]


def test_results_of_several_nodes_are_told_by_name() -> None:
    two = {"A": document(), "B": document()}
    entry = {"nodes": two, "messages": [{"t": 0, "node": "B", "payload": "1"}]}
    assert replayed(entry) == [
        {
            "id": "[0]",
            "accepted": [0],
            "dropped": [],
            "last_value": {"A": None, "B": {"state": "1", "t": 0}},
            "rows": {"A": [], "B": []},
        }
    ]


def test_windows_align_to_the_epoch_of_the_file() -> None:
    entry = {**ENTRY, "config": document(aggregation()), "until": 100}
    (told,) = replayed({"epoch": "2025-03-01T00:00:30Z", "stream": [entry]})
    assert told["rows"] == [{"state": 1.0, "fn": "Sum", "window": 60, "start": -30, "end": 30}]


def test_every_operation_has_its_effect() -> None:
    operations = [
        {"t": 0, "payload": "1"},
        {"t": 1, "op": "deactivate"},
        {"t": 2, "payload": "2"},
        {"t": 3, "op": "activate"},
        {"t": 4, "op": "restart"},
        {"t": 5, "op": "set_config", "config": document({**N_RECORDS, "n_records_count": 1})},
        {"t": 6, "payload": "3"},
        {"t": 7, "op": "set_config", "config": document(N_RECORDS)},
        {"t": 8, "payload": "4"},
    ]
    (told,) = replayed({**ENTRY, "messages": operations})
    assert told["dropped"] == [{"index": 2, "reason": "inactive"}]
    assert [row["state"] for row in told["rows"]] == ["3", "4"]  # type: ignore[attr-defined]
    (told,) = replayed({**ENTRY, "messages": [*operations, {"t": 9, "op": "delete_data"}]})
    assert told["rows"] == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"config": document(max_rate=-1)}, "one.config.filters.max_rate"),
        ({"messages": None}, "one.messages"),
        ({"messages": [5]}, "one.messages[0]"),
        ({"messages": [{"payload": "1"}]}, "one.messages[0].t"),
        ({"messages": [{"t": 0, "payload": 5}]}, "one.messages[0].payload"),
        ({"messages": [{"t": 0}]}, "one.messages[0]"),
        ({"messages": [{"t": 0, "payload_hex": "f"}]}, "one.messages[0]"),
        ({"messages": [{"t": 0, "op": "dance"}]}, "one.messages[0].op"),
        ({"messages": [{"t": 0, "op": "set_config"}]}, "one.messages[0].config"),
        ({"messages": [{"t": 0, "node": "X", "payload": "1"}]}, "one.messages[0].node"),
        ({"until": "soon"}, "one.until"),
        ({"epoch": "soon"}, "one.epoch"),
        ({"nodes": {}}, "one.nodes"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told_with_its_path(
    change: dict[str, object], path: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read_streams(yaml.safe_dump({**ENTRY, **change}).encode())
    assert [found for found, _ in refused.value.violations] == [path]
