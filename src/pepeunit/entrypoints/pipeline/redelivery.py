"""What the broker may send again although it is stored: its acknowledgement got lost.

MQTT lets a broker send a message again, marked as repeated and with the same packet identifier,
when the connection ended before the acknowledgement came. To take a new message for one of those
would lose it, so whoever may be one must be one of the newest that were stored, with the same
identifier, node and payload, at the very beginning of a connection: a broker sends again in the
order of the first time, and what was stored comes before what was not. With identifiers that are
counted on, as mosquitto's and EMQX's are, no other message fits (decision 0020).
"""

from __future__ import annotations

from collections import deque
from typing import Final
from uuid import UUID

from pepeunit.domain.messaging.record import SampleRecord
from pepeunit.entrypoints.pipeline.limits import InboxLimits

DUP: Final = 0x08


class Remembered:
    """The newest messages that were stored, of one session."""

    def __init__(self, limits: InboxLimits) -> None:
        self._limits = limits
        self._recent: deque[tuple[SampleRecord, int, int]] = deque()
        """Each with the count of its messages and their bytes."""
        self._count = self._size_bytes = 0
        self._expected: dict[int, tuple[UUID, bytes]] = {}

    @property
    def is_expecting(self) -> bool:
        """Everything that came over this connection was sent again."""
        return bool(self._expected)

    @property
    def newest_ms(self) -> int | None:
        """When the newest was received."""
        return self._recent[-1][0].received_ms if self._recent else None

    def add(self, record: SampleRecord) -> None:
        """This is stored; what has packet identifiers was, or will be, acknowledged once."""
        if not record.packet_ids:
            return
        count, size = record.sample_count, record.payload_bytes
        self._recent.append((record, count, size))
        self._count += count
        self._size_bytes += size
        limits = self._limits
        since_ms = record.received_ms - 1000 * limits.remembered_seconds
        while self._recent and (
            self._count > limits.remembered_max
            or self._size_bytes > limits.remembered_bytes_max
            or self._recent[0][0].received_ms < since_ms
        ):
            _, count, size = self._recent.popleft()
            self._count -= count
            self._size_bytes -= size

    def expect(self) -> None:
        """The session goes on over a new connection."""
        self._expected = {
            packet_id: (node, payload)
            for record, _, _ in self._recent
            for node, ids in record.packet_ids.items()
            for packet_id, payload in zip(ids, record.payloads[node], strict=True)
        }

    def forget(self) -> None:
        """The session is a new one: identifiers begin anew."""
        self._recent.clear()
        self._expected.clear()
        self._count = self._size_bytes = 0

    def is_known(self, head: int, packet_id: int, node: UUID, payload: bytes) -> bool:
        """Whether it is one that was stored, sent again; the first that is not is the last one
        asked about."""
        if head & DUP and self._expected.get(packet_id) == (node, payload):
            return True
        self._expected.clear()
        return False
