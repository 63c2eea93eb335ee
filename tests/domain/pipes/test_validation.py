"""Rules V1 to V16 (spec datapipe.md 3), the vectors first."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.pipes.config import DEFAULT_PIPE, PAYLOAD_BYTES_MAX, WINDOW_SECONDS
from pepeunit.domain.pipes.validation import InvalidPipe, read_config, violations
from tests.domain.pipes.making import (
    N_RECORDS,
    TIME_WINDOW,
    VECTORS,
    aggregation,
    config,
    document,
)


@pytest.mark.parametrize("vector", VECTORS["validate"], ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    if vector["expect"].get("raises"):
        with pytest.raises(Invalid) as refused:
            violations(vector["config"])
        assert refused.value.topic is Topic.PIPE
        return
    found = violations(vector["config"])
    assert [violation.stage.value for violation in found] == vector["expect"]["errors"]
    assert (not found) == (read_or_none(vector["config"]) is not None)


def read_or_none(root: object) -> object:
    try:
        return read_config(root)
    except InvalidPipe:
        return None


def told(root: object, *, every: bool = False) -> list[str]:
    return [f"{found.stage.value} {found.path}" for found in violations(root, every=every)]


def with_key(section: str, key: str, value: object, **keys: Any) -> dict[str, Any]:
    made = document(**keys)
    made[section] = {**(made[section] or {}), key: value}
    return made


@pytest.mark.parametrize("section", ["active_period", "filters", "processing_policy"])
@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_v1_sections_are_mappings(section: str, value: object) -> None:
    assert [line.split()[1] for line in told({**document(), section: value})] == [section]
    without = {key: kept for key, kept in document().items() if key != section}
    assert [line.split()[1] for line in told(without)] == [section]


@pytest.mark.parametrize(("value", "valid"), [(None, True), ({}, True), ([], False), (5, False)])
def test_v1_transformations_may_be_absent_but_nothing_else(value: object, valid: bool) -> None:
    assert (told({**document(), "transformations": value}) == []) is valid


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("active_period", "type"),
        ("filters", "type_input_value"),
        ("filters", "max_rate"),
        ("filters", "max_size"),
        ("processing_policy", "policy_type"),
    ],
)
def test_v2_required_keys(section: str, key: str) -> None:
    made = document()
    del made[section][key]
    assert [line.split()[1] for line in told(made)] == [f"{section}.{key}"]
    assert [line.split()[1] for line in told(with_key(section, key, None))] == [f"{section}.{key}"]


@pytest.mark.parametrize("value", ["permanent", "PERMANENT", 1, True, ["Permanent"]])
def test_v3_enum_words_are_exact(value: object) -> None:
    assert told(with_key("active_period", "type", value)) == ["ActivePeriod active_period.type"]


@pytest.mark.parametrize(
    ("value", "read"),
    [(5, 5), (5.0, 5), ("5", 5), (" 5 ", 5), ("5.0", 5), ("+5", 5), (True, 1), (False, 0)],
)
def test_v3_integers_are_coerced(value: object, read: int) -> None:
    assert config(max_rate=value).filters.max_rate == read


@pytest.mark.parametrize("value", [5.5, "5.5", "five", "", "1e3", "1_0", [5], {}, "9" * 50])
def test_v3_integers_take_no_fractions_and_no_words(value: object) -> None:
    assert told(document(max_rate=value)) == ["Filters filters.max_rate"]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *((value, True) for value in (True, 1, 1.0, "1", "true", "Yes", "ON", " on ", "t", "y")),
        *((value, False) for value in (False, 0, 0.0, "0", "false", "No", "off", "f", "n")),
    ],
)
def test_v3_flags_are_coerced(value: object, read: bool) -> None:
    assert config(last_unique_check=value).filters.last_unique_check is read


@pytest.mark.parametrize("value", [None, 2, 0.5, "maybe", "", []])
def test_v3_flags_refuse_all_else_null_included(value: object) -> None:
    assert told(document(last_unique_check=value)) == ["Filters filters.last_unique_check"]


MARCH = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2025-03-01T00:00:00Z", MARCH),
        ("2025-03-01", MARCH),
        ("2025-03-01 00:00:00", MARCH),
        ("2025-03-01T05:30:00+05:30", MARCH),
        (date(2025, 3, 1), MARCH),
        (datetime(2025, 3, 1), MARCH),  # noqa: DTZ001
        (datetime(2025, 3, 1, 1, tzinfo=timezone(timedelta(hours=1))), MARCH),
        (1_740_787_200, MARCH),
        ("1740787200", MARCH),
        (1_740_787_200.5, MARCH + timedelta(milliseconds=500)),
        (1_740_787_200_500, MARCH + timedelta(milliseconds=500)),
        (20_000_000_000, datetime(2603, 10, 11, 11, 33, 20, tzinfo=UTC)),
        (20_000_000_001, datetime(1970, 8, 20, 11, 33, 20, 1000, tzinfo=UTC)),
    ],
)
def test_v3_datetimes(value: object, read: datetime) -> None:
    found = config(period={"type": "FromDate", "start": value}).active_period.start
    assert found == read
    assert found is not None
    assert found.tzinfo is not None


@pytest.mark.parametrize("value", ["soon", "2025-13-01", "", True, [], 1e300, "1" * 80])
def test_v3_unparsable_datetimes(value: object) -> None:
    made = document(period={"type": "Permanent", "start": value})
    assert told(made) == ["ActivePeriod active_period.start"]


@pytest.mark.parametrize(
    ("period", "valid"),
    [
        ({"type": "FromDate"}, False),
        ({"type": "FromDate", "start": 0}, True),
        ({"type": "ToDate", "start": 0}, False),
        ({"type": "ToDate", "end": 0}, True),
        ({"type": "DateRange", "start": 0}, False),
        ({"type": "DateRange", "end": 0}, False),
        ({"type": "DateRange"}, False),
        ({"type": "DateRange", "start": 0, "end": 1}, True),
    ],
)
def test_v4_bounds_of_the_period(period: dict[str, Any], valid: bool) -> None:
    assert told(document(period=period)) == [] or not valid
    assert len(told(document(period=period))) == (0 if valid else 1)


@pytest.mark.parametrize(("end", "valid"), [(0, False), (1, False), (1.5, True), (2, True)])
def test_v5_start_before_end(end: float, valid: bool) -> None:
    made = document(period={"type": "DateRange", "start": 1, "end": end})
    assert told(made) == ([] if valid else ["ActivePeriod active_period.end"])


def test_v5_bounds_that_the_type_does_not_use_are_not_compared() -> None:
    assert told(document(period={"type": "FromDate", "start": 5, "end": 1})) == []


@pytest.mark.parametrize(
    ("keys", "valid"),
    [
        ({"max_rate": 0}, True),
        ({"max_rate": 86_400}, True),
        ({"max_rate": -1}, False),
        ({"max_rate": 86_401}, False),
        ({"max_size": -1}, False),
    ],
)
def test_v6_ranges(keys: dict[str, int], valid: bool) -> None:
    assert (told(document(**keys)) == []) is valid


@pytest.mark.parametrize("values", [["1"], [1, "x"], [True], [1, 2.5, False]])
def test_v7_number_lists_hold_numbers(values: list[object]) -> None:
    made = document(type_value_filtering="WhiteList", filtering_values=values)
    assert told(made) == ["Filters " + f"filters.filtering_values[{len(values) - 1}]"]
    assert told(document(filtering_values=values)) != []


@pytest.mark.parametrize("values", [[1], ["a", 2.5], ["a", True]])
def test_v8_text_lists_hold_texts(values: list[object]) -> None:
    made = document(
        type_input_value="Text", type_value_filtering="BlackList", filtering_values=values
    )
    assert told(made) == [f"Filters filters.filtering_values[{len(values) - 1}]"]


@pytest.mark.parametrize("values", [[None], [[1]], [{}], [date(2025, 1, 1)], "1", 5, {}])
def test_v3_lists_hold_scalars_and_a_bad_element_is_one_entry(values: object) -> None:
    made = document(type_value_filtering="WhiteList", filtering_values=values)
    assert len(told(made)) == 1


def test_half_a_surrogate_pair_cannot_be_stored() -> None:
    made = document(type_input_value="Text", filtering_values=["\ud800"])
    assert told(made) == ["Filters filters.filtering_values[0]"]


@pytest.mark.parametrize("values", [None, []])
def test_v9_a_list_type_needs_values(values: object) -> None:
    made = document(type_value_filtering="BlackList", filtering_values=values)
    assert told(made) == ["Filters filters.filtering_values"]
    assert told(document(filtering_values=values)) == []


@pytest.mark.parametrize(
    ("kind", "low", "high", "valid"),
    [
        ("Min", None, 5, False),
        ("Min", 0.5, None, True),
        ("Max", 5, None, False),
        ("Max", None, 5, True),
        ("Range", None, 5, False),
        ("Range", 5, None, False),
        ("Range", 5, 5, False),
        ("Range", 6, 5, False),
        ("Range", 4.5, 5, True),
        ("Min", 6, 5, True),
        (None, 6, 5, True),
    ],
)
def test_v10_thresholds(kind: str | None, low: Any, high: Any, valid: bool) -> None:
    keys = {"type_value_threshold": kind, "threshold_min": low, "threshold_max": high}
    assert (told(document(**keys)) == []) is valid
    assert told(document(type_input_value="Text", **keys)) == []


@pytest.mark.parametrize(("size", "limit", "valid"), [(10, 10, True), (11, 10, False)])
def test_v11_the_brokers_limit(size: int, limit: int, valid: bool) -> None:
    assert (violations(document(max_size=size), limit) == []) is valid
    assert violations(document(max_size=PAYLOAD_BYTES_MAX)) == []


@pytest.mark.parametrize(("places", "valid"), [(0, True), (7, True), (8, False), (-1, False)])
def test_v12_decimal_places(places: int, valid: bool) -> None:
    made = document(transformations={"round_decimal_point": places})
    assert told(made) == ([] if valid else ["Transformations transformations.round_decimal_point"])


@pytest.mark.parametrize(("count", "valid"), [(1, True), (1024, True), (0, False), (1025, False)])
def test_v13_records(count: int, valid: bool) -> None:
    assert (told(document({**N_RECORDS, "n_records_count": count})) == []) is valid
    assert told(document({"policy_type": "NRecords"})) != []


@pytest.mark.parametrize("policy", [TIME_WINDOW, aggregation()])
def test_v14_window_sizes(policy: dict[str, Any]) -> None:
    for seconds in WINDOW_SECONDS:
        assert told(document({**policy, "time_window_size": seconds})) == []
    for other in (None, 0, 59, 61, 120, 86_401):
        found = told(document({**policy, "time_window_size": other}))
        assert found == ["ProcessingPolicy processing_policy.time_window_size"]


def test_v15_functions() -> None:
    made = document({"policy_type": "Aggregation", "time_window_size": 60})
    assert told(made) == ["ProcessingPolicy processing_policy.aggregation_functions"]


NUMERIC_KEYS = [
    ("filters", "threshold_min"),
    ("filters", "threshold_max"),
    ("filters", "max_rate"),
    ("filters", "max_size"),
    ("transformations", "multiplication_ratio"),
    ("transformations", "round_decimal_point"),
    ("transformations", "slice_start"),
    ("transformations", "slice_end"),
    ("processing_policy", "n_records_count"),
    ("processing_policy", "time_window_size"),
    ("active_period", "start"),
]


@pytest.mark.parametrize(("section", "key"), NUMERIC_KEYS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "Infinity", 10**400])
def test_v16_numbers_are_finite(section: str, key: str, value: object) -> None:
    found = told(with_key(section, key, value))
    assert [line.split()[1] for line in found] == [f"{section}.{key}"]


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400])
def test_v16_numbers_of_a_list_are_finite(value: object) -> None:
    assert told(document(filtering_values=[1, value])) == ["Filters filters.filtering_values[1]"]


@pytest.mark.parametrize("value", ["1e-3", "0.001", 0.001])
def test_real_numbers_may_be_texts_because_yaml_reads_1e_3_as_one(value: object) -> None:
    made = config(transformations={"multiplication_ratio": value})
    assert made.transformations is not None
    assert made.transformations.multiplication_ratio == 0.001


BROKEN = document(
    {"policy_type": "Aggregation"},
    type_value_filtering="WhiteList",
    filtering_values=["1", "2"],
    type_value_threshold="Range",
    max_size=PAYLOAD_BYTES_MAX + 1,
)


def test_the_wire_hears_of_the_first_broken_rule_of_a_section() -> None:
    assert told(BROKEN) == [
        "Filters filters.filtering_values[0]",
        "ProcessingPolicy processing_policy.time_window_size",
    ]
    assert told({**BROKEN, "filters": {**BROKEN["filters"], "max_rate": -1}}) == [
        "Filters filters.max_rate",
        "ProcessingPolicy processing_policy.time_window_size",
    ]


def test_people_may_hear_of_every_rule() -> None:
    assert told({**BROKEN, "filters": {**BROKEN["filters"], "max_rate": -1}}, every=True) == [
        "Filters filters.max_rate",
        "Filters filters.filtering_values[0]",
        "Filters filters.filtering_values[1]",
        "Filters filters.threshold_min",
        "Filters filters.threshold_max",
        "Filters filters.max_size",
        "ProcessingPolicy processing_policy.time_window_size",
        "ProcessingPolicy processing_policy.aggregation_functions",
    ]


def test_a_refused_config_tells_how_many_errors_it_has() -> None:
    with pytest.raises(InvalidPipe, match="filters") as refused:
        read_config(BROKEN)
    assert refused.value.message.startswith("2 errors: filters.filtering_values[0]: must be")
    assert [entry.stage.value for entry in refused.value.entries] == ["Filters", "ProcessingPolicy"]


@pytest.mark.parametrize("root", [None, "text", [], 5])
def test_what_is_no_mapping_is_one_refusal(root: object) -> None:
    with pytest.raises(Invalid) as refused:
        read_config(root)
    assert refused.value.topic is Topic.PIPE


def test_no_message_repeats_what_may_be_large() -> None:
    made = document(filtering_values=[["x" * 1000]], max_rate="y" * 1000)
    assert all(len(found.message) < 200 for found in violations(made, every=True))


def test_the_default_pipe_is_valid() -> None:
    keys = {"type_input_value": "Text", "max_rate": 5, "max_size": 100}
    assert config(last_unique_check=False, **keys) == DEFAULT_PIPE
