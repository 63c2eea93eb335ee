"""The numbers of the way from an acknowledged message to a stored row."""

from __future__ import annotations

from typing import Final

from attrs import frozen

MIB: Final = 2**20


@frozen
class IngestLimits:
    """``flush_seconds`` is the longest a row waits to be handed to its store; ``flush_rows`` hand
    over sooner, but never more often than every ``flush_seconds_min``."""

    flush_seconds: float = 0.5
    flush_rows: int = 20_000
    flush_seconds_min: float = 0.05
    clock_seconds: float = 1.0
    """How soon it is seen that the clock was set, or that the machine slept: windows end by it."""
    queue_bytes_max: int = 64 * MIB
    """Memory for samples that wait for their pipe, and as much again for the rows of a store:
    above it samples are read back from the journal, and pipes stand still."""
    slice_samples: int = 2_000
    """Run through pipes in one go: a few milliseconds of the event loop."""
    slice_nodes: int = 500
    """Written down for a checkpoint in one go."""
    write_rows_max: int = 20_000
    write_rows_min: int = 1_000
    """A slow store is given less at once, but not less than this."""
    write_seconds: float = 1.0
    """How long one write should take, by the measured rate."""
    retry_seconds_min: float = 0.5
    retry_seconds_max: float = 30.0
    checkpoint_patience_seconds: float = 2.0
    """How long a checkpoint waits for the stores; then what they still owe goes to the spool."""
    checkpoint_seconds_min: float = 1.0
    checkpoint_share: float = 0.1
    """Of the time that checkpoints may take."""
    checkpoint_seconds_max: float = 10.0
    spool_bytes_max: int = 1024 * MIB
    journal_bytes_max: int = 1024 * MIB
    journal_share_qos_0: float = 0.9
    """Of the journal: the rest is for QoS 1."""
    backlog_seconds_max: float = 30.0
    room_seconds: float = 5.0
    """How long QoS 1 waits for room in a full journal before it is refused."""
    stop_seconds: float = 6.0
    """Doors and stores need the rest of the ten that a stop may take."""
