"""Files of rows that are made to fill memory (spec datapipe.md 9)."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from pepeunit.codecs.pipe_csv import RECORD_CHARS_MAX, PipeCsv
from pepeunit.domain.errors import Invalid

HEAD = b"state,create_datetime\n"
MIB = 2**20


def peak_of(file: bytes) -> int:
    """Memory that reading takes at most. Raises what reading raises."""
    tracemalloc.start()
    try:
        _, blocks = PipeCsv(io.BytesIO(file)).read()
        for _ in blocks:
            pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "row", [b"," * 8 * MIB, b'"\n",' * 2 * MIB], ids=["one line", "line ends in quotes"]
)
def test_w38_a_row_of_empty_cells_does_not_fill_memory(row: bytes) -> None:
    with pytest.raises(Invalid, match=f"Row 1: is not CSV: a row has over {RECORD_CHARS_MAX}"):
        peak_of(HEAD + row)
    with pytest.raises(Invalid, match=f"Row 0: is not CSV: a row has over {RECORD_CHARS_MAX}"):
        PipeCsv(io.BytesIO(row)).read()


def test_w38_rows_of_empty_cells_do_not_fill_memory_together() -> None:
    row = b"," * 8_000 + b"\n"
    file = HEAD + row * 2_000
    assert peak_of(file) < 96 * MIB  # 16 of the file, two blocks of 40
