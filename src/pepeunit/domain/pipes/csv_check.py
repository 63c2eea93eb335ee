"""Which CSV rows may become stored rows (spec datapipe.md 9, rulings 33).

Rows come parsed, one after the other, so a file of any length needs no memory. Nothing of a file
may be stored before its last row has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.pipes.config import AggregationFunction, InputType, ListType, PipeConfig
from pepeunit.domain.pipes.config import PolicyType as Policy
from pepeunit.domain.pipes.numbers import parse_number
from pepeunit.domain.pipes.program import listed
from pepeunit.domain.pipes.rows import AggregateRow, NRecordRow, TimeWindowRow

STATE: Final = "state"
CREATED: Final = "create_datetime"
START: Final = "start_window_datetime"
END: Final = "end_window_datetime"
WHOLE_FILE: Final = 0
"""As a row number: what is wrong concerns no single row."""
CREATION_SECONDS_MAX: Final = 60
"""An aggregate is created less than this from its window's end."""
NUMBER_SPACES: Final = " \t\r\n"

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  texts have no offset, all is UTC
_MILLISECOND: Final = timedelta(milliseconds=1)
_END: Final = datetime(2099, 12, 31)  # noqa: DTZ001  what expires a day later still fits
_SECONDS_END: Final = 19
_FRACTION_END: Final = 26
_MINUTE_MS: Final = 60_000


