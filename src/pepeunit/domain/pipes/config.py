"""The config of one node's pipe, as validated (spec datapipe.md 2).

Values of these classes come from :func:`~pepeunit.domain.pipes.validation.read_config`, which
refuses what the grammar does not allow; made by hand they are trusted.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

DAY_SECONDS: Final = 86_400
RATE_SECONDS_MAX: Final = DAY_SECONDS
ROUND_MAX: Final = 7
RECORDS_MAX: Final = 1024
WINDOW_SECONDS: Final = (
    *(60, 300, 600, 900, 1200, 1800, 3600, 7200),
    *(10_800, 14_400, 21_600, 28_800, 43_200, DAY_SECONDS),
)
PAYLOAD_BYTES_MAX: Final = 256 * 1024
"""``PU_MQTT_MAX_PAYLOAD_SIZE`` in bytes, unless set otherwise."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Stage(enum.Enum):
    """The sections of a config by the names that errors use, in the order of the document."""

    ACTIVE_PERIOD = "ActivePeriod"
    FILTERS = "Filters"
    TRANSFORMATIONS = "Transformations"
    PROCESSING_POLICY = "ProcessingPolicy"


class PeriodType(enum.Enum):
    PERMANENT = "Permanent"
    FROM_DATE = "FromDate"
    TO_DATE = "ToDate"
    DATE_RANGE = "DateRange"

    @property
    def has_start(self) -> bool:
        return self in (PeriodType.FROM_DATE, PeriodType.DATE_RANGE)

    @property
    def has_end(self) -> bool:
        return self in (PeriodType.TO_DATE, PeriodType.DATE_RANGE)


class InputType(enum.Enum):
    TEXT = "Text"
    NUMBER = "Number"


class ListType(enum.Enum):
    WHITE = "WhiteList"
    BLACK = "BlackList"


class ThresholdType(enum.Enum):
    MIN = "Min"
    MAX = "Max"
    RANGE = "Range"

    @property
    def has_min(self) -> bool:
        return self is not ThresholdType.MAX

    @property
    def has_max(self) -> bool:
        return self is not ThresholdType.MIN


class PolicyType(enum.Enum):
    LAST_VALUE = "LastValue"
    N_RECORDS = "NRecords"
    TIME_WINDOW = "TimeWindow"
    AGGREGATION = "Aggregation"


class AggregationFunction(enum.Enum):
    AVG = "Avg"
    MIN = "Min"
    MAX = "Max"
    SUM = "Sum"


@frozen
class ActivePeriod:
    """``start`` and ``end`` are aware, inclusive, and looked at only where the type has them."""

    type: PeriodType
    start: datetime | None = None
    end: datetime | None = None

    @property
    def start_ms(self) -> int | None:
        """The first millisecond inside, or ``None`` without a lower bound."""
        if self.start is None or not self.type.has_start:
            return None
        return -((EPOCH - self.start) // _MILLISECOND)

    @property
    def end_ms(self) -> int | None:
        """The last millisecond inside, or ``None`` without an upper bound."""
        if self.end is None or not self.type.has_end:
            return None
        return (self.end - EPOCH) // _MILLISECOND


@frozen
class Filters:
    """``max_rate`` is in seconds, ``max_size`` in bytes; 0 switches either off."""

    type_input_value: InputType
    type_value_filtering: ListType | None = None
    filtering_values: tuple[str | int | float, ...] | None = None
    type_value_threshold: ThresholdType | None = None
    threshold_min: float | None = None
    threshold_max: float | None = None
    max_rate: int = 0
    last_unique_check: bool = False
    max_size: int = 0

    @property
    def minimum(self) -> float | None:
        """The lower bound in force: Number only, and only where the threshold has one."""
        kind = self.type_value_threshold
        is_used = self.type_input_value is InputType.NUMBER and kind is not None and kind.has_min
        return self.threshold_min if is_used else None

    @property
    def maximum(self) -> float | None:
        """The upper bound in force."""
        kind = self.type_value_threshold
        is_used = self.type_input_value is InputType.NUMBER and kind is not None and kind.has_max
        return self.threshold_max if is_used else None


@frozen
class Transformations:
    multiplication_ratio: float | None = None
    round_decimal_point: int | None = None
    slice_start: int | None = None
    slice_end: int | None = None


@frozen
class ProcessingPolicy:
    """``time_window_size`` is in seconds."""

    policy_type: PolicyType
    n_records_count: int | None = None
    time_window_size: int | None = None
    aggregation_functions: AggregationFunction | None = None

    @property
    def records_limit(self) -> int | None:
        """How many rows NRecords keeps; None under another policy."""
        return self.n_records_count if self.policy_type is PolicyType.N_RECORDS else None


@frozen
class PipeConfig:
    """One pipe. Equal configs compile to pipes that act alike."""

    active_period: ActivePeriod
    filters: Filters
    transformations: Transformations | None
    processing_policy: ProcessingPolicy

    @property
    def is_transforming(self) -> bool:
        """Whether a stored text may differ from the incoming one: keys of the other type do
        nothing."""
        keys = self.transformations
        if keys is None:
            return False
        if self.filters.type_input_value is InputType.NUMBER:
            return keys.multiplication_ratio is not None or keys.round_decimal_point is not None
        return keys.slice_start is not None or keys.slice_end is not None


DEFAULT_PIPE: Final = PipeConfig(
    ActivePeriod(PeriodType.PERMANENT),
    Filters(InputType.TEXT, max_rate=5, max_size=100),
    None,
    ProcessingPolicy(PolicyType.LAST_VALUE),
)
"""What a new node with the suffix starts with (spec datapipe.md 1)."""
