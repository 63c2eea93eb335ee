"""How a process of the platform treats its memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pepeunit.adapters.clickhouse.connections import forgo_data_frames

COLLECTOR_THRESHOLDS: Final = (50_000, 20, 20)
"""New objects before a collection of the young, and how many of those before the older ones. Rows
are tuples by the hundred thousand, none in a cycle: with Python's own numbers the garbage collector
walks through all of them again and again, a third of a second at a time."""


def spare_memory() -> None:
    """Before anything is opened: the collector runs seldom, and what nobody uses is not loaded."""
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    forgo_data_frames()


@contextmanager
def settled_memory() -> Iterator[None]:
    """What stands now stays until the end: the collector need not look through it again and
    again, which stops everything for longer than many requests take."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
