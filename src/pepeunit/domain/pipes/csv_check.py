"""Which rows of an uploaded table may become a node's series (spec datapipe.md 9, rulings 33).

The first row that breaks a rule ends the check; its number counts from 1 after the header.

An export that nobody touched passes as long as its rows have not expired. Lists, thresholds and
uniqueness look at what a device sent, ``max_size`` at how much of it, so they are passed over
where the stored text may be another one: with transformations, and for aggregates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.pipes.config import InputType, ListType, PipeConfig, PolicyType
from pepeunit.domain.pipes.numbers import SPACES, parse_number
from pepeunit.domain.pipes.rows import StoredRow

VALUE_COLUMNS: Final = ("state", "create_datetime")
WINDOW_COLUMNS: Final = ("start_window_datetime", "end_window_datetime")
MINUTE_MS: Final = 60_000
IMPORTED_SAMPLES: Final = 1
"""What an aggregate that was made elsewhere counts for."""
MOMENT_MS_MAX: Final = 4_102_358_399_999
"""The second last day of 2099: what expires a day later still fits the stores."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  naive is UTC here
_MILLISECOND: Final = timedelta(milliseconds=1)
_TRIMMED: Final = SPACES.decode()
_MOMENT_LENGTH: Final = len("YYYY-MM-DD HH:MM:SS")


class RowRefused(ValueError):
    """What is wrong with a row, without its number."""


def _moment(column: str, text: str) -> int:
    """Epoch milliseconds of ``YYYY-MM-DD HH:MM:SS[.ffffff]``, with a T too; no offset is UTC."""
    if len(text) >= _MOMENT_LENGTH and text[4::3][:2] == "--" and text[13::3][:2] == "::":
        try:
            moment = datetime.fromisoformat(text)
            offset = moment.utcoffset()
        except ValueError:
            pass
        else:
            if offset is not None:
                moment = moment.replace(tzinfo=None) - offset
            milliseconds = (moment - _EPOCH) // _MILLISECOND
            if 0 <= milliseconds <= MOMENT_MS_MAX:
                return milliseconds
            raise RowRefused(f"{column} lies outside the years 1970 to 2099")
    raise RowRefused(f"{column} is not a datetime such as 2025-03-01 00:10:00")


