"""A slow plain reading of datapipe.md sections 4 and 5: what a stream must give.

It shares no code with the pipes: numbers are exact fractions, windows keep every value, and each
rule is one line in the order of the specification. Configs are documents as people write them.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import copysign

from attrs import define, field

NUMBER = re.compile(rb"[ \t\r\n]*([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)[ \t\r\n]*")
WIDE = Context(prec=2000, rounding=ROUND_HALF_EVEN)


@define
class OracleNode:
    """``windows`` hold the values of every window ever opened, by generation and identity."""

    config: dict
    active: bool = True
    generation: int = 1
    last: tuple | None = None
    seq: int = 0
    window_seq: int = 0
    accepted: list = field(factory=list)
    drops: Counter = field(factory=Counter)
    records: list = field(factory=list)
    window_rows: list = field(factory=list)
    last_value: tuple | None = None
    windows: dict = field(factory=dict)

    def delete_data(self) -> None:
        self.windows = {
            key: values for key, values in self.windows.items() if key[0] != self.generation
        }
        self.generation += 1
        self.seq = self.window_seq = 0

    def publish(self, t: int, payload: bytes) -> str | None:
        reason = self._publish(t, payload)
        if reason is not None:
            self.drops[reason] += 1
        return reason

    def _publish(self, t: int, payload: bytes) -> str | None:
        filters = self.config["filters"]
        is_number = filters["type_input_value"] == "Number"
        if not self.active or not inside(self.config["active_period"], t):
            return "inactive"
        try:
            text = payload.decode("utf-8", "strict")
        except UnicodeDecodeError:
            return "encoding"
        if "\x00" in text:
            return "encoding"
        value = text
        if is_number:
            value = number(payload)
            if value is None:
                return "type"
        if (reason := filtered(filters, value, payload, t, self.last)) is not None:
            return reason
        keys = self.config.get("transformations") or {}
        if is_number:
            figure, state = transformed_number(value, text, keys)
            if figure is None:
                return "nonfinite"
        else:
            state = text[slice(keys.get("slice_start"), keys.get("slice_end"))]
            figure = None
        policy = self.config["processing_policy"]
        if policy["policy_type"] == "Aggregation" and not is_number:
            figure = number(state.encode())
            if figure is None:
                return "type"
        self.last = (t, value)
        self._keep(policy, t, state, figure, filters["type_input_value"])
        return None

    def _keep(self, policy: dict, t: int, state: str, figure: float | None, kind: str) -> None:
        size = len(state.encode())
        match policy["policy_type"]:
            case "LastValue":
                if self.last_value is None or self.last_value[1] <= t:
                    self.last_value = (state, t)
            case "NRecords":
                self.seq += 1
                row = (self.generation, self.seq, state, kind, t, policy["n_records_count"], size)
                self.records.append(row)
            case "TimeWindow":
                self.window_seq += 1
                expires = t + policy["time_window_size"] * 1000
                row = (self.generation, self.window_seq, state, kind, t, expires, size)
                self.window_rows.append(row)
            case "Aggregation":
                seconds = policy["time_window_size"]
                start = t // (seconds * 1000) * (seconds * 1000)
                key = (self.generation, policy["aggregation_functions"], seconds, start)
                self.windows.setdefault(key, []).append(Fraction(figure))


def moment(text: str) -> int:
    found = datetime.fromisoformat(text)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)


def inside(period: dict, t: int) -> bool:
    match period["type"]:
        case "FromDate":
            return moment(period["start"]) <= t
        case "ToDate":
            return t <= moment(period["end"])
        case "DateRange":
            return moment(period["start"]) <= t <= moment(period["end"])
    return True


def number(payload: bytes) -> float | None:
    found = NUMBER.fullmatch(payload)
    if found is None:
        return None
    literal = found[1].decode()
    value = nearest(Fraction(Decimal(literal)))
    if value == 0 and literal.startswith("-"):
        return -0.0
    return value


def nearest(exact: Fraction) -> float | None:
    """The float64 next to it, None when that is infinite."""
    try:
        return float(exact)
    except OverflowError:
        return None


def filtered(filters: dict, value, payload: bytes, t: int, last: tuple | None) -> str | None:
    kind, listed = filters.get("type_value_filtering"), filters.get("filtering_values") or []
    is_number = filters["type_input_value"] == "Number"
    is_member = any(value == (float(other) if is_number else other) for other in listed)
    if (kind == "WhiteList" and not is_member) or (kind == "BlackList" and is_member):
        return "list"
    threshold = filters.get("type_value_threshold") if is_number else None
    if threshold in ("Min", "Range") and Fraction(value) < Fraction(filters["threshold_min"]):
        return "threshold"
    if threshold in ("Max", "Range") and Fraction(value) > Fraction(filters["threshold_max"]):
        return "threshold"
    if last is not None and 0 <= t - last[0] < filters["max_rate"] * 1000:
        return "rate"
    if filters["max_size"] and len(payload) > filters["max_size"]:
        return "size"
    if (
        filters.get("last_unique_check")
        and last is not None
        and type(last[1]) is type(value)
        and last[1] == value
    ):
        return "unique"
    return None


def transformed_number(value: float, text: str, keys: dict) -> tuple[float | None, str]:
    ratio, places = keys.get("multiplication_ratio"), keys.get("round_decimal_point")
    if ratio is None and places is None:
        return value, text.strip(" \t\r\n")
    if ratio is not None:
        ratio = float(ratio)
        sign = copysign(1, value) * copysign(1, ratio)
        value = nearest(Fraction(value) * Fraction(ratio))
        if value is None:
            return None, ""
        value = copysign(value, sign)
    if places is not None:
        state = decimals(value, places)
        return float(state), state
    state = decimals(value, 6)
    if value != 0 and float(state) == 0:
        state = format(Decimal(repr(value)), "f")
    return value, state


def decimals(value: float, places: int) -> str:
    return format(Decimal(value).quantize(Decimal(1).scaleb(-places), context=WIDE), "f")


def aggregate(function: str, values: list[Fraction]) -> Fraction:
    match function:
        case "Avg":
            return sum(values, Fraction()) / len(values)
        case "Sum":
            return sum(values, Fraction())
        case "Min":
            return min(values)
    return max(values)
