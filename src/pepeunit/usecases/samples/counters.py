"""How many messages met which end (rulings 35)."""

from __future__ import annotations

from collections.abc import Mapping

from pepeunit.domain.pipes.drops import REASONS, no_drops


class PipeCounters:
    """Since the process began, and the whole instance; those of a node are at its seat."""

    def __init__(self) -> None:
        self.received = 0
        """Acknowledged: in the journal."""
        self.accepted = 0
        self.ignored = 0
        """On topics of nodes without an active pipe."""
        self.shed = 0
        """QoS 0, dropped for want of room or because the store is too slow."""
        self.nonfinite_windows = 0
        self.drops = no_drops()

    def outcomes(self) -> Mapping[str, int]:
        """Messages by what became of them."""
        ends = {"accepted": self.accepted, "ignored": self.ignored, "shed": self.shed}
        return ends | dict(zip(REASONS, self.drops, strict=True))
