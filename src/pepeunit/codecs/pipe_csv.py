"""A node's stored rows as CSV, and back (spec datapipe.md 9).

UTF-8, comma, CRLF, quotes only where needed; moments are ``YYYY-MM-DD HH:MM:SS[.ffffff]`` in UTC
with a fraction only when it is not zero, floats in their shortest form. Read are files with or
without a byte order mark, with CRLF or LF, columns in any order; others beside them are ignored.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Final

from attrs import define, frozen

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.pipes.config import PolicyType
from pepeunit.domain.pipes.moments import from_ms
from pepeunit.domain.pipes.rows import StoredRow

BLOCK_ROWS: Final = 5_000
BLOCK_CHARS: Final = 4 * 1024 * 1024
FIELD_CHARS_MAX: Final = 1024 * 1024
"""More than a broker lets through; a quote that is never closed ends here."""
RECORD_CHARS_MAX: Final = 2 * 1024 * 1024
"""Of a row: a cell takes eight bytes of memory for each comma of the file."""
_SECONDS_REMEMBERED: Final = 4096

COLUMNS: Final = {
    PolicyType.N_RECORDS: (
        *("unit_node_uuid", "state", "state_type", "create_datetime"),
        *("max_count", "size"),
    ),
    PolicyType.TIME_WINDOW: (
        *("unit_node_uuid", "state", "state_type", "create_datetime"),
        *("expiration_datetime", "size"),
    ),
    PolicyType.AGGREGATION: (
        *("unit_node_uuid", "state", "aggregation_type", "time_window_size"),
        *("create_datetime", "start_window_datetime", "end_window_datetime"),
    ),
}


_node_text: Final = lru_cache(1)(str)


@lru_cache(_SECONDS_REMEMBERED)
def _second_text(seconds: int) -> str:
    return from_ms(seconds * 1000).strftime("%Y-%m-%d %H:%M:%S")


def moment_text(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    text = _second_text(seconds)
    return f"{text}.{rest:03d}000" if rest else text


def _n_record(row: Any) -> tuple[object, ...]:
    node, _, _, state, state_type, created, max_count, size = row
    return (_node_text(node), state, state_type, moment_text(created), max_count, size)


def _time_window(row: Any) -> tuple[object, ...]:
    node, _, _, state, state_type, created, expires, size = row
    moments = moment_text(created), moment_text(expires)
    return (_node_text(node), state, state_type, *moments, size)


def _aggregate(row: Any) -> tuple[object, ...]:
    node, _, state, function, window, *moments, _ = row
    return (_node_text(node), state, function, window, *map(moment_text, moments))


_LINES: Final[dict[PolicyType, Callable[[Any], tuple[object, ...]]]] = {
    PolicyType.N_RECORDS: _n_record,
    PolicyType.TIME_WINDOW: _time_window,
    PolicyType.AGGREGATION: _aggregate,
}


def csv_head(policy: PolicyType) -> bytes:
    return _written([COLUMNS[policy]])


def csv_lines(policy: PolicyType, rows: Iterable[StoredRow]) -> bytes:
    return _written(map(_LINES[policy], rows))


def _written(lines: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


@frozen
class PipeCsv:
    """An uploaded file, never held whole.

    Bytes that are not UTF-8 become lone surrogates, for the check of the row to find.
    """

    file: BinaryIO

    def read(self) -> tuple[Sequence[str], Iterator[Sequence[Sequence[str]]]]:
        """The header, and the rows after it in blocks of BLOCK_ROWS or BLOCK_CHARS.

        Both raise ``Invalid`` (topic pipe) for what is no CSV; the message names the row, of which
        the first after the header is 1. Empty lines are no rows.
        """
        csv.field_size_limit(FIELD_CHARS_MAX)  # of the process, and only ever set here
        self.file.seek(0)
        text = io.TextIOWrapper(
            self.file, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        lines = _readable(_Lines(text))
        return next(lines, []), _blocks(lines)


@define
class _Lines:
    """The lines of a file, as long as those of one row are not too many characters together."""

    text: io.TextIOBase
    row_chars: int = 0
    """Of the row that is read now."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.text.readline(RECORD_CHARS_MAX + 1)
        if not line:
            raise StopIteration
        self.row_chars += len(line)
        if self.row_chars > RECORD_CHARS_MAX:
            raise csv.Error(f"a row has over {RECORD_CHARS_MAX} characters")
        return line


def _blocks(lines: Iterator[list[str]]) -> Iterator[Sequence[Sequence[str]]]:
    block: list[list[str]] = []
    chars = 0
    try:
        for line in lines:
            block.append(line)
            chars += len(line) + sum(map(len, line))  # empty cells take memory too
            if len(block) >= BLOCK_ROWS or chars >= BLOCK_CHARS:
                yield block
                block, chars = [], 0
    except Invalid:
        if block:  # a rule that an earlier row breaks is told first
            yield block
        raise
    if block:
        yield block


def _readable(lines: _Lines) -> Iterator[list[str]]:
    number = 0
    try:
        for line in csv.reader(lines, strict=True):
            lines.row_chars = 0
            if line:
                yield line
                number += 1
    except csv.Error as error:
        raise Invalid([(f"Row {number}", f"is not CSV: {error}")], Topic.PIPE) from None
