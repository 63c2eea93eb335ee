"""What a test tells beside its verdict, told at the end of the run."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

SAID = "said"


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Tells a figure or a seed in the summary, whichever worker ran the test and however it
    ended."""
    return lambda text: record_property(SAID, text)


@pytest.fixture
def collector_off() -> Iterator[None]:
    """For tests of processor time: the collector looks through all that the whole run of tests
    holds, a second at a time, and would be counted to whoever it meets."""
    gc.disable()
    yield
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        (report.nodeid, value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == SAID
    ]
    if told:
        terminalreporter.section("figures")
    for test, text in told:
        terminalreporter.write_line(f"{test}: {text}")
