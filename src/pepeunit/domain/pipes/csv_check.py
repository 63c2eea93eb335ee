"""Which CSV rows may become stored rows (spec datapipe.md 9, rulings 33).

Rows come parsed, block by block, so a file of any length needs the memory of a block. Nothing of a
file may be stored before its last row has passed. Each rule takes a whole column at once: asking
every row for every rule takes three times as long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, compress, count, islice, repeat
from operator import eq, ge, gt, is_, lt, ne, sub
from typing import Any, Final
from uuid import UUID

from attrs import define

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.pipes.config import AggregationFunction, InputType, ListType, PipeConfig
from pepeunit.domain.pipes.config import PolicyType as Policy
from pepeunit.domain.pipes.numbers import parse_number
from pepeunit.domain.pipes.program import listed
from pepeunit.domain.pipes.rows import AggregateRow, NRecordRow, StoredRow, TimeWindowRow

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
_DAYS_END: Final = 47_481
"""2099-12-31, because what expires a day later still fits."""
_DAY_MS: Final = 86_400_000
_SECONDS_END: Final = 19
_FRACTION_END: Final = 26
_MINUTE_MS: Final = 60_000


class RefusedRow(Invalid):
    """``row`` counts from 1 after the header; 0 is the whole file."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__([(f"Row {row}", reason)], Topic.PIPE)
        self.row = row


@define
class _Sieve:
    """A block of rows of which the first ``left`` may still pass.

    A rule sees only those, so in the end ``reason`` is of the first row that breaks a rule, and of
    the first rule that it breaks. Rules may therefore be lazy about rows that were refused before.
    """

    left: int
    reason: str = ""

    def refuse(self, wrong: Iterable[object], reason: str) -> None:
        """``wrong`` tells of each row from the first on whether it breaks a rule."""
        at = next(compress(count(), islice(wrong, self.left)), None)
        if at is not None:
            self.left, self.reason = at, reason


