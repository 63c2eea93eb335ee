"""How fast compiled pipes are on one core: ``python benchmarks/pipes.py [seconds]``.

Each batch is a list of ``(node, received_ms, payload)`` as the broker's reader makes them, the
node as 16 fresh bytes, in random order of nodes; grouping by pipe is part of what is measured, and
so are the UTF-8 check and the drop reasons. CPU time of the thread, so that neighbours on a shared
machine count less; the median batch and the best.
"""

from __future__ import annotations

import gc
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from attrs import evolve

from pepeunit.domain.pipes.batch import run_batch
from pepeunit.domain.pipes.compiled import compile_pipe
from pepeunit.domain.pipes.config import EventTime, PipeConfig
from pepeunit.domain.pipes.drops import no_drops
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.rows import Rows
from pepeunit.domain.pipes.validation import read_config

BATCH = 10_000
START_MS = 1_740_787_200_000
SECONDS = 1.5
SAMPLES_OF_A_NODE = 3
"""Each node has spoken so often before the clock starts."""

Sample = tuple[bytes, int, bytes]
LIMITS: dict[str, Any] = {
    "type_value_threshold": "Range",
    "threshold_min": -50,
    "threshold_max": 120,
}
LAST_VALUE = {"policy_type": "LastValue"}
AVERAGE = {"policy_type": "Aggregation", "time_window_size": 60, "aggregation_functions": "Avg"}


def config(policy: dict[str, Any], kind: str = "Number", **filters: Any) -> PipeConfig:
    transformations = filters.pop("transformations", None)
    return read_config(
        {
            "active_period": {"type": "Permanent"},
            "filters": {"type_input_value": kind, "max_rate": 0, "max_size": 100, **filters},
            "transformations": transformations,
            "processing_policy": policy,
        }
    )


def number(chance: random.Random) -> bytes:
    return b"%.2f" % chance.uniform(-20, 100)


def stamped(chance: random.Random) -> bytes:
    return b"t=%d;%.2f" % (START_MS + chance.randint(-100, 0), chance.uniform(-20, 100))


def word(chance: random.Random) -> bytes:
    return chance.choice((b"on", b"off", "включено".encode(), b"idle"))


def with_faults(chance: random.Random) -> bytes:
    """One in a hundred is no number, one in ten is out of range."""
    return b"n/a" if chance.random() < 0.01 else b"%.2f" % chance.uniform(-65, 100)


def measure(
    configs: list[PipeConfig], nodes: int, payload: Callable[[random.Random], bytes]
) -> list[float]:
    """Seconds of CPU per batch."""
    chance = random.Random(1)
    pipes = [compile_pipe(each) for each in configs]
    memories = {
        (uuid := UUID(int=chance.getrandbits(128))).bytes: NodeMemory(
            uuid, 1, pipes[at % len(pipes)]
        )
        for at in range(nodes)
    }
    names = list(memories)
    payloads = [payload(chance) for _ in range(BATCH)]
    now_ms = START_MS

    def batch() -> list[Sample]:
        nonlocal now_ms
        now_ms += 10
        fresh = [bytes(bytearray(name)) for name in chance.choices(names, k=BATCH)]
        return [(name, now_ms, body) for name, body in zip(fresh, payloads, strict=True)]

    def run() -> float:
        samples, out, drops = batch(), Rows(), no_drops()
        begin = time.thread_time()
        accepted = run_batch(samples, memories, out, drops)
        ended = time.thread_time()
        assert accepted + sum(drops) == BATCH
        return ended - begin

    for _ in range(max(5, nodes * SAMPLES_OF_A_NODE // BATCH)):
        run()
    gc.collect()
    gc.freeze()  # as the service does once it is up
    seconds: list[float] = []
    deadline = time.perf_counter() + float(sys.argv[1] if len(sys.argv) > 1 else SECONDS)
    while time.perf_counter() < deadline or len(seconds) < 5:
        seconds.append(run())
    gc.unfreeze()
    return seconds


def row(what: str, nodes: int, seconds: list[float]) -> str:
    median, best = BATCH / statistics.median(seconds), BATCH / min(seconds)
    return f"| {what} | {nodes:,} | {median:,.0f} | {best:,.0f} |"


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"batches of {BATCH:,} in random order, grouping included, load {os.getloadavg()[0]:.1f}")
    print("| pipe | nodes | messages/s, median | best |")
    print("|---|---|---|---|")
    filtered = config(LAST_VALUE, **LIMITS)
    strict = config(LAST_VALUE, max_rate=1, last_unique_check=True, **LIMITS)
    average = config(AVERAGE)
    records = config({"policy_type": "NRecords", "n_records_count": 100}, **LIMITS)
    rounded = config(
        {"policy_type": "TimeWindow", "time_window_size": 3600},
        transformations={"multiplication_ratio": 0.1, "round_decimal_point": 1},
    )
    timed = evolve(filtered, event_time=EventTime(60))
    timed_average = evolve(average, event_time=EventTime(60))
    many = [config(AVERAGE, type_value_threshold="Min", threshold_min=-at) for at in range(21, 121)]
    for what, configs, nodes, payload in (
        ("Number, range, LastValue", [filtered], 1, number),
        ("Number, range, LastValue", [filtered], 10, number),
        ("Number, range, LastValue", [filtered], 1000, number),
        ("the same, 1 % junk, 9 % out of range", [filtered], 10, with_faults),
        ("Number, range, rate, unique, LastValue", [strict], 10, number),
        ("Text, LastValue", [config(LAST_VALUE, "Text")], 10, word),
        ("Aggregation", [average], 1, number),
        ("Aggregation", [average], 1000, number),
        ("Aggregation", [average], 10_000, number),
        ("Aggregation", [average], 50_000, number),
        ("Number, range, event time, LastValue", [timed], 10, stamped),
        ("Aggregation, event time", [timed_average], 1000, stamped),
        ("Aggregation, 100 configs", many, 1000, number),
        ("NRecords, range", [records], 1000, number),
        ("TimeWindow, ratio, rounding", [rounded], 1000, number),
    ):
        print(row(what, nodes, measure(configs, nodes, payload)), flush=True)


if __name__ == "__main__":
    main()
