"""Which documents are configs: rules V1 to V16 (spec datapipe.md 3, rulings 4).

Sections are independent and told in the order of the document. Each failing key of a section is
one violation. The rules that look at several keys run where all keys of the section are valid,
and the first broken one is told: so clients count on it. ``every=True`` tells more, for people:
each bad element of a list, and all rules whose own keys are valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.pipes.config import (
    PAYLOAD_BYTES_MAX,
    RECORDS_MAX,
    WINDOW_SECONDS,
    ActivePeriod,
    Filters,
    InputType,
    PeriodType,
    PipeConfig,
    PolicyType,
    ProcessingPolicy,
    Stage,
    ThresholdType,
    Transformations,
)
from pepeunit.domain.pipes.fields import KEYS, SECTIONS, Malformed

SECTION_CLASSES: Final[Mapping[Stage, Callable[..., Any]]] = {
    Stage.ACTIVE_PERIOD: ActivePeriod,
    Stage.FILTERS: Filters,
    Stage.TRANSFORMATIONS: Transformations,
    Stage.PROCESSING_POLICY: ProcessingPolicy,
}

Values = Mapping[str, Any]
Fault = tuple[str, str]


@frozen
class Violation:
    """``path`` is dotted from the root of the document, as in ``filters.max_rate``."""

    stage: Stage
    path: str
    message: str


@frozen
class Rule:
    """Looks at ``keys`` of a section, all of them valid; yields ``(key, message)``."""

    keys: tuple[str, ...]
    faults: Callable[[Values, int], Iterator[Fault]]


def violations(
    document: object, payload_bytes_max: int = PAYLOAD_BYTES_MAX, *, every: bool = False
) -> list[Violation]:
    """What keeps the parsed document from being a config; empty when it is one.

    Raises ``Invalid`` (topic pipe) when it is not even a mapping.
    """
    return _read(document, payload_bytes_max, every=every)[1]


def read_config(document: object, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> PipeConfig:
    """The config of a parsed document.

    Raises ``Invalid`` (topic pipe): its message starts with the number of errors.
    """
    sections, found = _read(document, payload_bytes_max, every=False)
    if found:
        raise InvalidPipe(found)
    return PipeConfig(
        sections[Stage.ACTIVE_PERIOD],
        sections[Stage.FILTERS],
        sections[Stage.TRANSFORMATIONS],
        sections[Stage.PROCESSING_POLICY],
    )


class InvalidPipe(Invalid):
    """A mapping that is no config; ``entries`` are its violations with their stages."""

    def __init__(self, entries: Sequence[Violation]) -> None:
        super().__init__([(entry.path, entry.message) for entry in entries], Topic.PIPE)
        self.entries = tuple(entries)
        noun = "error" if len(entries) == 1 else "errors"
        self.message = f"{len(entries)} {noun}: {self.message}"


def _read(
    document: object, payload_bytes_max: int, *, every: bool
) -> tuple[dict[Stage, Any], list[Violation]]:
    if document is None:
        raise Invalid("the document is empty", Topic.PIPE)
    if not isinstance(document, Mapping):
        raise Invalid(
            f"the document must be a mapping, not this {type(document).__name__}", Topic.PIPE
        )
    sections: dict[Stage, Any] = {}
    found: list[Violation] = []
    for stage, name in SECTIONS.items():
        section = document.get(name)
        if section is None and stage is Stage.TRANSFORMATIONS:
            sections[stage] = None
            continue
        values, faults = _read_section(stage, section, payload_bytes_max, every=every)
        found += [Violation(stage, name + path, message) for path, message in faults]
        if not faults:
            sections[stage] = SECTION_CLASSES[stage](**values)
    return sections, found


def _read_section(
    stage: Stage, section: object, payload_bytes_max: int, *, every: bool
) -> tuple[Values, list[Fault]]:
    if not isinstance(section, Mapping):
        return {}, [("", "is missing" if section is None else "must be a mapping")]
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for key in KEYS[stage]:
        value = section.get(key.name)
        is_absent = key.name not in section or (value is None and key.is_null_absent)
        if is_absent and not key.is_required:
            values[key.name] = key.default
            continue
        try:
            if is_absent:
                raise Malformed(("", "is required"))
            values[key.name] = key.read(value)
        except Malformed as wrong:
            told = wrong.faults if every else wrong.faults[:1]
            faults += [(f".{key.name}{path}", message) for path, message in told]
    if not faults or every:
        broken = [
            (f".{path}", message)
            for rule in RULES[stage]
            if all(name in values for name in rule.keys)
            for path, message in rule.faults(values, payload_bytes_max)
        ]
        faults += broken if every else broken[:1]
    return values, faults


def _period_bounds(values: Values, _: int) -> Iterator[Fault]:
    """V4"""
    kind: PeriodType = values["type"]
    if kind.has_start and values["start"] is None:
        yield "start", f"is required for {kind.value}"
    if kind.has_end and values["end"] is None:
        yield "end", f"is required for {kind.value}"


def _period_order(values: Values, _: int) -> Iterator[Fault]:
    """V5"""
    start, end = values["start"], values["end"]
    if (
        values["type"] is PeriodType.DATE_RANGE
        and start is not None
        and end is not None
        and start >= end
    ):
        yield "end", "must be after start"


def _list_given(values: Values, _: int) -> Iterator[Fault]:
    """V9"""
    kind = values["type_value_filtering"]
    if kind is not None and not values["filtering_values"]:
        yield "filtering_values", f"must hold values for {kind.value}"


def _list_suits(values: Values, _: int) -> Iterator[Fault]:
    """V7, V8"""
    for index, value in enumerate(values["filtering_values"] or ()):
        if values["type_input_value"] is InputType.TEXT:
            if not isinstance(value, str):
                yield f"filtering_values[{index}]", "must be a text: put it in quotes"
        elif isinstance(value, str | bool):
            yield f"filtering_values[{index}]", "must be a number, without quotes"


def _thresholds(values: Values, _: int) -> Iterator[Fault]:
    """V10"""
    kind: ThresholdType | None = values["type_value_threshold"]
    if kind is None or values["type_input_value"] is InputType.TEXT:
        return
    low, high = values["threshold_min"], values["threshold_max"]
    if kind.has_min and low is None:
        yield "threshold_min", f"is required for {kind.value}"
    if kind.has_max and high is None:
        yield "threshold_max", f"is required for {kind.value}"
    if kind is ThresholdType.RANGE and None not in (low, high) and low >= high:
        yield "threshold_max", "must be greater than threshold_min"


def _size(values: Values, payload_bytes_max: int) -> Iterator[Fault]:
    """V11"""
    if values["max_size"] > payload_bytes_max:
        yield "max_size", f"must be at most {payload_bytes_max}, the broker's limit"


def _records(values: Values, _: int) -> Iterator[Fault]:
    """V13"""
    count = values["n_records_count"]
    if values["policy_type"] is PolicyType.N_RECORDS and (
        count is None or not 1 <= count <= RECORDS_MAX
    ):
        yield "n_records_count", f"must be from 1 to {RECORDS_MAX} for NRecords"


def _window(values: Values, _: int) -> Iterator[Fault]:
    """V14"""
    kind = values["policy_type"]
    if (
        kind in (PolicyType.TIME_WINDOW, PolicyType.AGGREGATION)
        and values["time_window_size"] not in WINDOW_SECONDS
    ):
        sizes = ", ".join(map(str, WINDOW_SECONDS))
        yield "time_window_size", f"must be one of {sizes} for {kind.value}"


def _function(values: Values, _: int) -> Iterator[Fault]:
    """V15"""
    if values["policy_type"] is PolicyType.AGGREGATION and values["aggregation_functions"] is None:
        yield "aggregation_functions", "is required for Aggregation"


RULES: Final[Mapping[Stage, Sequence[Rule]]] = {
    Stage.ACTIVE_PERIOD: (
        Rule(("type", "start", "end"), _period_bounds),
        Rule(("type", "start", "end"), _period_order),
    ),
    Stage.FILTERS: (
        Rule(("type_value_filtering", "filtering_values"), _list_given),
        Rule(("type_input_value", "filtering_values"), _list_suits),
        Rule(
            ("type_input_value", "type_value_threshold", "threshold_min", "threshold_max"),
            _thresholds,
        ),
        Rule(("max_size",), _size),
    ),
    Stage.TRANSFORMATIONS: (),
    Stage.PROCESSING_POLICY: (
        Rule(("policy_type", "n_records_count"), _records),
        Rule(("policy_type", "time_window_size"), _window),
        Rule(("policy_type", "aggregation_functions"), _function),
    ),
}