def parse_csv_datetime(text: str) -> int | None:
    """``YYYY-MM-DD HH:MM:SS[.ffffff]`` as epoch milliseconds; None for any other text.

    It is UTC and has no offset; a T between date and time will do (spec rest.md 8.5). Stores hold
    the years 1970 to 2099.
    """
    length = len(text)
    if length < _SECONDS_END or text[4] != "-" or text[7] != "-" or text[10] not in " T":
        return None
    if length > _SECONDS_END and (length > _FRACTION_END or text[_SECONDS_END] != "."):
        return None
    try:
        passed = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, TypeError):  # the latter for a moment with an offset
        return None
    days = passed.days
    if not 0 <= days < _DAYS_END:
        return None
    return days * _DAY_MS + passed.seconds * 1000 + passed.microseconds // 1000


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
        # rows are in the order of their times, which is not that of their arrival then
        is_in_order = config.event_time is None
        self._rate_ms = filters.max_rate * 1000 if is_in_order else 0
        self._is_unique = filters.last_unique_check and is_in_order
        self._limit = policy.n_records_count or 0
        self._window_ms = 1000 * (policy.time_window_size or 0)
        self._function = policy.aggregation_functions or AggregationFunction.AVG
        self._row = 0
        self._previous_ms: float = -math.inf
        self._previous_value: str | float | None = None
        self._previous_end: int | None = None

    @property
    def rows(self) -> int:
        """How many have passed."""
        return self._row

    def check(self, block: Sequence[Sequence[str]]) -> list[StoredRow]:
        """The stored rows of the next rows of the file. Raises :class:`RefusedRow` for the first
        that breaks a rule; that is the end of the file then."""
        sieve = _Sieve(len(block))
        ragged = map(ne, map(len, block), repeat(self._cells))
        sieve.refuse(ragged, f"has not as many values as the header, {self._cells}")
        whole = block[: sieve.left]
        columns = [[cells[column] for cells in whole] for column in self._columns]
        make = self._aggregates if self._policy is Policy.AGGREGATION else self._entries
        rows: list[StoredRow] = list(make(sieve, *columns))
        self._row += len(rows)
        return rows

    def end(self) -> None:
        """Raises :class:`RefusedRow` for row 0 when there was no row."""
        if not self._row:
            raise RefusedRow(WHOLE_FILE, "the file has no rows")

    def _settle(self, sieve: _Sieve, created: Sequence[Any]) -> None:
        """All rules were asked."""
        if sieve.reason:
            raise RefusedRow(self._row + sieve.left + 1, sieve.reason)
        if created:
            self._previous_ms = created[-1]

    def _entries(
        self, sieve: _Sieve, states: Sequence[str], times: Sequence[str]
    ) -> Iterator[NRecordRow | TimeWindowRow]:
        """Of NRecords and TimeWindow."""
        created = self._created(sieve, states, times)
        values: Sequence[Any] = states
        if self._is_number:
            values = self._numbers(sieve, states)
        else:
            sieve.refuse(("\0" in state for state in states), "state holds the character U+0000")
        self._check_period(sieve, created, created)
        if self._is_raw:
            self._check_values(sieve, values)
        if self._rate_ms:
            gaps = map(sub, created, chain([self._previous_ms], created))
            reason = f"comes less than max_rate, {self._rate_ms} ms, after the row before"
            sieve.refuse(map(lt, gaps, repeat(self._rate_ms)), reason)
        if self._is_raw and self._is_unique:
            same = map(eq, values, chain([self._previous_value], values))
            sieve.refuse(same, "state equals that of the row before")
        size_max = self._filters.max_size
        if self._is_raw and size_max:
            wrong = (len(state.encode()) > size_max for state in states)
            sieve.refuse(wrong, f"state has over {size_max} bytes")
        limits = self._limits(sieve, created)
        self._settle(sieve, created)
        if values:
            self._previous_value = values[-1]
        texts = [state.strip(NUMBER_SPACES) for state in states] if self._is_number else states
        sizes = (len(text) if text.isascii() else len(text.encode()) for text in texts)
        origin, kind = (repeat(self._node), repeat(self._generation)), repeat(self._kind)
        numbers = count(self._row + 1)
        return zip(*origin, numbers, texts, kind, created, limits, sizes, strict=False)

    def _limits(self, sieve: _Sieve, created: Sequence[Any]) -> Iterable[int]:
        """What rows of the policy carry; NRecords and TimeWindow have a rule of their own."""
        if self._policy is Policy.N_RECORDS:
            too_many = map(gt, count(self._row + 1), repeat(self._limit))
            sieve.refuse(too_many, f"is one more than n_records_count, {self._limit}")
            return repeat(self._limit)
        first, last = self._now_ms - self._window_ms, self._now_ms
        wrong = (not first <= moment <= last for moment in created)
        sieve.refuse(wrong, "create_datetime is not within the last time_window_size seconds")
        return (moment + self._window_ms for moment in created)

    def _aggregates(
        self,
        sieve: _Sieve,
        states: Sequence[str],
        times: Sequence[str],
        starts: Sequence[str],
        ends: Sequence[str],
    ) -> Iterator[AggregateRow]:
        created = self._created(sieve, states, times)
        values = self._numbers(sieve, states)
        start, end = self._moments(sieve, START, starts), self._moments(sieve, END, ends)
        self._check_period(sieve, created, start)
        for column in (start, end):
            wrong = (moment % _MINUTE_MS for moment in column)
            sieve.refuse(wrong, "the window must start and end at full minutes")
        size = self._window_ms
        other_size = map(ne, map(sub, end, start), repeat(size))
        sieve.refuse(other_size, f"the window must be {size // 1000} seconds long")
        distances = map(abs, map(sub, created, end))
        far = map(ge, distances, repeat(CREATION_SECONDS_MAX * 1000))
        sieve.refuse(far, f"create_datetime must be within {CREATION_SECONDS_MAX} s of the end")
        astray = map(self._is_astray, end, chain([self._previous_end], end))
        sieve.refuse(astray, "the window must end a multiple of its size after the one before")
        self._settle(sieve, created)
        if end:
            self._previous_end = end[-1]
        origin = repeat(self._node), repeat(self._generation)
        shape = repeat(self._function.value), repeat(size // 1000)
        return zip(*origin, values, *shape, created, start, end, repeat(0), strict=False)

    def _is_astray(self, end: int, before: int | None) -> bool:
        return before is not None and (end <= before or (end - before) % self._window_ms != 0)

    def _created(self, sieve: _Sieve, states: Sequence[str], times: Sequence[str]) -> list[Any]:
        wrong = (not state.isascii() and not _is_utf8(state) for state in states)
        sieve.refuse(wrong, "state is not UTF-8")
        created = self._moments(sieve, CREATED, times)
        earlier = map(lt, created, chain([self._previous_ms], created))
        sieve.refuse(earlier, "create_datetime is earlier than in the row before")
        return created

    @staticmethod
    def _moments(sieve: _Sieve, column: str, texts: Sequence[str]) -> list[Any]:
        """None where the sieve refused."""
        moments = list(map(parse_csv_datetime, texts))
        reason = f"{column} must be YYYY-MM-DD HH:MM:SS[.ffffff] within 1970 to 2099"
        sieve.refuse(map(is_, moments, repeat(None)), reason)
        return moments

    @staticmethod
    def _numbers(sieve: _Sieve, states: Sequence[str]) -> list[Any]:
        """None where the sieve refused."""
        values = list(map(parse_number, states))
        sieve.refuse(map(is_, values, repeat(None)), "state is not a finite number")
        return values

    def _check_period(self, sieve: _Sieve, latest: Sequence[Any], earliest: Sequence[Any]) -> None:
        """A window is told after its last message, so only part of it needs to lie inside."""
        reason = "create_datetime is outside the active period"
        if self._start_ms is not None:
            sieve.refuse(map(lt, latest, repeat(self._start_ms)), reason)
        if self._end_ms is not None:
            sieve.refuse(map(gt, earliest, repeat(self._end_ms)), reason)

    def _check_values(self, sieve: _Sieve, values: Sequence[Any]) -> None:
        kind = self._filters.type_value_filtering
        if kind is not None:
            is_white = kind is ListType.WHITE
            wrong = ((value in self._listed) is not is_white for value in values)
            sieve.refuse(wrong, f"state is not allowed by the {kind.value}")
        if self._minimum is not None:
            sieve.refuse(map(lt, values, repeat(self._minimum)), "state is below threshold_min")
        if self._maximum is not None:
            sieve.refuse(map(gt, values, repeat(self._maximum)), "state is above threshold_max")


def _is_utf8(text: str) -> bool:
    """Readers of files turn other bytes into lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
