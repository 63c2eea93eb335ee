"""What a compiled pipe does beyond the vectors: runs, batches, drops, numbers."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest

from pepeunit.domain.pipes.batch import run_batch
from pepeunit.domain.pipes.compiled import SWIFT_MESSAGES_MIN, compile_pipe
from pepeunit.domain.pipes.drops import REASONS, Drop, no_drops
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.numbers import parse_number, product_text
from pepeunit.domain.pipes.program import program
from pepeunit.domain.pipes.rows import Rows
from tests.domain.pipes.making import (
    LAST_VALUE,
    N_RECORDS,
    TIME_WINDOW,
    aggregation,
    config,
)

NODE = UUID(int=7)
LONG_RUN = SWIFT_MESSAGES_MIN + 3


def fed(
    payloads: list[bytes], *arguments: Any, times: list[int] | None = None, **keys: Any
) -> tuple[Rows, dict[str, int], int]:
    out, drops = Rows(), no_drops()
    pipe = compile_pipe(config(*arguments, **keys))
    instants = times or list(range(len(payloads)))
    accepted = pipe.feed(NODE, 3, NodeMemory(), instants, payloads, out, drops)
    return out, {word: n for word, n in zip(REASONS, drops, strict=True) if n}, accepted


def test_the_reasons_are_named_as_on_the_metrics_page() -> None:
    assert " ".join(REASONS) == "inactive encoding type list threshold rate size unique nonfinite"


@pytest.mark.parametrize("length", [1, LONG_RUN])
def test_each_reason_has_its_counter(length: int) -> None:
    def dropped(payload: bytes, **keys: Any) -> dict[str, int]:
        return fed([payload] * length, **keys)[1]

    text = {"type_input_value": "Text"}
    past = {"type": "ToDate", "end": -1}
    listed = {"type_value_filtering": "WhiteList", "filtering_values": [5]}
    ratio = {"multiplication_ratio": 10}
    assert dropped(b"1", period=past) == {"inactive": length}
    assert dropped(b"\xff") == {"encoding": length}
    assert dropped(b"1\0") == {"encoding": length}
    assert dropped(b"\xff", **text) == {"encoding": length}
    assert dropped(b"a\0", **text) == {"encoding": length}
    assert dropped(b"one") == {"type": length}
    assert dropped(b"one", policy=aggregation(), **text) == {"type": length}
    assert dropped(b"1", **listed) == {"list": length}
    limits = {"type_value_threshold": "Min", "threshold_min": 2}
    assert dropped(b"1", **limits) == {"threshold": length}
    assert dropped(b"22", max_size=1) == {"size": length}
    assert dropped(b"1e308", transformations=ratio) == {"nonfinite": length}
    once = {word: length - 1 for word in ("x",) if length > 1}
    assert list(dropped(b"1", max_rate=1).values()) == list(once.values())
    assert list(dropped(b"1", last_unique_check=True).values()) == list(once.values())


def test_the_first_reason_in_the_order_of_the_filters_is_counted() -> None:
    keys = {
        "type_value_filtering": "BlackList",
        "filtering_values": [1],
        "type_value_threshold": "Max",
        "threshold_max": 10,
        "max_rate": 5,
        "max_size": 2,
        "last_unique_check": True,
    }
    stream = [b"2", b"x", b"1.0", b"11.0", b"3.0", b"2", b"2"]
    times = [0, 0, 0, 0, 0, 4999, 5000]
    _, drops, accepted = fed(stream, times=times, **keys)
    assert drops == {"type": 1, "list": 1, "threshold": 1, "rate": 2, "unique": 1}
    assert accepted == 1


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b" ", b".", b"+", b"e5", b"1e", b"1_0", b"0x1", b"nan", b"-inf", b"infinity"),
        *(b"1e400", b"1 2", b"1,5", b"\x0b1", b"1\x0c", b"1\xa0", "١".encode(), b"1__0", b"--1"),
    ],
)
def test_what_is_no_number_is_dropped_alone_and_in_company(payload: bytes) -> None:
    assert fed([payload])[2] == 0
    company = [b"1"] * LONG_RUN
    out, drops, accepted = fed([*company, payload, *company], N_RECORDS)
    assert accepted == 2 * LONG_RUN
    assert len(out.n_records) == accepted
    assert sum(drops.values()) == 1
    assert parse_number(payload.decode("latin-1")) is None


@pytest.mark.parametrize("payload", [b"\t 007.10\r\n", b"+7", b"1e3", b".5", b"5.", b"-0"])
def test_a_number_without_transformation_keeps_its_text(payload: bytes) -> None:
    for company in (0, LONG_RUN):
        out, _, _ = fed([payload] * (company + 1), N_RECORDS)
        assert {row[3] for row in out.n_records} == {payload.decode().strip(" \t\r\n")}


def test_b5_neighbours_cannot_complete_each_others_letters() -> None:
    torn = ["é".encode()[:1], "é".encode()[1:]] * LONG_RUN
    out, drops, accepted = fed([*torn, b"ok"], N_RECORDS, type_input_value="Text")
    assert (accepted, drops) == (1, {"encoding": 2 * LONG_RUN})
    assert out.n_records[0][3] == "ok"


def test_rows_have_the_agreed_shape() -> None:
    out, _, _ = fed(["é".encode()], N_RECORDS, times=[5], type_input_value="Text")
    assert out.n_records == [(NODE, 3, 1, "é", "Text", 5, 10, 2)]
    out, _, _ = fed([b"1", b" 2 "], TIME_WINDOW, times=[5, 6])
    assert out.time_windows == [
        (NODE, 3, 1, "1", "Number", 5, 60_005, 1),
        (NODE, 3, 2, "2", "Number", 6, 60_006, 1),
    ]
    out, _, _ = fed([b"1", b" 2 "], LAST_VALUE, times=[5, 6])
    assert out.last_values == {NODE: ("2", 6)}


@pytest.mark.parametrize("length", [2, LONG_RUN])
def test_the_newer_value_wins_when_the_clock_steps_back(length: int) -> None:
    payloads = [b"%d" % number for number in range(length)]
    times = list(range(length, 0, -1))
    out, _, accepted = fed(payloads, LAST_VALUE, times=times, max_rate=5)
    assert accepted == length
    assert out.last_values[NODE] == ("0", length)


def test_the_newer_value_wins_over_an_earlier_batch() -> None:
    out, drops, memory = Rows(), no_drops(), NodeMemory()
    pipe = compile_pipe(config())
    for payload, time in ((b"1", 10), (b"2", 9), (b"3", 10)):
        pipe.feed(NODE, 1, memory, [time], [payload], out, drops)
    assert out.last_values[NODE] == ("3", 10)


@pytest.mark.parametrize(
    ("product", "text"),
    [
        (7.0, "7.000000"),
        (2.5e-7, "0.00000025"),
        (-2.5e-7, "-0.00000025"),
        (5e-7, "0.0000005"),
        (math.nextafter(5e-7, 1), "0.000001"),
        (0.0, "0.000000"),
        (-0.0, "-0.000000"),
        (1e21, "1000000000000000000000.000000"),
        (5e-324, "0." + "0" * 323 + "5"),
    ],
)
def test_products_are_positional_and_never_zeroed(product: float, text: str) -> None:
    assert product_text(product) == text


def test_every_place_of_rounding_prints_as_asked() -> None:
    for places in range(8):
        out, _, _ = fed([b"-2.5"], N_RECORDS, transformations={"round_decimal_point": places})
        assert out.n_records[0][3] == f"{-2.5:.{places}f}"


def test_b1_a_batch_of_several_pipes_keeps_each_nodes_order_and_counts_strangers() -> None:
    one, two = compile_pipe(config(N_RECORDS)), compile_pipe(config(TIME_WINDOW, max_rate=1))
    memories = {
        "a": NodeMemory(UUID(int=1), 1, one),
        "b": NodeMemory(UUID(int=2), 2, two),
        "c": NodeMemory(UUID(int=3), 1, one),
        "off": NodeMemory(UUID(int=4), 1, None),
    }
    samples = [(node, time, b"%d" % time) for time in range(50) for node in "abc"]
    samples += [("off", 50, b"1"), ("nobody", 50, b"1")]
    out, drops = Rows(), no_drops()
    assert run_batch(samples, memories, out, drops) == 101
    for node in (1, 3):
        kept = [row for row in out.n_records if row[0] == UUID(int=node)]
        assert [row[2] for row in kept] == list(range(1, 51))
        assert [row[5] for row in kept] == list(range(50))
    assert [row[:3] for row in out.time_windows] == [(UUID(int=2), 2, 1)]
    assert drops[Drop.INACTIVE] == 2
    assert drops[Drop.RATE] == 49
    assert memories["off"].dropped == [1, *[0] * 8]
    assert memories["b"].dropped is not None
    assert memories["b"].dropped[Drop.RATE] == 49
    assert memories["a"].dropped is None
    assert run_batch([], memories, out, drops) == 0


def test_b9_configs_of_one_shape_share_one_program() -> None:
    one = program(config(type_value_threshold="Min", threshold_min=1, max_rate=5))
    two = program(config(type_value_threshold="Min", threshold_min=2, max_rate=9))
    assert one[0] == two[0]
    assert one[1] != two[1]


def test_no_text_of_a_config_is_ever_code() -> None:
    nasty = ['"""', "\\", "'", "{}", "__import__('os')", "\n"]
    keys = {"type_value_filtering": "WhiteList", "filtering_values": nasty}
    out, _, accepted = fed(
        [text.encode() for text in nasty], N_RECORDS, type_input_value="Text", **keys
    )
    assert accepted == len(nasty)
    assert [row[3] for row in out.n_records] == nasty
    made = config(N_RECORDS, type_input_value="Text", **keys)
    assert "import" not in program(made)[0]


def test_list_members_are_compared_as_float64() -> None:
    keys = {"type_value_filtering": "WhiteList", "filtering_values": [2**53 + 1, 0, True + 0]}
    assert fed([b"9007199254740992", b"-0", b"1.0", b"2"], **keys)[2] == 3
