"""What the endpoint has seen, for the metrics."""

from __future__ import annotations


class Counters:
    """Plain running totals since the start.

    ``dropped_messages`` counts what was lost for want of room (full buffers and queues, slow
    readers, expired or oversized deliveries); ``denied_*`` what the policy refused.
    """

    __slots__ = (
        "accepted_connects",
        "delivered_messages",
        "denied_messages",
        "denied_subscriptions",
        "dropped_messages",
        "received_messages",
        "refused_connects",
    )

    def __init__(self) -> None:
        self.accepted_connects = 0
        self.refused_connects = 0
        self.received_messages = 0
        self.delivered_messages = 0
        self.dropped_messages = 0
        self.denied_messages = 0
        self.denied_subscriptions = 0
