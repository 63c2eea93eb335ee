"""What the broker may send again although it is stored: its acknowledgement got lost.

MQTT lets a broker send a message again, with the same packet identifier, when the connection
ended before the acknowledgement came. The identifier, the node and the payload tell it from
another.
"""

from __future__ import annotations

from collections import deque
from typing import Final
from uuid import UUID

from pepeunit.domain.messaging.record import SampleRecord
from pepeunit.entrypoints.pipeline.limits import InboxLimits

DUP: Final = 0x08


class Remembered:
    """Messages that were stored lately, in the session that is."""

    def __init__(self, limits: InboxLimits) -> None:
        self._limits = limits
        self._recent: deque[tuple[SampleRecord, int, int]] = deque()
        """Each with the count of its messages and their bytes."""
        self._count = self._size_bytes = 0
        self._expected: dict[int, tuple[UUID, bytes]] = {}

    @property
    def is_expecting(self) -> bool:
        """The connection is new enough for something to be sent again."""
        return bool(self._expected)

    def add(self, record: SampleRecord) -> None:
        """This is stored; what has packet identifiers was, or will be, acknowledged once."""
        if not record.packet_ids:
            return
        count, size = record.sample_count, record.payload_bytes
        self._recent.append((record, count, size))
        self._count += count
        self._size_bytes += size
        limits = self._limits
        while len(self._recent) > 1 and (
            self._count > limits.remembered_max or self._size_bytes > limits.remembered_bytes_max
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
        """Whether it is one that was stored, sent again; asked once for each message."""
        was = self._expected.pop(packet_id, None)
        return bool(head & DUP) and was == (node, payload)
