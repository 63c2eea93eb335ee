"""The Python text of a config: two functions with one meaning.

``exact`` looks at every message by itself and names the reason of each drop. ``swift`` first looks
at the whole run: are all payloads well-formed, small enough and inside the active period? Then the
loop goes without these checks; else it hands the run to ``exact``. The rest of the loop is the
same text in both: list, threshold, rate, uniqueness, transformation, policy (spec datapipe.md 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from textwrap import indent
from typing import Any, Final

from pepeunit.domain.pipes.config import (
    AggregationFunction,
    Filters,
    InputType,
    ListType,
    PipeConfig,
    PolicyType,
)
from pepeunit.domain.pipes.drops import Drop
from pepeunit.domain.pipes.numbers import (
    ALPHABET,
    DIGITS,
    parse_number,
    product_text,
    unreadable,
)
from pepeunit.domain.pipes.phrases import (
    ADD,
    BEFORE,
    DROP,
    EXACT_DECODE_NUMBER,
    EXACT_DECODE_TEXT,
    LAST_VALUES,
    NEWEST,
    NEWEST_IN_ORDER,
    PLAIN_TEXT,
    ROW,
    SWIFT_BOUNDS,
    SWIFT_DECODE_NUMBER,
    SWIFT_DECODE_TEXT,
    WINDOW,
)
from pepeunit.domain.pipes.windows import window_rule

CONSTANTS: Final[Mapping[str, Any]] = {
    **Drop.__members__,
    "ALPHABET": ALPHABET,
    "DIGITS": DIGITS,
    "isfinite": math.isfinite,
    "parse_number": parse_number,
    "product_text": product_text,
    "unreadable": unreadable,
}


def program(config: PipeConfig) -> tuple[str, dict[str, Any]]:
    """The text of ``make``, which returns the two functions, and the arguments to call it with.

    The text depends on which keys the config has, not on their values: a fleet whose configs
    differ only in numbers shares one.
    """
    builder = _Builder(config)
    functions = builder.function("exact") + "\n" + builder.function("swift")
    body = indent(functions + "return exact, swift\n", "    ")
    return f"def make({', '.join(builder.values)}):\n{body}", builder.values


def listed(filters: Filters) -> frozenset[str | float]:
    """The values of the list, as incoming values are compared with them."""
    values = filters.filtering_values or ()
    if filters.type_input_value is InputType.NUMBER:
        return frozenset(map(float, values))
    return frozenset(map(str, values))


class _Builder:
    """``values`` are the arguments of ``make``, found while the text is put together."""

    def __init__(self, config: PipeConfig) -> None:
        self.config = config
        self.values: dict[str, Any] = {}
        self.is_number = config.filters.type_input_value is InputType.NUMBER
        self.policy = config.processing_policy.policy_type
        self.source, self.text, self.size = self._texts()

    def named(self, name: str, value: object) -> str:
        self.values[name] = value
        return name

    def function(self, name: str) -> str:
        is_swift = name == "swift"
        loop = "".join(
            [
                "" if is_swift else self._period() + self._decoding(),
                self._filters(is_swift=is_swift),
                self._transformation(),
                "memory.last_ms = time\nmemory.last_value = value\n",
                self._keep(is_swift=is_swift),
                "accepted += 1\n",
            ]
        )
        columns = {"memory": "memories", "time": "times"}
        if "payload" in loop:
            columns["payload"] = "payloads"
        if is_swift:
            columns["value"] = "values"
        items = ", ".join(columns)
        body = [
            self._run_checks() + self._decoding_of_runs() if is_swift else "",
            "accepted = 0\n",
            self._before(),
            f"for {items} in zip({', '.join(columns.values())}, strict=True):\n",
            indent(loop, "    "),
            self._after(),
            "return accepted\n",
        ]
        head = f"def {name}(memories, times, payloads, out, drops):\n"
        return head + indent("".join(body), "    ")

    def _decoding(self) -> str:
        return EXACT_DECODE_NUMBER if self.is_number else EXACT_DECODE_TEXT

    def _decoding_of_runs(self) -> str:
        return SWIFT_DECODE_NUMBER if self.is_number else SWIFT_DECODE_TEXT

    def _period(self) -> str:
        period = self.config.active_period
        inside = self._between("start_ms", period.start_ms, "time", "end_ms", period.end_ms)
        return DROP.format(condition=f"not {inside}", reason="INACTIVE") if inside else ""

    def _between(self, low: str, minimum: Any, value: str, high: str, maximum: Any) -> str:
        """The condition of a value within bounds, of which either may be None."""
        parts = [value]
        if minimum is not None:
            parts.insert(0, self.named(low, minimum))
        if maximum is not None:
            parts.append(self.named(high, maximum))
        return " <= ".join(parts) if len(parts) > 1 else ""

    def _run_checks(self) -> str:
        period = self.config.active_period
        conditions = []
        if period.start_ms is not None:
            conditions.append("min(times) < start_ms")
        if period.end_ms is not None:
            conditions.append("max(times) > end_ms")
        if self.config.filters.max_size:
            conditions.append("max(map(len, payloads)) > size_max")
        if self.policy is PolicyType.LAST_VALUE:
            conditions.append("sorted(times) != list(times)")
        return "".join(SWIFT_BOUNDS.format(condition=condition) for condition in conditions)

    def _filters(self, *, is_swift: bool) -> str:
        filters = self.config.filters
        drops = [self._list(), self._threshold()]
        if filters.max_rate:
            rate_ms = self.named("rate_ms", filters.max_rate * 1000)
            rate = f"0 <= time - memory.last_ms < {rate_ms}"
            drops.append(DROP.format(condition=rate, reason="RATE"))
        if filters.max_size and not is_swift:
            size_max = self.named("size_max", filters.max_size)
            drops.append(DROP.format(condition=f"len(payload) > {size_max}", reason="SIZE"))
        if filters.last_unique_check:
            drops.append(DROP.format(condition="value == memory.last_value", reason="UNIQUE"))
        return "".join(drops)

    def _list(self) -> str:
        filters = self.config.filters
        if filters.type_value_filtering is None:
            return ""
        is_white = filters.type_value_filtering is ListType.WHITE
        values = self.named("listed", listed(filters))
        condition = f"value {'not in' if is_white else 'in'} {values}"
        return DROP.format(condition=condition, reason="LIST")

    def _threshold(self) -> str:
        filters = self.config.filters
        inside = self._between("minimum", filters.minimum, "value", "maximum", filters.maximum)
        return DROP.format(condition=f"not {inside}", reason="THRESHOLD") if inside else ""

    def _texts(self) -> tuple[str, str, str]:
        """What the stored text is made of, the text of it, and the text's size in bytes."""
        keys = self.config.transformations
        is_plain = keys is None or not self.config.is_transforming
        if keys is None or is_plain:
            return ("payload", "{}.strip().decode()", "len(text)") if self.is_number else PLAIN_TEXT
        if not self.is_number:
            span = self.named("span", slice(keys.slice_start, keys.slice_end))
            return "value", f"{{}}[{span}]", "len(text.encode())"
        if keys.round_decimal_point is None:
            return "number", "product_text({})", "len(text)"
        form = self.named("form", f"%.{keys.round_decimal_point}f")
        return "number", f"{form} % {{}}", "len(text)"

    def _transformation(self) -> str:
        keys = self.config.transformations
        is_aggregating = self.policy is PolicyType.AGGREGATION
        if not self.is_number:
            if not is_aggregating:
                return ""
            parsed = f"number = parse_number({self.text.format('value')})\n"
            return parsed + DROP.format(condition="number is None", reason="TYPE")
        lines = "number = value\n" if is_aggregating or self.config.is_transforming else ""
        if keys is not None and keys.multiplication_ratio is not None:
            ratio = self.named("ratio", keys.multiplication_ratio)
            lines = f"number = value * {ratio}\n"
            lines += DROP.format(condition="number - number != 0.0", reason="NONFINITE")
        if is_aggregating and keys is not None and keys.round_decimal_point is not None:
            lines += f"number = round(number, {self.named('places', keys.round_decimal_point)})\n"
        return lines

    def _before(self) -> str:
        return BEFORE[self.policy]

    def _keep(self, *, is_swift: bool) -> str:
        policy = self.config.processing_policy
        seconds = policy.time_window_size or 0
        match self.policy:
            case PolicyType.LAST_VALUE:
                return (NEWEST_IN_ORDER if is_swift else NEWEST).format(source=self.source)
            case PolicyType.N_RECORDS:
                return self._row("seq", self.named("records_max", policy.n_records_count))
            case PolicyType.TIME_WINDOW:
                return self._row("window_seq", f"time + {self.named('window_ms', seconds * 1000)}")
            case PolicyType.AGGREGATION:
                function = policy.aggregation_functions or AggregationFunction.AVG
                rule = self.named("rule", window_rule(seconds, function))
                return WINDOW.format(rule=rule) + ADD[function]

    def _row(self, counter: str, limit: str) -> str:
        return ROW.format(
            counter=counter,
            text=self.text.format(self.source),
            kind=self.config.filters.type_input_value.value,
            limit=limit,
            size=self.size,
        )

    def _after(self) -> str:
        if self.policy is PolicyType.LAST_VALUE:
            return LAST_VALUES.format(text=self.text.format("source"))
        return ""