class RefusedRow(Invalid):
    """``row`` counts from 1 after the header; 0 is the whole file."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__([(f"Row {row}", reason)], Topic.PIPE)
        self.row = row


class _Breach(Exception):
    """A rule that a row breaks."""


def parse_csv_datetime(text: str) -> int:
    """``YYYY-MM-DD HH:MM:SS[.ffffff]`` as epoch milliseconds. Raises ``ValueError``.

    It is UTC and has no offset; a T between date and time will do (spec rest.md 8.5). Stores hold
    the years 1970 to 2099.
    """
    length = len(text)
    if length < _SECONDS_END or text[4] != "-" or text[7] != "-" or text[10] not in " T":
        raise ValueError(text)
    if length > _SECONDS_END and (length > _FRACTION_END or text[_SECONDS_END] != "."):
        raise ValueError(text)
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None or not _EPOCH <= found < _END:
        raise ValueError(text)
    return (found - _EPOCH) // _MILLISECOND


class CsvCheck:
    """Checks the rows of one file for one node. Call :meth:`end` after the last row.

    ``now_ms`` is the time of the upload. Raises :class:`RefusedRow` for row 0 when the policy
    keeps no rows or a column is missing; order and number of other columns are free.
    """

    def __init__(
        self, config: PipeConfig, header: Sequence[str], now_ms: int, node: UUID, generation: int
    ) -> None:
        policy, filters = config.processing_policy, config.filters
        self._policy = policy.policy_type
        if self._policy is Policy.LAST_VALUE:
            raise RefusedRow(WHOLE_FILE, "LastValue has no rows to import")
        needed = [STATE, CREATED, *([START, END] if self._policy is Policy.AGGREGATION else [])]
        names = [name.strip().removeprefix("\ufeff") for name in header]
        missing = [name for name in needed if name not in names]
        if missing:
            raise RefusedRow(WHOLE_FILE, f"the file has no column {', '.join(missing)}")
        twice = [name for name in needed if names.count(name) > 1]
        if twice:
            raise RefusedRow(WHOLE_FILE, f"the file has more than one column {', '.join(twice)}")
        self._columns = [names.index(name) for name in needed]
        self._cells = len(header)
        self._node, self._generation, self._now_ms = node, generation, now_ms
        self._is_number = filters.type_input_value is InputType.NUMBER
        self._kind = filters.type_input_value.value
        self._start_ms, self._end_ms = config.active_period.start_ms, config.active_period.end_ms
        self._filters = filters
        self._listed = listed(filters)
        self._minimum, self._maximum = filters.minimum, filters.maximum
        # what is stored then is not what came in, and these describe what came in
        self._is_raw = self._policy is not Policy.AGGREGATION and not config.is_transforming
        self._limit = policy.n_records_count or 0
        self._window_ms = 1000 * (policy.time_window_size or 0)
        self._function = policy.aggregation_functions or AggregationFunction.AVG
        self._row = 0
        self._previous_ms: int | None = None
        self._previous_value: str | float | None = None
        self._previous_end: int | None = None

    @property
    def rows(self) -> int:
        """How many have passed."""
        return self._row

    def row(self, cells: Sequence[str]) -> NRecordRow | TimeWindowRow | AggregateRow:
        """The stored row of the next row of the file. Raises :class:`RefusedRow`."""
        try:
            if len(cells) != self._cells:
                raise _Breach(f"has {len(cells)} values for {self._cells} columns")
            row = self._checked([cells[column] for column in self._columns])
        except _Breach as breach:
            raise RefusedRow(self._row + 1, str(breach)) from None
        self._row += 1
        return row

    def end(self) -> None:
        """Raises :class:`RefusedRow` for row 0 when there was no row."""
        if not self._row:
            raise RefusedRow(WHOLE_FILE, "the file has no rows")

    def _checked(self, cells: Sequence[str]) -> NRecordRow | TimeWindowRow | AggregateRow:
        written = cells[0]
        if not written.isascii() and not _is_utf8(written):
            raise _Breach("state is not UTF-8")
        created = self._time(CREATED, cells[1])
        previous = self._previous_ms
        if previous is not None and created < previous:
            raise _Breach("create_datetime is earlier than in the row before")
        if self._policy is Policy.AGGREGATION:
            return self._aggregate(written, created, cells)
        value = self._value(written)
        self._check_period(created, created)
        if self._is_raw:
            self._check_value(value)
        rate_ms = self._filters.max_rate * 1000
        if previous is not None and created - previous < rate_ms:
            raise _Breach(f"comes {created - previous} ms after the row before, less than max_rate")
        if (
            self._is_raw
            and self._filters.last_unique_check
            and previous is not None
            and value == self._previous_value
        ):
            raise _Breach("state equals that of the row before")
        if (
            self._is_raw
            and self._filters.max_size
            and len(written.encode()) > self._filters.max_size
        ):
            raise _Breach(f"state has over {self._filters.max_size} bytes")
        self._previous_ms, self._previous_value = created, value
        text = written.strip(NUMBER_SPACES) if self._is_number else written
        limit = self._row_limit(created)
        seq, size = self._row + 1, len(text) if text.isascii() else len(text.encode())
        return self._node, self._generation, seq, text, self._kind, created, limit, size

    def _row_limit(self, created: int) -> int:
        """What a row of the policy carries; NRecords and TimeWindow have a rule of their own."""
        if self._policy is Policy.N_RECORDS:
            if self._row >= self._limit:
                raise _Breach(f"is one more than n_records_count, {self._limit}")
            return self._limit
        if not self._now_ms - self._window_ms <= created <= self._now_ms:
            raise _Breach("create_datetime is not within the last time_window_size seconds")
        return created + self._window_ms

    def _aggregate(self, written: str, created: int, cells: Sequence[str]) -> AggregateRow:
        state = parse_number(written)
        if state is None:
            raise _Breach("state is not a finite number")
        start, end = self._time(START, cells[2]), self._time(END, cells[3])
        self._check_period(created, start)
        if start % _MINUTE_MS or end % _MINUTE_MS:
            raise _Breach("the window must start and end at full minutes")
        if end - start != self._window_ms:
            raise _Breach(f"the window must be {self._window_ms // 1000} seconds long")
        if abs(created - end) >= CREATION_SECONDS_MAX * 1000:
            raise _Breach(f"create_datetime must be within {CREATION_SECONDS_MAX} s of the end")
        if self._previous_end is not None and (
            end <= self._previous_end or (end - self._previous_end) % self._window_ms
        ):
            raise _Breach("the window must end a multiple of its size after the one before")
        self._previous_ms, self._previous_end = created, end
        function, seconds = self._function.value, self._window_ms // 1000
        return self._node, self._generation, state, function, seconds, created, start, end, 0

    def _value(self, written: str) -> str | float:
        if not self._is_number:
            if "\0" in written:
                raise _Breach("state holds the character U+0000")
            return written
        value = parse_number(written)
        if value is None:
            raise _Breach("state is not a finite number")
        return value

    def _check_period(self, latest: int, earliest: int) -> None:
        """A window is told after its last message, so only part of it needs to lie inside."""
        if (self._start_ms is not None and latest < self._start_ms) or (
            self._end_ms is not None and earliest > self._end_ms
        ):
            raise _Breach("create_datetime is outside the active period")

    def _check_value(self, value: str | float) -> None:
        kind = self._filters.type_value_filtering
        if kind is not None and (value in self._listed) is not (kind is ListType.WHITE):
            raise _Breach(f"state is not allowed by the {kind.value}")
        if self._minimum is not None and value < self._minimum:  # type: ignore[operator]
            raise _Breach("state is below threshold_min")
        if self._maximum is not None and value > self._maximum:  # type: ignore[operator]
            raise _Breach("state is above threshold_max")

    @staticmethod
    def _time(column: str, text: str) -> int:
        try:
            return parse_csv_datetime(text)
        except ValueError:
            raise _Breach(
                f"{column} must be YYYY-MM-DD HH:MM:SS[.ffffff] within 1970 to 2099"
            ) from None


def _is_utf8(text: str) -> bool:
    """Readers of files turn other bytes into lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
