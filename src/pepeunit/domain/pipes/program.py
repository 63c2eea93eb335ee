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
    DROP,
    EXACT_DECODE_NUMBER,
    EXACT_DECODE_TEXT,
    LAST_VALUES,
    NEWEST,
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
    """The text of the two functions, and the names it uses."""
    builder = _Builder(config)
    return builder.function("exact") + "\n\n" + builder.function("swift"), builder.constants


def listed(filters: Filters) -> frozenset[str | float]:
    """The values of the list, as incoming values are compared with them."""
    values = filters.filtering_values or ()
    if filters.type_input_value is InputType.NUMBER:
        return frozenset(map(float, values))
    return frozenset(map(str, values))


class _Builder:
    def __init__(self, config: PipeConfig) -> None:
        self.config = config
        self.constants: dict[str, Any] = dict(CONSTANTS)
        self.is_number = config.filters.type_input_value is InputType.NUMBER
        self.policy = config.processing_policy.policy_type
        self.source, self.text, self.size = self._texts()

    def function(self, name: str) -> str:
        is_swift = name == "swift"
        columns = ["memories", "times", "payloads"]
        names = ["memory", "time", "payload"]
        if is_swift:
            columns.append("values")
            names.append("value")
        loop = [
            "" if is_swift else self._exact_head(),
            self._filters(),
            self._transformation(),
            "memory.last_ms = time\nmemory.last_value = value\n",
            self._keep(is_swift=is_swift),
            "accepted += 1\n",
        ]
        heading = f"for {', '.join(names)} in zip({', '.join(columns)}, strict=True):\n"
        body = [
            self._swift_head() if is_swift else "",
            "accepted = 0\n",
            self._before(),
            heading + indent("".join(loop), "    "),
            self._after(),
            "return accepted\n",
        ]
        return f"def {name}(memories, times, payloads, out, drops):\n" + indent(
            "".join(body), "    "
        )

    def _exact_head(self) -> str:
        outside = self._outside("{} <= time", "time <= {}", " <= time <= ")
        return (DROP.format(condition=f"not {outside}", reason="INACTIVE") if outside else "") + (
            EXACT_DECODE_NUMBER if self.is_number else EXACT_DECODE_TEXT
        )

    def _outside(self, low: str, high: str, both: str) -> str:
        """The condition of being inside the active period; empty without bounds."""
        period = self.config.active_period
        start, end = period.start_ms, period.end_ms
        if start is not None and end is not None:
            return f"{start}{both}{end}"
        if start is not None:
            return low.format(start)
        return "" if end is None else high.format(end)

    def _swift_head(self) -> str:
        period, size = self.config.active_period, self.config.filters.max_size
        conditions = []
        if period.start_ms is not None:
            conditions.append(f"min(times) < {period.start_ms}")
        if period.end_ms is not None:
            conditions.append(f"max(times) > {period.end_ms}")
        if size:
            conditions.append(f"max(map(len, payloads)) > {size}")
        if self.policy is PolicyType.LAST_VALUE:
            conditions.append("sorted(times) != list(times)")
        return "".join(SWIFT_BOUNDS.format(condition=condition) for condition in conditions) + (
            SWIFT_DECODE_NUMBER if self.is_number else SWIFT_DECODE_TEXT
        )

    def _filters(self) -> str:
        filters = self.config.filters
        drops = [self._list(), self._threshold()]
        if filters.max_rate:
            rate = f"0 <= time - memory.last_ms < {filters.max_rate * 1000}"
            drops.append(DROP.format(condition=rate, reason="RATE"))
        if filters.max_size:
            drops.append(DROP.format(condition=f"len(payload) > {filters.max_size}", reason="SIZE"))
        if filters.last_unique_check:
            drops.append(DROP.format(condition="value == memory.last_value", reason="UNIQUE"))
        return "".join(drops)

    def _list(self) -> str:
        filters = self.config.filters
        if filters.type_value_filtering is None:
            return ""
        self.constants["LISTED"] = listed(filters)
        is_white = filters.type_value_filtering is ListType.WHITE
        return DROP.format(
            condition=f"value {'not in' if is_white else 'in'} LISTED", reason="LIST"
        )

    def _threshold(self) -> str:
        low, high = self.config.filters.minimum, self.config.filters.maximum
        if low is not None and high is not None:
            inside = f"{low!r} <= value <= {high!r}"
        elif low is not None:
            inside = f"{low!r} <= value"
        elif high is not None:
            inside = f"value <= {high!r}"
        else:
            return ""
        return DROP.format(condition=f"not {inside}", reason="THRESHOLD")

    def _texts(self) -> tuple[str, str, str]:
        """What the stored text is made of, the text of it, and the text's size in bytes."""
        keys = self.config.transformations
        if not self.is_number:
            if keys is None or not self.config.is_transforming:
                return "value", "{}", "len(payload)"
            start, end = ("" if at is None else at for at in (keys.slice_start, keys.slice_end))
            return "value", f"{{}}[{start}:{end}]", "len(text.encode())"
        if keys is None or not self.config.is_transforming:
            return "payload", "{}.strip().decode()", "len(text)"
        if keys.round_decimal_point is None:
            return "number", "product_text({})", "len(text)"
        return "number", f'"%.{keys.round_decimal_point}f" % {{}}', "len(text)"

    def _transformation(self) -> str:
        keys = self.config.transformations
        is_aggregating = self.policy is PolicyType.AGGREGATION
        if not self.is_number:
            if not is_aggregating:
                return ""
            parsed = f"number = parse_number({self.text.format('value')})\n"
            return parsed + DROP.format(condition="number is None", reason="TYPE")
        ratio = None if keys is None else keys.multiplication_ratio
        places = None if keys is None else keys.round_decimal_point
        lines = "number = value\n"
        if ratio is not None:
            lines = f"number = value * {ratio!r}\n" + DROP.format(
                condition="number - number != 0.0", reason="NONFINITE"
            )
        if is_aggregating and places is not None:
            lines += f"number = round(number, {places})\n"
        return lines

    def _before(self) -> str:
        match self.policy:
            case PolicyType.LAST_VALUE:
                return "newest = {}\n"
            case PolicyType.N_RECORDS:
                return "append = out.n_records.append\n"
            case PolicyType.TIME_WINDOW:
                return "append = out.time_windows.append\n"
            case PolicyType.AGGREGATION:
                return ""

    def _keep(self, *, is_swift: bool) -> str:
        policy = self.config.processing_policy
        seconds = policy.time_window_size or 0
        match self.policy:
            case PolicyType.LAST_VALUE:
                simple = "newest[memory] = {source}, time\n"
                return (simple if is_swift else NEWEST).format(source=self.source)
            case PolicyType.N_RECORDS:
                return self._row(str(policy.n_records_count))
            case PolicyType.TIME_WINDOW:
                return self._row(f"time + {seconds * 1000}")
            case PolicyType.AGGREGATION:
                function = policy.aggregation_functions or AggregationFunction.AVG
                self.constants["RULE"] = window_rule(seconds, function)
                return WINDOW + ADD[function]

    def _row(self, limit: str) -> str:
        return ROW.format(
            text=self.text.format(self.source),
            kind=self.config.filters.type_input_value.value,
            limit=limit,
            size=self.size,
        )

    def _after(self) -> str:
        if self.policy is PolicyType.LAST_VALUE:
            return LAST_VALUES.format(text=self.text.format("source"))
        return ""
