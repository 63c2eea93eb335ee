"""The pipe as a library (docs/how-to/pipes.md runs too)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pepeunit.domain.errors import Invalid
from pepeunit.domain.pipes.drops import Drop
from pepeunit.domain.pipes.entries import LastValueEntry, WindowEntry
from pepeunit.domain.pipes.pipe import Outcome, Pipe, epoch_ms
from tests.domain.pipes.making import TIME_WINDOW, aggregation, config, document


def test_each_policy_gives_its_entry() -> None:
    assert Pipe(config()).feed(5, b" 1 ") == Outcome(row=LastValueEntry("1", 5))
    row = WindowEntry("1", "Number", 5, 60_005, 1)
    assert Pipe(config(TIME_WINDOW)).feed(5, b"1") == Outcome(row=row)
    assert Pipe(config(aggregation())).feed(5, b"1") == Outcome()


def test_a_drop_has_its_reason() -> None:
    outcome = Pipe.from_mapping(document()).feed(5, b"x")
    assert outcome == Outcome(dropped=Drop.TYPE)
    assert not outcome.is_accepted


def test_a_new_config_keeps_the_filter_state_and_the_open_windows() -> None:
    pipe = Pipe(config(aggregation()))
    pipe.feed(0, b"1")
    pipe.config = config(last_unique_check=True)
    assert pipe.feed(1, b"1.0").dropped is Drop.UNIQUE
    assert [entry.state for entry in pipe.close(60_000)] == [1.0]


def test_what_is_no_config_is_refused() -> None:
    with pytest.raises(Invalid):
        Pipe.from_mapping(document(max_rate=-1))


def test_datetimes_become_times_by_cutting() -> None:
    assert epoch_ms(datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC)) == 1999
