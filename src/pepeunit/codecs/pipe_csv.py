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

BLOCK_ROWS: Final = 20_000
BLOCK_CHARS: Final = 4 * 1024 * 1024
"""A block ends when either is reached: whole columns pay, memory is bounded."""
PIECE_CHARS: Final = 64 * 1024
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
        lines = _Lines(text)
        rows = csv.reader(lines, strict=True)
        try:
            header = next(filter(None, rows), [])
        except csv.Error as error:
            raise _unreadable(0, error) from None
        return header, _blocks(rows, lines)


@define
class _Lines:
    """The lines of a file, as long as those of one row are not too many characters together."""

    text: io.TextIOBase
    row_chars: int = 0
    """Of the row that is read now."""

    def __iter__(self) -> Iterator[str]:
        rest = ""
        while piece := self.text.read(PIECE_CHARS):
            rest += piece
            # a last CR may be half of a CRLF
            end = max(rest.rfind("\n"), rest.rfind("\r", 0, -1)) + 1
            for line in io.StringIO(rest[:end], newline=""):
                self.row_chars += len(line)
                self._require_short(self.row_chars)
                yield line
            rest = rest[end:]
            self._require_short(self.row_chars + len(rest))
        if rest:
            self.row_chars += len(rest)
            yield rest

    @staticmethod
    def _require_short(chars: int) -> None:
        if chars > RECORD_CHARS_MAX:
            raise csv.Error(f"a row has over {RECORD_CHARS_MAX} characters")


def _blocks(rows: Iterator[list[str]], lines: _Lines) -> Iterator[Sequence[Sequence[str]]]:
    block: list[list[str]] = []
    number = chars = lines.row_chars = 0
    broken: csv.Error | None = None
    try:
        for row in rows:
            if row:
                block.append(row)
                chars += lines.row_chars  # commas too: empty cells take memory
                if len(block) >= BLOCK_ROWS or chars >= BLOCK_CHARS:
                    yield block
                    number += len(block)
                    block, chars = [], 0
            lines.row_chars = 0
    except csv.Error as error:
        broken = error
    if block:  # a rule that an earlier row breaks is told first
        yield block
    if broken is not None:
        raise _unreadable(number + len(block) + 1, broken)


def _unreadable(number: int, error: csv.Error) -> Invalid:
    return Invalid([(f"Row {number}", f"is not CSV: {error}")], Topic.PIPE)
