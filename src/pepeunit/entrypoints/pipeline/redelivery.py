"""What the broker may send again although it is stored: its acknowledgement got lost.

MQTT lets a broker send a message again, with the same packet identifier, when the connection
ended before the acknowledgement came. The identifier and the whole message tell it from another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from pepeunit.codecs.mqtt import packets as p
from pepeunit.entrypoints.pipeline.limits import InboxLimits

DUP: Final = 0x08


class Remembered:
    """Messages that were stored lately, in the session that is."""

    def __init__(self, limits: InboxLimits) -> None:
        self._limits = limits
        self._recent: deque[tuple[Sequence[p.Publish], int]] = deque()
        self._count = self._size_bytes = 0
        self._expected: dict[int, tuple[bytes, bytes]] = {}

    @property
    def is_expecting(self) -> bool:
        """The connection is new enough for something to be sent again."""
        return bool(self._expected)

    def add(self, stored: Sequence[p.Publish]) -> None:
        """These are stored and were, or will be, acknowledged once."""
        if not stored:
            return
        size = sum(len(one[2]) for one in stored)
        self._recent.append((stored, size))
        self._count += len(stored)
        self._size_bytes += size
        limits = self._limits
        while len(self._recent) > 1 and (
            self._count > limits.remembered_max or self._size_bytes > limits.remembered_bytes_max
        ):
            oldest, size = self._recent.popleft()
            self._count -= len(oldest)
            self._size_bytes -= size

    def expect(self) -> None:
        """The session goes on over a new connection."""
        self._expected = {
            publish[3]: (publish[1], publish[2]) for some, _ in self._recent for publish in some
        }

    def forget(self) -> None:
        """The session is a new one: identifiers begin anew."""
        self._recent.clear()
        self._expected.clear()
        self._count = self._size_bytes = 0

    def is_known(self, publish: p.Publish) -> bool:
        """Whether it is one that was stored, sent again; asked once for each message."""
        head, topic, payload, packet_id, _ = publish
        was = self._expected.pop(packet_id, None)
        return bool(head & DUP) and was == (topic, payload)
