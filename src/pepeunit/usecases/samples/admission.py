"""What is let in under load: QoS 1 waits rather than is dropped, QoS 0 is dropped and counted."""

from __future__ import annotations

from collections.abc import Iterable

from pepeunit.usecases.samples.intake import Intake
from pepeunit.usecases.samples.lane import Lane
from pepeunit.usecases.samples.limits import IngestLimits


class Admission:
    """Asked once a batch."""

    def __init__(self, intake: Intake, limits: IngestLimits) -> None:
        self._intake = intake
        self._limits = limits
        self.lanes: Iterable[Lane] = ()

    @property
    def is_full(self) -> bool:
        """Only QoS 1 may still go into the journal."""
        limits = self._limits
        return self._intake.journal_bytes > limits.journal_bytes_max * limits.journal_share_qos_0

    @property
    def sheds_qos_0(self) -> bool:
        """The journal is nearly full, or what gathered while a store answers would take longer
        than ``backlog_seconds_max`` to store at the rate it was last seen to take rows."""
        seconds = self._limits.backlog_seconds_max
        return self.is_full or any(self._delay_seconds(lane) > seconds for lane in self.lanes)

    def _delay_seconds(self, lane: Lane) -> float:
        """Samples that no pipe has seen yet may all become rows of this store."""
        if lane.rows_per_second is None or lane.is_down:
            return 0.0
        ahead = self._intake.waiting_samples if lane.live_row_count else 0
        return (lane.live_row_count + ahead) / lane.rows_per_second
