"""Compiled pipes against the plain oracle, on generated configs and streams.

``CI`` asks for 10 000 streams, anyone else gets a few. The seed is printed with a failure and in
the output of each run; ``PIPES_SEED`` repeats it, ``PIPES_STREAMS`` asks for another number a
policy.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from fractions import Fraction
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, seed, settings

from pepeunit.domain.pipes.batch import run_batch
from pepeunit.domain.pipes.compiled import CompiledPipe, compile_pipe
from pepeunit.domain.pipes.config import WINDOW_SECONDS
from pepeunit.domain.pipes.drops import REASONS, no_drops
from pepeunit.domain.pipes.memory import NodeMemory
from pepeunit.domain.pipes.rows import Rows
from pepeunit.domain.pipes.validation import read_config
from tests.domain.pipes.oracle import OracleNode, aggregate

SEED = int(os.environ.get("PIPES_SEED") or random.randrange(2**32))
STREAMS = int(os.environ.get("PIPES_STREAMS") or (2_500 if os.environ.get("CI") else 100))
POLICIES = ("LastValue", "NRecords", "TimeWindow", "Aggregation")
EPOCH_MS = 1_740_787_200_000
FLOAT_MAX = Fraction(1.7976931348623157e308)

FIGURES = (1, 2.5, -3, 0.1, 0.125, 1e-7, -4e-7, 5e-7, 7e20, 1e308, -127, 85)
NUMBERS = (
    *(b"1", b"1.0", b" 1e0\n", b"+1", b"-0", b"0", b"0.0", b"2.5", b"2.50", b"-3", b"-3e0", b"3"),
    *(b".5", b"5.", b"-0.001", b"0.125", b"2.675", b"1e-7", b"-4e-7", b"5e-7", b"7e20", b"\t85 "),
    *(b"1e16", b"-1e16", b"1e-320", b"0.74999999", b"123456789.123456789", b"-127.0", b"0.1"),
)
OTHERS = (
    *(b"1e308", b"-1e308"),
    *(b"", b" ", b"abc", b"NaN", b"-inf", b"Infinity", b"1_000", b"0x10", b"1e400", b"1,5", b"+"),
    *(b"1 2", b".", b"e5", b"1e", b"--1", b"\x0b1", b"1\x0c", b"1\x00", b"a\x00b", b"\xff"),
    *("é".encode(), "привет".encode(), "😀1".encode(), b"\xa91", b"\xed\xa0\x80", "١".encode()),
    *(b"\xc3", b"Alarm", b"alarm", b"on", b"off\n", b"x1y", b"12.5abc", b"\xc2\xa01"),
)
UNSTAMPED = (b"t=", b"t=;1", b"t=5", b"t=-5;1", b"t=1e9;1", b"t=1234567890123456;1", b"T=5;1")
STAMPS_MS = (0, 1, -1, -1000, -5000, -30_000, -60_000, -60_001, -400_000, 1000, 60_000, 60_001)
WORDS = ("on", "Alarm", "1", "1.0", "привет", "")

CHANCE = random.Random(SEED)
PAYLOADS = (
    *NUMBERS * 6,
    *OTHERS,
    *(b"%d" % CHANCE.randint(-40, 40) for _ in range(20)),
    *(repr(CHANCE.uniform(-150, 150)).encode() for _ in range(20)),
    *(repr(CHANCE.choice((-1, 1)) * 10 ** CHANCE.uniform(-30, 20)).encode() for _ in range(20)),
    *(CHANCE.randbytes(CHANCE.randint(1, 4)) for _ in range(20)),
)
NODES_MAX = 3
MESSAGES_MAX = 30
PARTS_MAX = 3
GAPS_MS = (0, 0, 1, 400, 1000, 5000, 30_000)
STEP_BACK_MS = -2000
moments = st.integers(0, 200).map(
    lambda second: (
        f"2025-03-01T00:{second // 60:02}:{second % 60:02}.500"
        + random.Random(second).choice(["", "Z", "+00:00"])
    )
)


def flat(**keys: st.SearchStrategy) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries(keys)


periods = st.one_of(
    st.just({"type": "Permanent"}),
    st.just({"type": "Permanent", "start": "2030-01-01"}),
    flat(type=st.just("FromDate"), start=moments),
    flat(type=st.just("ToDate"), end=moments),
    st.just(
        {"type": "DateRange", "start": "2025-03-01T01:00:20+01:00", "end": "2025-03-01T00:02:00"}
    ),
)
optional_int = st.none() | st.integers(-4, 4)
transformations = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "multiplication_ratio": st.sampled_from((2, 0.7, -1, 1e-8, 1e10, 0, 1e300)),
        "round_decimal_point": st.integers(0, 7),
        "slice_start": optional_int,
        "slice_end": optional_int,
    },
)


seldom = st.sampled_from((False, False, False, True))


@st.composite
def filters(draw: st.DrawFn) -> dict:
    kind = draw(st.sampled_from(("Number", "Number", "Text")))
    made = {
        "type_input_value": kind,
        "max_rate": draw(st.sampled_from((0, 0, 0, 0, 1, 5))),
        "max_size": draw(st.sampled_from((0, 0, 0, 5, 100))),
        "last_unique_check": draw(seldom),
    }
    if draw(seldom):
        made["type_value_filtering"] = draw(st.sampled_from(("WhiteList", "BlackList")))
        choice = FIGURES if kind == "Number" else WORDS
        made["filtering_values"] = draw(st.lists(st.sampled_from(choice), min_size=1, max_size=8))
    if draw(seldom):
        made["type_value_threshold"] = draw(st.sampled_from(("Min", "Max", "Range")))
        made["threshold_min"] = draw(st.sampled_from((-127, -5, 0, 0.125)))
        made["threshold_max"] = draw(st.sampled_from((1, 2.5, 85, 1e21)))
    return made


def policies(kind: str) -> st.SearchStrategy[dict]:
    sizes = st.sampled_from((60, 60, 300, *WINDOW_SECONDS))
    match kind:
        case "NRecords":
            return flat(policy_type=st.just(kind), n_records_count=st.integers(1, 1024))
        case "TimeWindow":
            return flat(policy_type=st.just(kind), time_window_size=sizes)
        case "Aggregation":
            functions = st.sampled_from(("Avg", "Min", "Max", "Sum"))
            return flat(
                policy_type=st.just(kind), time_window_size=sizes, aggregation_functions=functions
            )
    return st.just({"policy_type": kind})


def configs(policy: str) -> st.SearchStrategy[dict]:
    mostly = st.sampled_from((policy, policy, policy, *POLICIES)).flatmap(policies)
    event_time = st.fixed_dictionaries(
        {"lateness_seconds": st.sampled_from((0, 30, 60, 3600, 86_400))},
        optional={"ahead_seconds": st.sampled_from((0, 1, 3600))},
    )
    plain = flat(
        active_period=st.just({"type": "Permanent"}) | st.just({"type": "Permanent"}) | periods,
        filters=filters(),
        transformations=transformations,
        processing_policy=mostly,
    )
    stamped = st.builds(lambda made, keys: {**made, "event_time": keys}, plain, event_time)
    return plain | stamped


def operations(policy: str) -> st.SearchStrategy[tuple]:
    plain = ("restart", "activate", "deactivate", "delete_data", "close")
    return st.sampled_from(plain).map(lambda word: (word, None)) | configs(policy).map(
        lambda config: ("set_config", config)
    )


def messages(length: int, chance: int) -> list[tuple[int, int, int | None, bytes]]:
    """``(node, gap, stamp, payload)``, mostly of one node so that runs of it meet their filters.

    A stamp says how long after its receipt the value happened.
    """
    choose = random.Random(chance)
    gaps = (*GAPS_MS, STEP_BACK_MS) if chance % 4 == 0 else GAPS_MS
    stamps = (None,) if chance % 3 else (None, *STAMPS_MS)
    payloads = PAYLOADS if chance % 5 else (*PAYLOADS, *UNSTAMPED * 6)
    return [
        (
            choose.choice((0, 0, 0, 1, 2)),
            choose.choice(gaps),
            choose.choice(stamps),
            choose.choice(payloads),
        )
        for _ in range(length)
    ]


def stamped(happened_ms: int, payload: bytes) -> bytes:
    """In milliseconds, or in seconds where the moment is a whole one."""
    seconds, rest = divmod(happened_ms, 1000)
    return b"t=%d;%s" % (happened_ms if rest else seconds, payload)


def streams(policy: str) -> st.SearchStrategy[tuple]:
    node = st.integers(0, NODES_MAX - 1)
    # two draws for many messages: ten thousand streams are to be made in a minute
    several = st.builds(messages, st.integers(0, MESSAGES_MAX), st.integers(0, 2**32 - 1))
    part = st.tuples(several, node, operations(policy))
    return st.tuples(
        st.lists(configs(policy), min_size=1, max_size=NODES_MAX),
        st.lists(part, min_size=1, max_size=PARTS_MAX),
    )


class Driven:
    """The nodes as the ingest drives them: batches, shared pipes, restarts from dumps."""

    def __init__(self, documents: list[dict]) -> None:
        self.pipes: dict[str, CompiledPipe] = {}
        self.out = Rows()
        self.drops = no_drops()
        self.accepted = 0
        self.configs = documents
        self.memories = {
            node: NodeMemory(UUID(int=node + 1), 1, self.compiled(document))
            for node, document in enumerate(documents)
        }

    def compiled(self, document: dict) -> CompiledPipe:
        """One for equal configs, so that their nodes meet in one run."""
        text = repr(document)
        if text not in self.pipes:
            self.pipes[text] = compile_pipe(read_config(document))
        return self.pipes[text]

    def run(self, samples: list[tuple[int, int, bytes]]) -> None:
        self.accepted += run_batch(samples, self.memories, self.out, self.drops)

    def apply(self, node: int, word: str, config: dict | None) -> None:
        memory = self.memories[node]
        match word:
            case "restart":
                self.restart(node, memory)
            case "activate":
                memory.compiled = self.compiled(self.configs[node])
            case "deactivate":
                memory.compiled = None
            case "delete_data":
                memory.begin_series(memory.generation + 1)
            case "set_config":
                assert config is not None
                self.configs[node] = config
                if memory.compiled is not None:
                    memory.compiled = self.compiled(config)

    def restart(self, node: int, memory: NodeMemory) -> None:
        dump = memory.dump()
        loaded = NodeMemory.load(dump, memory.node, memory.generation, memory.compiled)
        assert sorted(loaded.dump()[4]) == sorted(dump[4])
        self.memories[node] = loaded

    def close(self, now_ms: int) -> None:
        for memory in self.memories.values():
            memory.close(memory.node, memory.generation, now_ms, self.out)


def apply(oracle: OracleNode, word: str, config: dict | None) -> None:
    match word:
        case "activate":
            oracle.active = True
        case "deactivate":
            oracle.active = False
        case "delete_data":
            oracle.delete_data()
        case "set_config":
            assert config is not None
            oracle.config = config


@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_compiled_pipe_does_what_the_specification_says(
    policy: str, say: Callable[[str], None]
) -> None:
    say(f"PIPES_SEED={SEED}, {STREAMS} streams")

    @seed(SEED)
    @settings(
        max_examples=STREAMS,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(streams(policy))
    def compare(stream: tuple) -> None:
        documents, parts = stream
        driven = Driven(list(documents))
        oracles = [OracleNode(document) for document in documents]
        now = reached = closed = EPOCH_MS
        for published, chosen, (word, config) in parts:
            samples = []
            for node, gap, stamp, value in published:
                now = max(now + gap, closed)
                reached = max(reached, now)
                payload = value if stamp is None else stamped(now + stamp, value)
                samples.append((node % len(documents), now, payload))
            for node, t, payload in samples:
                oracles[node].publish(t, payload)
            driven.run(samples)
            node = chosen % len(documents)
            apply(oracles[node], word, config)
            driven.apply(node, word, config)
            if word == "close":
                closed = reached
                driven.close(closed)
        driven.close(reached + 10**9)
        check(driven, oracles)

    compare()


def check(driven: Driven, oracles: list[OracleNode]) -> None:
    for node, oracle in enumerate(oracles):
        memory = driven.memories[node]
        uuid = memory.node
        driven.restart(node, memory)
        dropped = driven.memories[node].dropped or no_drops()
        counted = dict(zip(REASONS, dropped, strict=True))
        assert counted == {word: oracle.drops[word] for word in REASONS}
        assert [row[1:] for row in driven.out.n_records if row[0] == uuid] == oracle.records
        assert [row[1:] for row in driven.out.time_windows if row[0] == uuid] == oracle.window_rows
        assert driven.out.last_values.get(uuid) == oracle.last_value
        check_aggregates(driven, uuid, oracle)
    assert sum(driven.drops) == sum(sum(oracle.drops.values()) for oracle in oracles)


def check_aggregates(driven: Driven, uuid: UUID, oracle: OracleNode) -> None:
    rows = [row for row in driven.out.aggregates if row[0] == uuid]
    found = {(row[1], row[3], row[4], row[6]): row for row in rows}
    assert len(found) == len(rows)
    for (generation, function, seconds, start), values in oracle.windows.items():
        row = found.pop((generation, function, seconds, start), None)
        exact = aggregate(function, values)
        if leaves_range(values) and function in ("Avg", "Sum"):
            continue
        assert row is not None
        _, _, state, _, _, created, _, end, samples = row
        together = [one for one in rows if (one[1], one[7]) == (generation, end)]
        assert end == start + seconds * 1000
        assert created == end + together.index(row)
        assert samples == len(values)
        scale = sum(abs(value) for value in values)
        assert abs(Fraction(state) - exact) <= abs(exact) / 10**15 + scale / 10**27 + Fraction(
            1, 10**323
        )
    # a window that had ended before its series was deleted was told, and no reader sees it
    assert all(generation < oracle.generation for generation, *_ in found)


def leaves_range(values: list[Fraction]) -> bool:
    total = Fraction()
    for value in values:
        total += value
        if abs(total) > FLOAT_MAX:
            return True
    return False