class CsvCheck:
    """Turns rows into those of one series, in order; ``count`` are taken so far.

    Raises ``Invalid`` (topic pipe) when called for a row that breaks a rule. ``columns`` are those
    it wants, in this order.
    """

    def __init__(self, config: PipeConfig, node: UUID, generation: int, now_ms: int) -> None:
        policy = config.processing_policy
        self.count = 0
        self.columns: tuple[str, ...] = VALUE_COLUMNS
        self._row: Callable[[Sequence[str]], StoredRow]
        self._config = config
        self._series = (node, generation)
        self._now_ms = now_ms
        self._window_ms = 1000 * (policy.time_window_size or 0)
        self._created: int | None = None
        self._value: str | float | None = None
        self._end: int | None = None
        match policy.policy_type:
            case PolicyType.N_RECORDS:
                self._row = self._n_record
            case PolicyType.TIME_WINDOW:
                self._row = self._time_window
            case PolicyType.AGGREGATION:
                self._row, self.columns = self._aggregate, (*VALUE_COLUMNS, *WINDOW_COLUMNS)
            case PolicyType.LAST_VALUE:
                raise Invalid("LastValue keeps no rows", Topic.PIPE)
        self._is_number = config.filters.type_input_value is InputType.NUMBER
        self._checks_value = _value_rule(config)

    def __call__(self, values: Sequence[str]) -> StoredRow:
        self.count += 1
        try:
            return self._row(values)
        except RowRefused as refused:
            raise Invalid(f"Row {self.count}: {refused}", Topic.PIPE) from None

    def _n_record(self, values: Sequence[str]) -> StoredRow:
        created, state, size = self._accepted(values)
        most = self._config.processing_policy.n_records_count or 0
        if self.count > most:
            raise RowRefused(f"the config keeps {most} rows")
        kind = self._config.filters.type_input_value.value
        return (*self._series, self.count, state, kind, created, most, size)

    def _time_window(self, values: Sequence[str]) -> StoredRow:
        created, state, size = self._accepted(values)
        if created > self._now_ms:
            raise RowRefused("create_datetime lies in the future")
        if created < self._now_ms - self._window_ms:
            raise RowRefused("create_datetime lies before the time window")
        kind = self._config.filters.type_input_value.value
        expires = created + self._window_ms
        return (*self._series, self.count, state, kind, created, expires, size)

    def _aggregate(self, values: Sequence[str]) -> StoredRow:
        text, created_text, start_text, end_text = values
        created = self._next_moment(created_text)
        state = parse_number(text)
        if state is None:
            raise RowRefused("state is not a number")
        start, end = _moment(WINDOW_COLUMNS[0], start_text), _moment(WINDOW_COLUMNS[1], end_text)
        if not self._is_active(created) and not self._is_active(start, end - 1):
            raise RowRefused("create_datetime lies outside the active period")
        self._require_window(created, start, end)
        policy = self._config.processing_policy
        function = policy.aggregation_functions
        return (
            *self._series,
            state,
            "" if function is None else function.value,
            policy.time_window_size or 0,
            created,
            start,
            end,
            IMPORTED_SAMPLES,
        )

    def _require_window(self, created: int, start: int, end: int) -> None:
        if start % MINUTE_MS or end % MINUTE_MS:
            raise RowRefused("the window does not start and end at a whole minute")
        if end - start != self._window_ms:
            raise RowRefused(f"the window is not {self._window_ms // 1000} s long")
        if abs(created - end) >= MINUTE_MS:
            raise RowRefused("create_datetime is a minute or more away from the window's end")
        previous, self._end = self._end, end
        if previous is not None and (end <= previous or (end - previous) % self._window_ms):
            raise RowRefused("the window does not follow the one before at a multiple of its size")

    def _accepted(self, values: Sequence[str]) -> tuple[int, str, int]:
        """Moment, text and size in bytes of a row that a device could have sent."""
        state, created_text = values
        previous = self._created
        created = self._next_moment(created_text)
        value: str | float = state
        if self._is_number:
            state = state.strip(_TRIMMED)
            number = parse_number(state)
            if number is None:
                raise RowRefused("state is not a number")
            value = number
        try:
            size = len(state.encode())
        except UnicodeEncodeError:
            raise RowRefused("state is not UTF-8") from None
        if "\0" in state:
            raise RowRefused("state holds the character NUL")
        if not self._is_active(created):
            raise RowRefused("create_datetime lies outside the active period")
        filters = self._config.filters
        self._checks_value(value)
        if previous is not None:
            if created - previous < 1000 * filters.max_rate:
                raise RowRefused(f"comes less than {filters.max_rate} s after the row before")
            if filters.last_unique_check and not self._is_transforming and value == self._value:
                raise RowRefused("state is the same as in the row before")
        if size > (filters.max_size or size) and not self._is_transforming:
            raise RowRefused(f"state has {size} bytes, at most {filters.max_size} are allowed")
        self._value = value
        return created, state, size

    @property
    def _is_transforming(self) -> bool:
        return self._config.is_transforming

    def _next_moment(self, text: str) -> int:
        created = _moment(VALUE_COLUMNS[1], text)
        if self._created is not None and created < self._created:
            raise RowRefused("create_datetime lies before that of the row before")
        self._created = created
        return created

    def _is_active(self, first_ms: int, last_ms: int | None = None) -> bool:
        period = self._config.active_period
        start, end = period.start_ms, period.end_ms
        last_ms = first_ms if last_ms is None else last_ms
        return (start is None or last_ms >= start) and (end is None or first_ms <= end)


def _value_rule(config: PipeConfig) -> Callable[[str | float], None]:
    """Lists and thresholds, where they look at what is stored."""
    filters = config.filters
    kind, low, high = filters.type_value_filtering, filters.minimum, filters.maximum
    is_number = filters.type_input_value is InputType.NUMBER
    listed = frozenset(
        float(value) if is_number and not isinstance(value, str) else value
        for value in filters.filtering_values or ()
    )

    def check(value: str | float) -> None:
        if kind is not None and (value in listed) is not (kind is ListType.WHITE):
            raise RowRefused(f"state does not pass the {kind.value}")
        if isinstance(value, float):
            if low is not None and value < low:
                raise RowRefused(f"state is below {low}")
            if high is not None and value > high:
                raise RowRefused(f"state is above {high}")

    return _anything if config.is_transforming else check


def _anything(value: str | float) -> None:
    """Takes every value."""
