"""What the metrics page tells of pipes and of the way to the stores (rulings 35)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from pepeunit.codecs.exposition import Family, Sample
from pepeunit.usecases.samples.ingest import Ingest
from pepeunit.usecases.samples.lane import Lane


def pipe_families(ingest: Ingest) -> Iterator[Family]:
    """Families of the lanes are left out while another process runs the pipes."""
    counters = ingest.counters
    yield Family.one(
        "pepeunit_pipe_received_total", "counter", "Samples acknowledged.", counters.received
    )
    yield Family(
        "pepeunit_pipe_messages_total",
        "counter",
        "Samples by what became of them.",
        tuple(Sample(count, {"outcome": end}) for end, count in counters.outcomes().items()),
    )
    tenure = ingest.tenure
    yield Family.one(
        "pepeunit_pipe_running", "gauge", "Whether this process runs the pipes.", bool(tenure)
    )
    yield Family.one(
        "pepeunit_pipe_queue_bytes",
        "gauge",
        "Memory of samples that wait for their pipe.",
        ingest.intake.queue_bytes,
    )
    yield Family.one(
        "pepeunit_pipe_unreadable_records_total",
        "counter",
        "Journal records that could not be read.",
        ingest.intake.unreadable,
    )
    if tenure is None:
        return
    yield Family.one(
        "pepeunit_pipe_open_windows",
        "gauge",
        "Windows that are not over.",
        tenure.in_force.open_windows(),
    )
    yield Family.one(
        "pepeunit_pipe_checkpoint_seconds",
        "gauge",
        "What the last checkpoint took.",
        tenure.checkpointer.seconds,
    )
    now = asyncio.get_running_loop().time()

    def age(lane: Lane) -> float:
        return 0.0 if lane.oldest_since is None else now - lane.oldest_since

    told: tuple[tuple[str, str, Callable[[Lane], float]], ...] = (
        ("rows_total", "Rows stored.", lambda lane: lane.stored_rows),
        ("writes_total", "Writes to the store.", lambda lane: lane.writes),
        ("flush_seconds_total", "Time spent writing.", lambda lane: lane.write_seconds),
        ("retries_total", "Writes tried again.", lambda lane: lane.retries),
        ("quarantined_total", "Rows no store will take.", lambda lane: lane.quarantined),
        ("waiting_rows", "Rows not stored yet.", lambda lane: lane.row_count),
        ("waiting_bytes", "Memory of rows not stored yet.", lambda lane: lane.memory_bytes),
        ("spool_bytes", "Disk of rows not stored yet.", lambda lane: lane.spooled_bytes),
        ("spool_rows", "Rows on that disk.", lambda lane: lane.spooled_rows),
        ("oldest_unflushed_seconds", "Age of the oldest row not stored.", age),
        ("store_down", "Whether the store did not answer.", lambda lane: lane.is_down),
    )
    for name, text, value in told:
        yield Family(
            f"pepeunit_pipe_{name}",
            "counter" if name.endswith("_total") else "gauge",
            text,
            tuple(Sample(value(lane), {"store": lane.name}) for lane in tenure.lanes),
        )
